//! Dates that are set back and forward by hours and days while time goes on.

use proptest::prelude::*;

use super::*;
use crate::limits::HOUR_MS;

impl World {
    /// Sets the date of every office.
    fn set_date(&mut self, hours: i64) {
        let ms = hours.unsigned_abs() * HOUR_MS;
        let date = self.now.date;
        self.now.date = if hours < 0 {
            date.minus(ms)
        } else {
            date.plus(ms)
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn items_stay_where_they_should_be_whatever_the_date_does(
        jumps in prop::collection::vec(-40_i64..40, 1..5),
    ) {
        let mut world = World::new(9);
        let keys: Vec<ElementKey> = (0..20)
            .map(|number| world.place(number, &format!("letter {number}")))
            .collect();
        for (gone, hours) in jumps.into_iter().enumerate() {
            world.set_date(hours);
            world.set_up(gone, false);
            world.run(AFTER_A_LOSS_MS);
            world.set_date(-hours);
            // Whatever a wrong date has kept from being copied, the next comparisons find.
            world.run(25 * MINUTE_MS);
            world.is_whole(&keys);
        }
    }
}

#[test]
fn comparisons_come_no_less_often_and_no_more_when_the_date_is_set() {
    let compared = |hours: i64| -> u64 {
        let mut world = World::new(5);
        world.set_date(hours);
        world.run(3 * HOUR_MS);
        let offices = world.offices.iter();
        offices
            .map(|office| office.repair.counters().compared)
            .sum()
    };
    let steady = compared(0);
    assert!(steady > 5 * 8, "{steady}");
    for hours in [-24 * 30, -1, 1, 24 * 30] {
        assert_eq!(compared(hours), steady);
    }
}
