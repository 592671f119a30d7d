use super::*;

/// Runs a plan for so long, without jitter, and returns what was due and when, in milliseconds.
fn plan(long: Duration) -> Vec<(u128, Scope)> {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    refresh.restart(start, 0.5);
    let mut seen = Vec::new();
    while let Some(next) = refresh.next().filter(|next| *next < start + long) {
        let scope = refresh.due(next, 0.5).unwrap();
        seen.push((next.duration_since(start).as_millis(), scope));
    }
    seen
}

#[test]
fn a_node_that_knows_nobody_looks_for_nobody() {
    let mut refresh = Refresh::default();
    assert_eq!(refresh.next(), None);
    assert_eq!(refresh.due(Instant::now(), 0.5), None);
    refresh.restart(Instant::now(), 0.5);
    refresh.stop();
    assert_eq!(refresh.next(), None);
}

#[test]
fn the_first_looks_are_soon() {
    use Scope::{Near, Whole};
    let first = plan(Duration::from_secs(1_300));
    let expected = [
        (300, Near),
        (600, Near),
        (1_500, Near),
        (4_200, Near),
        (12_300, Near),
        (36_600, Near),
        (109_500, Near),
        (328_200, Near),
        (600_000, Whole),
        (928_200, Near),
        (1_200_000, Whole),
    ];
    assert_eq!(first, expected);
}

#[test]
fn in_the_long_run_it_is_looked_near_six_times_an_hour_and_everywhere_every_two_hours() {
    let day = plan(Duration::from_secs(86_400));
    let looks = |wanted: Scope| {
        let afternoon = day.iter().filter(|(ms, _)| *ms > 43_200_000);
        afternoon.filter(|(_, scope)| *scope == wanted).count()
    };
    assert_eq!((looks(Scope::Near), looks(Scope::Whole)), (72, 6));
}

#[test]
fn jitter_moves_the_next_look_by_a_quarter_of_the_pause() {
    let start = Instant::now();
    for (jitter, ms) in [(0.0, 450), (1.0, 750)] {
        let mut refresh = Refresh::default();
        refresh.restart(start, jitter);
        let first = refresh.next().unwrap();
        refresh.due(first, jitter);
        let next = refresh.next().unwrap().duration_since(start);
        assert_eq!(next.as_millis(), ms);
    }
}
