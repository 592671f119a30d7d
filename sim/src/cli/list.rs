//! `restante-sim list`.

use std::io::Write;

use super::source::load;
use super::{Failure, closed};
use crate::scenario::SHIPPED;

/// Lists the scenarios that come with the simulator.
pub(super) fn list(out: &mut impl Write) -> Result<(), Failure> {
    for (name, _) in SHIPPED {
        let scenario = load(name, &[])?.scenario;
        let (nodes, people) = (scenario.population.nodes, scenario.population.people);
        let (about, tier) = (&scenario.about, scenario.tier.name());
        writeln!(
            out,
            "{name:<18} {tier:<8} {nodes:>5} nodes, {people:>3} people  {about}"
        )
        .map_err(closed)?;
    }
    Ok(())
}
