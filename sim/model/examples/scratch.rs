//! Scratch.
#![allow(missing_docs, clippy::all, clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, reason = "scratch")]
use restante_sim_model::*;
use restante_sim_population::Churn;
const H: u64 = 3_600_000;
fn main() {
    let what = std::env::args().nth(1).unwrap();
    if what == "hash" {
        let o = Options { nodes: 2000, messages: 300, churn: vec![(1, Churn::Ipfs),(1,Churn::Kad)], mean_life_ms: Some(72*H), dead_share: 0.05,
            senders: Senders::Sometimes{here: Span::Exponential(2*H), away: Span::LogUniform(H, 20*H)},
            recipients: Recipients::Sometimes{away: Span::LogUniform(H, 100*H), here: Span::Exponential(H)},
            repair: Some(Repair{interval_ms: 2*H, threshold: 4, copies: 6}), ..Options::default() };
        println!("{:?}", run(&o, 11, &mut |_| {}).unwrap());
        return;
    }
    let life: u64 = what.parse().unwrap();
    for (interval, threshold, copies) in [(H, 8, 8), (H, 5, 5), (4*H, 8, 8), (H/4, 5, 5)] {
        let t = std::time::Instant::now();
        let o = Options { nodes: 100_000, messages: 100_000, duration_ms: 15*24*H, writing_ms: 12*H, ttl: Span::Fixed(14*24*H), mean_life_ms: Some(life*H),
            senders: Senders::UntilStored, recipients: Recipients::Sometimes{away: Span::Fixed(400*24*H), here: Span::Fixed(H)},
            routing: Routing{paths:1, parallel:3, ..Routing::default()},
            repair: Some(Repair{interval_ms: interval, threshold, copies}), ..Options::default() };
        let r = run(&o, 1, &mut |_| {}).unwrap();
        println!("life {life} h, every {} min, {threshold} of {copies}: lost {:?}, over least {:.3}, {:.1} s, {:?}", interval/60000, r.messages.loss, r.repair.over_least, t.elapsed().as_secs_f64(), r.memory);
    }
}
