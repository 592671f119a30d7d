use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use restante_sim_population::{Churn, Regions, draw};

use super::*;
use crate::model::{message::node_of, options::READY_MS};
use crate::statistics::{Estimate, share};

/// Small runs.
fn small() -> Options {
    Options {
        nodes: 300,
        messages: 200,
        writing_ms: HOUR_MS,
        early: false,
        ..Options::default()
    }
}

/// Nobody ever comes for the messages, and nobody but the keepers looks after them.
fn abandoned() -> Options {
    Options {
        senders: Senders::UntilStored,
        recipients: Recipients::Sometimes {
            away: Span::Fixed(40 * DAY_MS),
            here: Span::Fixed(1),
        },
        ..small()
    }
}

fn report(options: &Options, seed: u64) -> Report {
    let mut last = Progress::default();
    let report = run(options, seed, &mut |progress: &Progress| {
        assert!(progress.now_ms >= last.now_ms && progress.ended >= last.ended);
        last = *progress;
    });
    let report = report.unwrap();
    let messages = report.messages;
    assert_eq!(messages.written, u64::from(options.messages));
    assert_eq!(
        messages.delivered + messages.expired + messages.lost + messages.waiting,
        messages.written
    );
    assert!(messages.known <= messages.delivered && messages.waiting == 0);
    assert_eq!(messages.twice, 0);
    assert_eq!(last.ended, messages.written);
    let samples = &report.copies;
    assert!(samples.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
    report
}

fn assert_within(share: Option<Estimate>, wanted: f64) {
    let share = share.unwrap();
    assert!(
        (share.low..=share.high).contains(&wanted),
        "{wanted} is not within {share:?}"
    );
}

#[test]
fn one_seed_gives_one_report_and_another_another() {
    let options = Options {
        nodes: 500,
        churn: Churn::Ipfs,
        mean_life_ms: Some(5 * DAY_MS),
        messages: 60,
        dead_share: 0.05,
        senders: Senders::Sometimes {
            here: Span::Exponential(HOUR_MS),
            away: Span::Uniform(HOUR_MS, 9 * HOUR_MS),
        },
        recipients: Recipients::Sometimes {
            away: Span::LogUniform(HOUR_MS, 5 * DAY_MS),
            here: Span::Exponential(HOUR_MS),
        },
        repair: Some(Repair {
            after: Some(Span::Uniform(MINUTE_MS, 3 * MINUTE_MS)),
            interval_ms: 6 * HOUR_MS,
            threshold: 4,
            copies: 6,
        }),
        ..small()
    };
    let first = report(&options, 1);
    assert_eq!(first, report(&options, 1));
    assert_ne!(first, report(&options, 2));
}

#[test]
fn messages_lie_at_the_closest_of_all_nodes() {
    for (nodes, copies) in [(3, 5), (40, 5), (300, 5), (300, 8), (300, 2)] {
        let mut options = abandoned();
        (options.nodes, options.copies, options.messages) = (nodes, copies, 30);
        // The run ends before the messages do, so that they can be looked at.
        options.duration_ms = DAY_MS;
        let mut world = World::new(&options, 5);
        world.run(&mut |_: &Progress| {});
        let mut seen = 0;
        for message in world.messages.iter().flatten() {
            let key = |node: &u32| world.nodes.keys.key(*node) ^ message.key;
            let mut wanted: Vec<u32> = (0..world.nodes.keys.len())
                // A sender's own node is not among those its lookup finds.
                .filter(|node| *node != message.sender)
                .collect();
            wanted.sort_unstable_by_key(key);
            wanted.truncate(copies);
            let mut got = message.copies.clone();
            got.sort_unstable_by_key(key);
            assert_eq!(got, wanted, "{nodes} nodes, {copies} copies");
            assert!(message.is_stored);
            seen += 1;
        }
        assert_eq!(seen, 30);
    }
}

#[test]
fn who_is_there_gets_everything_at_once_and_nothing_stays_behind() {
    let report = report(&small(), 1);
    assert_eq!(report.messages.delivered, 200);
    assert_eq!(report.online_ms.count, 200);
    assert!(report.online_ms.p99 < 10_000, "{:?}", report.online_ms);
    assert!(report.stored_ms.p99 < 10_000, "{:?}", report.stored_ms);
    assert!(report.online_ms.p50 > 50 && report.stored_ms.p50 > 50);
    assert_eq!(report.copies.last().map(|sample| sample.copies), Some(0));
    assert_eq!(report.lookups.exact, report.lookups.count);
    // Once from the sender, once from the recipient, once for its delivery receipt.
    assert_eq!(report.lookups.count, 3 * 200);
    assert_eq!(report.copies_per_keeper.count, 300);
}

#[test]
fn who_comes_back_gets_it_then() {
    let mut options = small();
    options.recipients = Recipients::Sometimes {
        away: Span::Fixed(2 * DAY_MS),
        here: Span::Fixed(HOUR_MS),
    };
    let report = report(&options, 1);
    assert_eq!(report.messages.delivered, 200);
    assert_eq!(
        (report.messages.visits, report.messages.visits_in_vain),
        (200, 0)
    );
    assert_eq!(report.after_return_ms.count, 200);
    assert!(report.after_return_ms.p99 < 10_000);
    let day = report.copies.iter().find(|sample| sample.at_ms >= DAY_MS);
    assert_eq!(
        day.map(|sample| (sample.waiting, sample.copies)),
        Some((200, 1_000))
    );
    // The sender looks every six hours, and offers; nothing is sent twice.
    let least = 200 * (report.bytes.deposits / 1_000 / 200);
    assert!(
        report.bytes.offers > 0 && report.bytes.deposits >= 1_000 * 2_048,
        "{least}"
    );
    assert!(report.lookups.count > 200 * 8);
}

#[test]
fn a_run_may_end_before_its_messages_do() {
    let mut options = abandoned();
    options.duration_ms = DAY_MS;
    let report = run(&options, 1, &mut |_: &Progress| {}).unwrap();
    assert_eq!(
        (report.messages.stored, report.messages.waiting),
        (200, 200)
    );
    assert_eq!(report.bytes.held % 2_048, 0);
    assert!(report.bytes.held >= 200 * 5 * 2_048);
}

#[test]
fn what_nobody_takes_expires() {
    let report = report(&abandoned(), 1);
    let messages = report.messages;
    assert_eq!((messages.expired, messages.never_stored), (200, 0));
    assert_eq!((messages.visits, report.lookups.count), (0, 200));
}

#[test]
fn dead_nodes_cost_time_and_nothing_else() {
    let mut options = small();
    options.dead_share = 0.1;
    let report = report(&options, 1);
    assert_eq!(report.messages.delivered, 200);
    let unanswered = report.lookups.unanswered;
    assert!((0.05..0.15).contains(&unanswered), "{unanswered}");
    assert!(report.lookups.end_ms.p90 >= 1_000);
    assert!(report.lookups.nearest_ms.p50 < 1_000);
}

#[test]
fn copies_die_with_their_nodes_as_the_formula_says() {
    // All k copies are gone after d with the probability (1 - S(d))^k.
    for (copies, life_ms) in [(3, 4 * DAY_MS), (5, 2 * DAY_MS), (8, DAY_MS)] {
        let mut options = abandoned();
        // So many that hardly two messages share a node: they are lost independently.
        options.nodes = 30_000;
        options.copies = copies;
        options.messages = 1_500;
        options.mean_life_ms = Some(life_ms);
        options.ttl = Span::Fixed(2 * DAY_MS);
        options.duration_ms = 3 * DAY_MS;
        let report = report(&options, 2);
        let survives = (-(2.0 * DAY_MS as f64) / life_ms as f64).exp();
        let wanted = (1.0 - survives).powi(copies as i32);
        assert!(report.messages.stored >= 1_499);
        assert_within(report.messages.loss, wanted);
        assert_eq!(report.repair.copies, 0);
    }
}

#[test]
fn comparing_now_and_then_loses_less_than_the_formula_says() {
    // Repaired every d: p = (1 - S(d))^k is lost in each period, and 1 - (1 - p)^(L / d) in all.
    let (life_ms, interval_ms, ttl_ms) = (12 * HOUR_MS, 8 * HOUR_MS, 4 * DAY_MS);
    let mut options = abandoned();
    options.nodes = 30_000;
    options.messages = 3_000;
    options.mean_life_ms = Some(life_ms);
    options.ttl = Span::Fixed(ttl_ms);
    options.duration_ms = 5 * DAY_MS;
    options.repair = Some(Repair {
        after: None,
        interval_ms,
        threshold: 5,
        copies: 5,
    });
    let report = report(&options, 3);
    // Periods are 80 to 120 percent of the interval, and the end of a life cuts the last one short.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut survive = 0.0;
    for _ in 0..20_000 {
        let (mut left, mut survives) = (ttl_ms as f64, 1.0);
        while left > 0.0 {
            let period = (0.8 + 0.4 * draw::uniform(&mut rng)) * interval_ms as f64;
            let copy_dies = 1.0 - (-period.min(left) / life_ms as f64).exp();
            survives *= 1.0 - copy_dies.powi(5);
            left -= period;
        }
        survive += survives / 20_000.0;
    }
    // Who is no longer one of the nearest keeps its copy, which the formula does not know.
    let (loss, formula) = (report.messages.loss.unwrap(), 1.0 - survive);
    assert!(
        loss.high < formula && loss.low > formula / 2.0,
        "{loss:?} {formula}"
    );
    // What research says with even periods is a little more, and not far off.
    let p = (1.0 - (-(interval_ms as f64) / life_ms as f64).exp()).powi(5);
    let even = 1.0 - (1.0 - p).powf(ttl_ms as f64 / interval_ms as f64);
    assert!((even / formula - 1.0).abs() < 0.1, "{even} {survive}");
    // Nobody goes but for good, so that each copy made stands for one lost.
    assert!(report.repair.copies_lost > 1_000);
    assert!(
        (0.8..=1.15).contains(&report.repair.over_least),
        "{:?}",
        report.repair
    );
}

/// Messages with five copies that are made up again some time after each loss, for a day.
fn kept(life_ms: u64, after: Span) -> Options {
    Options {
        nodes: 4_000,
        messages: 1_000,
        mean_life_ms: Some(life_ms),
        ttl: Span::Fixed(DAY_MS),
        duration_ms: 2 * DAY_MS,
        repair: Some(Repair {
            after: Some(after),
            interval_ms: 300 * DAY_MS,
            threshold: 5,
            copies: 5,
        }),
        ..abandoned()
    }
}

#[test]
fn whoever_becomes_one_of_the_nearest_has_the_message_soon() {
    let options = kept(12 * HOUR_MS, Span::Uniform(5 * MINUTE_MS, 15 * MINUTE_MS));
    let report = report(&options, 7);
    assert!(report.messages.lost <= 1, "{:?}", report.messages);
    let repair = report.repair;
    // For each message and day five keepers go, and as many come in their place or nearer.
    let least = 1_000.0 * 5.0 * 2.0;
    let made = repair.copies as f64 / least;
    assert!((1.2..1.5).contains(&made), "{made}");
    assert!(
        repair.checks == 0 && (1.0..1.2).contains(&repair.over_least),
        "{repair:?}"
    );
}

#[test]
fn copies_are_out_of_reach_as_often_as_the_formula_says() {
    // Nodes that come back: nobody of k is up with the probability (1 - a)^k.
    let mut options = abandoned();
    options.messages = 1_500;
    options.nodes = 60_000;
    options.ttl = Span::Fixed(2 * DAY_MS);
    options.duration_ms = 3 * DAY_MS;
    options.churn = Churn::exponential(HOUR_MS, HOUR_MS).unwrap();
    let report = report(&options, 4);
    assert_eq!(report.messages.lost, 0);
    let samples = report.copies.iter();
    let late = samples.filter(|sample| sample.at_ms > DAY_MS && sample.waiting == 1_500);
    // Samples half a day apart know nothing of each other.
    let (mut out, mut of) = (0, 0);
    for sample in late.step_by(20) {
        out += sample.out_of_reach;
        of += sample.waiting;
    }
    assert!(of >= 3_000);
    let found = share(out, of);
    assert!(
        found.is_some_and(|found| found.low > 0.02 && found.high < 0.06),
        "{found:?}"
    );
    assert_within(found, 0.5_f64.powi(5));
}

#[test]
fn repair_keeps_more_copies_than_the_sender_placed() {
    let mut options = abandoned();
    options.repair = Some(Repair {
        after: None,
        interval_ms: HOUR_MS,
        threshold: 8,
        copies: 8,
    });
    let report = report(&options, 5);
    let day = report.copies.iter().find(|sample| sample.at_ms >= DAY_MS);
    assert_eq!(day.map(|sample| sample.waiting_copies), Some(8 * 200));
    assert_eq!(report.repair.copies, 3 * 200);
    assert_eq!(report.repair.copies_added, 3 * 200);
    assert!((report.repair.over_least - 1.0).abs() < 1e-9);
}

#[test]
fn senders_who_come_back_learn_what_became_of_it() {
    let mut options = small();
    options.senders = Senders::Sometimes {
        here: Span::Fixed(10 * MINUTE_MS),
        away: Span::Fixed(5 * HOUR_MS),
    };
    options.recipients = Recipients::Sometimes {
        away: Span::Fixed(DAY_MS),
        here: Span::Fixed(HOUR_MS),
    };
    let report = report(&options, 6);
    assert_eq!(report.messages.delivered, 200);
    // The writing and five returns before the recipient's, each with a lookup, another one after two
    // minutes and sometimes a third before it goes; then the recipient's and that for its delivery receipt, and
    // none after: the sender has it.
    let per_message = report.lookups.count as f64 / 200.0;
    assert!((14.0..=17.0).contains(&per_message), "{per_message}");
}

#[test]
fn what_people_wait_for_is_told_beside_the_least_possible() {
    let mut options = small();
    (options.latency, options.early) = (true, true);
    options.dead_share = 0.1;
    // All nodes are 20 ms apart, there and back, and a disk takes 3 ms.
    options.regions = Regions::new(&[("here", 1, &[10])]).unwrap();
    options.commit = Span::Fixed(3);
    let report = run(&options, 1, &mut |_: &Progress| {}).unwrap();
    assert_eq!(report.messages.delivered, 2 * 200);
    let found = report.latency.unwrap();
    // A handshake and an exchange; an exchange alone; half of one to a keeper and half of one to the reader.
    for (waiting, least_ms) in [
        (found.deposit, 43),
        (found.again, 23),
        (found.shown, 23),
        (found.card, 40),
    ] {
        let (took, least) = (waiting.took_ms, waiting.least_ms);
        assert_eq!((took.count, least.count), (200, 200));
        assert_eq!((least.p50, least.max), (least_ms, least_ms));
        assert!(took.p50 >= least_ms && took.max < 5_000, "{waiting:?}");
    }
    // Who knows the keepers waits for nobody else; who does not waits for one answer more.
    assert_eq!(found.again.took_ms.p99, 23);
    assert!(found.deposit.took_ms.p50 <= 43 + 40, "{found:?}");
    options.latency = false;
    let report = run(&options, 1, &mut |_: &Progress| {}).unwrap();
    assert_eq!((report.latency, report.messages.written), (None, 200));
}

#[test]
fn names_of_nodes_come_back() {
    for node in [0, 1, 77_777, u32::MAX] {
        assert_eq!(node_of(message::name_of(node)), node);
    }
    assert_eq!(READY_MS, MINUTE_MS);
}
