//! A GPU: where a CPU could not make many image passes, and they have not gained something everywhere.

use super::{Advice, What, again_on, ahead_everywhere, beside};
use crate::data::PATTERNS;
use crate::report::explain::Explanation;
use crate::report::load::RunData;
use crate::run::record::Ended;

/// Image passes below which a CPU has held a pre-training back: five times those from which gains were seen.
const FEW_FOR_A_GPU: u64 = 1_000_000;

/// Comes after every other advice: it is the one that takes another machine.
pub(super) fn on_a_gpu(run: &RunData, explanation: &Explanation) -> Option<Advice> {
    let summary = run.summary.as_ref()?;
    let found = run.pretraining()?;
    let on_a_cpu = summary.hardware.to_ascii_lowercase().starts_with("cpu");
    if !on_a_cpu
        || summary.data.name == PATTERNS
        || found.images >= FEW_FOR_A_GPU
        || found.ended_by == Some(Ended::Patience)
        || ahead_everywhere(run, explanation)
    {
        return None;
    }
    Some(Advice {
        what: What::Gpu { passes: found.images, seconds: found.seconds },
        commands: vec![in_the_same_time(run, summary.seconds)],
        worth: 0.5,
    })
}

/// The run as it was typed, for as many hours: those that it was planned for, else those that it took.
fn in_the_same_time(run: &RunData, seconds: f64) -> String {
    let command = again_on(run, Some("cuda"), &beside(run, "gpu"));
    let planned = run.plan.as_ref().and_then(|plan| plan.hours);
    match command.rsplit_once(" --out ").filter(|_| planned.is_none()) {
        Some((begun, out)) => {
            format!("{begun} --hours {} --out {out}", (10.0 * seconds / 3600.0).ceil().max(1.0) / 10.0)
        }
        None => command,
    }
}
