//! What `--weights` means for a run: which weights, the settings that go with them, and where they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use byol::config::resolve;
use byol::config::{Experiment, StemKind};
use byol::data::fetch::FetchOptions;
use byol::run::RunDirectory;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::weights::known;
use byol::weights::{Source, settings_of};

use super::resume::{Earlier, Place};
use crate::args::{Beginning, Output};
use crate::exit::Usage;
use crate::transfer::Transfer;

/// Sides below this are told to be small for weights of ImageNet, which see 224 px.
const SMALL: usize = 128;

/// The weights that a run begins with, not yet read; nothing for random ones.
#[derive(Default)]
pub struct Weights {
    source: Option<Source>,
    url: Option<String>,
    /// What goes with them, as pairs.
    pub settings: Vec<String>,
    resumed: bool,
}

impl Weights {
    /// What was typed. A run that goes on has its settings, and the weights themselves: they may be gone where they were.
    pub fn of(typed: Option<&Beginning>, earlier: Option<&Earlier>, place: &Place) -> anyhow::Result<Weights> {
        let settings = match earlier {
            Some(earlier) if !earlier.initial_weights.is_empty() => {
                settings_of(&RunDirectory::existing(&place.out)?.experiment()?)
            }
            _ => Vec::new(),
        };
        let resumed = earlier.is_some();
        let Some(Beginning { weights: Some(typed), weights_url }) = typed else {
            return Ok(Weights { settings, resumed, ..Weights::default() });
        };
        let url = weights_url.clone();
        let Some(earlier) = earlier else {
            let source = Source::find(typed)?;
            if let (Source::Path(path), Some(_)) = (&source, &url) {
                let text = format!(
                    "--weights-url is a mirror of weights that have a name ({}), and {} is a file that is there",
                    known::names().join(", "),
                    path.display()
                );
                return Err(Usage(text).into());
            }
            return Ok(Weights { settings: source.settings()?, source: Some(source), url, resumed });
        };
        let recorded = earlier.command.as_ref().and_then(|record| record.weights.as_deref());
        let kept = recorded == Some(typed.as_path()) && place.out.join("initial.safetensors").is_file();
        let source = match Source::find(typed) {
            Ok(Source::Known(_)) if kept => None,
            Ok(source) => Some(source),
            Err(_) => Some(Source::Path(typed.clone())),
        };
        Ok(Weights { source, url, settings, resumed })
    }

    /// Says which settings go with the weights where none were typed.
    pub fn tell(&self, experiment: &Experiment, typed: &resolve::Typed, reporter: &mut dyn Reporter) {
        if self.resumed {
            return;
        }
        let key = |pair: &String| pair.split('=').next().unwrap_or_default().to_owned();
        let settings: Vec<String> = self.settings.iter().filter(|&pair| !typed.contains(&key(pair))).cloned().collect();
        if !settings.is_empty() {
            reporter.event(&Event::Note(ProgramNote::GoWithWeights { settings }.into()));
        }
        let told = self.settings.iter().any(|pair| key(pair) == "image_size") || typed.contains("image_size");
        let side = experiment.image_size;
        if !self.settings.is_empty() && !told && experiment.stem == StemKind::Imagenet && side < SMALL {
            reporter.event(&Event::Note(ProgramNote::SmallForWeights { side }.into()));
        }
    }

    /// Where they are, fetched unless they are there.
    pub fn path(&self, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Option<PathBuf>> {
        match &self.source {
            None => Ok(None),
            Some(Source::Path(path)) => Ok(Some(path.clone())),
            Some(Source::Known(known)) => {
                reporter.event(&Event::Note(ProgramNote::Licence { weights: known.name }.into()));
                let transfer = Transfer::new(output);
                let options = FetchOptions {
                    url: self.url.clone(),
                    on_progress: Some(Arc::new(move |progress| transfer.tell(&progress))),
                    ..known::options()?
                };
                Ok(Some(known.fetch(&options)?))
            }
        }
    }
}

/// A recorded path or name of weights, as it is typed here and now.
pub fn recorded(typed: &Path, folder: &Path) -> PathBuf {
    let path = folder.join(typed);
    let named = !path.exists() && known::by_name(typed).is_some();
    if named { typed.to_owned() } else { path }
}
