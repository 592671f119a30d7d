//! Fewer points for the same picture.

/// Leaves at most `most` of points that are in the order of their x, and all their extremes.
///
/// The width is cut into strips of equal width; of each strip its lowest and its highest point
/// stay, and of all the first and the last, so the line looks the same. `most` is at least 4.
pub(crate) fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= most {
        return points.to_vec();
    }
    let strips = (most.saturating_sub(2) / 2).max(1);
    let width = (last.0 - first.0).max(f64::MIN_POSITIVE) / strips as f64;
    let strip_of = |x: f64| (((x - first.0) / width) as usize).min(strips - 1);
    let mut kept = vec![0];
    let mut start = 0;
    for strip in points.chunk_by(|a, b| strip_of(a.0) == strip_of(b.0)) {
        kept.extend(extremes(strip).map(|place| start + place));
        start += strip.len();
    }
    kept.push(points.len() - 1);
    kept.dedup();
    kept.into_iter().map(|place| points[place]).collect()
}

/// Where the lowest and the highest point are, in their order.
fn extremes(strip: &[(f64, f64)]) -> [usize; 2] {
    let by_y = |a: &usize, b: &usize| strip[*a].1.total_cmp(&strip[*b].1).then(a.cmp(b));
    let lowest = (0..strip.len()).min_by(by_y).unwrap_or(0);
    let highest = (0..strip.len()).max_by(by_y).unwrap_or(0);
    [lowest.min(highest), lowest.max(highest)]
}

#[cfg(test)]
mod tests;
