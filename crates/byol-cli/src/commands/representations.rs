//! Representations of the images of a data set, for commands that work on them: computed once, kept in the run.

use std::sync::Arc;

use byol::data::ImageSource;
use byol::device::Hardware;
use byol::inference::representations::{Representations, Request};
use byol::run::RunDirectory;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::trained::model::TrainedEncoder;

use super::images;

/// What an interruption leaves, as a sentence.
pub const INTERRUPTED: &str = "interrupted; representations that were computed by now are kept in the run";

/// The representations of `images` by an encoder that was opened from `named`; tells how far that is, and what cannot be kept.
pub fn of(
    named: &images::TrainedEncoder,
    encoder: &TrainedEncoder,
    hardware: &Hardware,
    images: &Arc<dyn ImageSource>,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Representations> {
    // A checkpoint that was taken elsewhere has no run that could keep them.
    let run = RunDirectory::of(&named.from).ok();
    let request = Request { encoder, hardware, run: run.as_ref().map(RunDirectory::path) };
    let found = Representations::of(request, images, &mut |done, of| {
        reporter.event(&Event::Note(ProgramNote::Representing { done, of }.into()));
    })?;
    let note = ProgramNote::Represented { images: found.len(), computed: found.computed() };
    reporter.event(&Event::Note(note.into()));
    if let Some((path, error)) = found.not_kept() {
        let (file, problem) = (path.display().to_string(), error.to_string());
        reporter.event(&Event::Warning(ProgramNote::RepresentationsNotKept { file, problem }.into()));
    }
    Ok(found)
}
