//! Where labels go so that none lies on another.

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    /// Its left side.
    pub(crate) left: f64,
    /// Its upper side.
    pub(crate) top: f64,
    /// How wide it is.
    pub(crate) width: f64,
    /// How high it is.
    pub(crate) height: f64,
}

impl Rect {
    /// Whether two of them share more than an edge.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }
}

/// Moves labels in one column apart, each as little as can be, and gives the middle of each.
///
/// `wanted` has the middle that each would like and its height. They stay between `top` and
/// `bottom` if they fit there at all, and in the order of what they would like.
pub(crate) fn spread(wanted: &[(f64, f64)], top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].0.total_cmp(&wanted[*b].0).then(a.cmp(b)));
    // Less the heights before it, each label's place must not be above that of the one before: this
    // is isotonic regression, and pooling neighbours solves it.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    let mut before = 0.0;
    for index in &order {
        let (middle, height) = wanted[*index];
        pools.push((middle - height / 2.0 - before, 1));
        before += height;
        while let [.., (upper, many), (lower, more)] = pools[..]
            && upper > lower
        {
            let both = many + more;
            let mean = (upper * many as f64 + lower * more as f64) / both as f64;
            pools.truncate(pools.len() - 2);
            pools.push((mean, both));
        }
    }
    let lowest = (bottom - before).max(top);
    let places = pools
        .iter()
        .flat_map(|(place, many)| std::iter::repeat_n(*place, *many));
    let mut middles = vec![0.0; wanted.len()];
    let mut before = 0.0;
    for (index, place) in order.into_iter().zip(places) {
        let height = wanted[index].1;
        middles[index] = place.clamp(top, lowest) + before + height / 2.0;
        before += height;
    }
    middles
}

/// Puts spans into as few rows as it takes, in the order given, and gives the row of each.
pub(crate) fn rows(spans: &[(f64, f64)], gap: f64) -> Vec<usize> {
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut out = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        let free = |row: &Vec<(f64, f64)>| {
            row.iter()
                .all(|(a, b)| *to + gap <= *a || *b + gap <= *from)
        };
        let row = taken.iter().position(free).unwrap_or(taken.len());
        if row == taken.len() {
            taken.push(Vec::new());
        }
        taken[row].push((*from, *to));
        out.push(row);
    }
    out
}

/// Moves rectangles up or down until none lies on another, the first ones least, and keeps them
/// within `area`. Those that find no place are `None`.
pub(crate) fn place(wanted: &[Rect], area: Rect) -> Vec<Option<Rect>> {
    let mut taken: Vec<Rect> = Vec::new();
    let mut out = Vec::with_capacity(wanted.len());
    for rect in wanted {
        let widest = (area.left + area.width - rect.width).max(area.left);
        let at = Rect {
            left: rect.left.clamp(area.left, widest),
            ..*rect
        };
        let tries = (0..200).map(|index| {
            let steps = f64::from((index + 1) / 2) * if index % 2 == 0 { 1.0 } else { -1.0 };
            Rect {
                top: at.top + steps * rect.height / 2.0,
                ..at
            }
        });
        let free = tries
            .filter(|rect| rect.top >= area.top)
            .filter(|rect| rect.top + rect.height <= area.top + area.height)
            .find(|rect| !taken.iter().any(|other| other.overlaps(rect)));
        taken.extend(free);
        out.push(free);
    }
    out
}

#[cfg(test)]
mod tests;
