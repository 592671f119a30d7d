use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// Runs the plan of a node that serves for so long, without jitter, while `each` of its eight neighbours are new at
/// every look, and returns what was due and when, in milliseconds.
fn plan(long: Duration, each: u32) -> Vec<(u128, Scope)> {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    refresh.restart(start, 0.5, true);
    let mut seen = Vec::new();
    while let Some(next) = refresh.next().filter(|next| *next < start + long) {
        let looks = u32::try_from(seen.len()).unwrap();
        let scope = refresh.due(next, 0.5, || eight(looks * each)).unwrap();
        seen.push((next.duration_since(start).as_millis(), scope));
    }
    seen
}

/// Returns eight neighbours, numbered from `first`.
fn eight(first: u32) -> Vec<NodeId> {
    let node = |number: u32| NodeId::new(std::array::from_fn(|at| number.to_be_bytes()[at % 4]));
    (first..first + 8).map(node).collect()
}

#[test]
fn a_node_that_knows_nobody_looks_for_nobody() {
    let mut refresh = Refresh::default();
    assert_eq!(refresh.next(), None);
    assert_eq!(refresh.due(Instant::now(), 0.5, Vec::new), None);
    refresh.restart(Instant::now(), 0.5, true);
    refresh.stop();
    assert_eq!(refresh.next(), None);
}

#[test]
fn while_the_network_grows_looks_follow_soon() {
    use Scope::{Near, Neighbourhood, Whole};
    let moments = [300, 600, 2_400, 13_200, 78_000, 466_800, 2_266_800];
    let long = Duration::from_secs(3_599);
    for (looks, usual) in [(plan(long, 1), Near), (plan(long, 5), Neighbourhood)] {
        let near = looks.iter().filter(|(_, scope)| *scope != Whole);
        assert_eq!(near.clone().map(|(ms, _)| *ms).collect::<Vec<_>>(), moments);
        let scopes: Vec<Scope> = near.map(|(_, scope)| *scope).collect();
        assert_eq!(scopes[0], Neighbourhood);
        assert!(scopes[1..].iter().all(|scope| *scope == usual));
    }
}

#[test]
fn who_does_not_serve_need_not_be_known_to_its_neighbours() {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    refresh.restart(start, 0.5, false);
    for look in 0..5 {
        let next = refresh.next().unwrap();
        let scope = refresh.due(next, 0.5, || eight(look * 8));
        assert_eq!(scope, Some(Scope::Near));
    }
}

#[test]
fn whoever_joins_a_grown_network_looks_five_times_in_ten_minutes() {
    use Scope::{Near, Neighbourhood};
    let first = plan(Duration::from_secs(599), 0);
    let expected = [
        (300, Neighbourhood),
        (600, Near),
        (2_400, Near),
        (24_000, Near),
        (283_200, Near),
    ];
    assert_eq!(first, expected);
}

#[test]
fn in_the_long_run_it_is_looked_near_twice_an_hour_and_everywhere_every_two_hours() {
    let day = plan(Duration::from_secs(86_400), 0);
    let looks = |wanted: Scope| {
        let afternoon = day.iter().filter(|(ms, _)| *ms > 43_200_000);
        afternoon.filter(|(_, scope)| *scope == wanted).count()
    };
    assert_eq!((looks(Scope::Near), looks(Scope::Whole)), (24, 6));
}

#[test]
fn in_the_long_run_who_does_not_serve_looks_once_or_twice_a_week() {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    refresh.restart(start, 0.5, false);
    let mut looks = 0;
    while let Some(next) = refresh.next().filter(|next| *next < start + 28 * DAY) {
        refresh.due(next, 0.5, || eight(0));
        looks += u32::from(next >= start + 14 * DAY);
    }
    assert!((2..=4).contains(&looks), "{looks}");
}

#[test]
fn jitter_moves_the_next_look_by_a_quarter_of_the_pause() {
    let start = Instant::now();
    for (jitter, ms) in [(0.0, 450), (1.0, 750)] {
        let mut refresh = Refresh::default();
        refresh.restart(start, jitter, true);
        let first = refresh.next().unwrap();
        refresh.due(first, jitter, || vec![NodeId::new([1; 32])]);
        let next = refresh.next().unwrap().duration_since(start);
        assert_eq!(next.as_millis(), ms);
    }
}

#[test]
fn when_one_comes_who_was_not_known_all_are_looked_for_once_and_soon() {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    refresh.on_newcomer(start, 0.5);
    assert_eq!(refresh.next(), None, "nobody is there to be asked");
    refresh.restart(start, 0.5, true);
    while refresh.next().unwrap() < start + Duration::from_secs(100) {
        refresh.due(refresh.next().unwrap(), 0.5, || eight(0));
    }
    let usual = refresh.next().unwrap();
    for second in [100, 105, 110] {
        refresh.on_newcomer(start + Duration::from_secs(second), 0.5);
    }
    let next = refresh.next().unwrap();
    assert_eq!(next, start + Duration::from_secs(100) + REFRESH_ALL_AFTER);
    assert_eq!(refresh.due(next, 0.5, || eight(0)), Some(Scope::All));
    assert_eq!(refresh.next(), Some(usual));
    // Who keeps nothing need not know all who do.
    refresh.restart(start, 0.5, false);
    let usual = refresh.next();
    refresh.on_newcomer(start, 0.5);
    assert_eq!(refresh.next(), usual);
}
