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
        commands: vec![again_on(run, Some("cuda"), &beside(run, "gpu"))],
        worth: 0.5,
    })
}
