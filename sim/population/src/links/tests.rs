use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

#[test]
fn every_preset_has_its_name_and_others_are_listed() {
    for link in Link::ALL {
        assert_eq!(link.name.parse::<Link>(), Ok(link));
    }
    assert_eq!(
        "modem".parse::<Link>().unwrap_err().to_string(),
        "there is no link called \"modem\", only fibre, home, mobile, veilid, server"
    );
}

#[test]
fn presets_are_possible_and_ordered_by_how_good_they_are() {
    let by_rate = [
        Link::SERVER,
        Link::FIBRE,
        Link::HOME,
        Link::MOBILE,
        Link::VEILID,
    ];
    for pair in by_rate.windows(2) {
        assert!(pair[0].up_bytes_per_s > pair[1].up_bytes_per_s);
        assert!(pair[0].down_bytes_per_s > pair[1].down_bytes_per_s);
        assert!(pair[0].latency_ms < pair[1].latency_ms);
        assert!(pair[0].loss_ppm < pair[1].loss_ppm);
    }
    for link in Link::ALL {
        assert!(link.loss_ppm < 1_000_000 && link.up_bytes_per_s <= link.down_bytes_per_s);
    }
}

#[test]
fn a_phone_collapses_every_ten_minutes() {
    let collapse = Link::MOBILE.collapse.unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let count = 50_000;
    let total: u64 = (0..count)
        .map(|_| collapse.draw_gap_ms(&mut rng) + collapse.lasts_ms)
        .sum();
    let mean = total as f64 / f64::from(count);
    assert!((mean / 600_000.0 - 1.0).abs() < 0.02, "{mean} ms");
    assert!((collapse.availability() - 0.925).abs() < 1e-9);
}
