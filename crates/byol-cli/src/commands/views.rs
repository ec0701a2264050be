//! `byol views`.

use std::path::Path;

use anyhow::bail;
use byol::data::{Decoding, ImageSource, Levels, Need};
use byol::gallery::{self, ViewSheet};
use byol::inference::page::{Group, Page, Shown};
use byol::ranks::Ranks;
use byol::report::language::method::views_are;
use byol::report::language::program::{self, pages};
use byol::run::event::Reporter;
use byol::run::record::{Method, Stage, ViewExample};

use crate::args::{self, Output};
use crate::exit::Ending;
use crate::output;
use crate::place::Target;
use crate::request::{self, Basis, Wanted};

/// How often each view of an image is drawn.
const DRAWS: usize = 4;

pub fn views(options: &args::Views, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.force.folder(&options.out)?;
    let basis = Basis { stage: Some(Stage::Pretrain), ..Basis::default() };
    let experiment = request::experiment(&options.config, None, basis)?;
    let data = request::dataset(
        Wanted {
            corrections: true,
            data: &options.source.data,
            unlabeled: &[],
            strictness: &options.source.strictness,
            need: Need::Images,
            labels_per_class: 0,
            copies: None,
            decoding: Decoding::AtOnce,
            levels: experiment.levels,
            ranks: Ranks::alone(),
        },
        reporter,
    )?;
    let pools = data.pretraining_pool();
    let Some(source) = pools.iter().map(|pool| pool.images.as_ref()).find(|images| !images.is_empty()) else {
        bail!("{} holds no training or unlabelled images", options.source.data.display());
    };
    let sheet = ViewSheet {
        source,
        indices: &spread(source, options.count),
        views: &experiment.training_views(),
        draws: DRAWS,
        seed: experiment.seed,
    };
    let examples = gallery::write_views(&sheet, &options.out)?;
    let page = options.out.join("views.html");
    Target::new(&page).write(page_of(&examples, &options.out, experiment.method()).as_bytes())?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "views": examples, "page": page }));
    } else {
        output::text(&program::views_are_in(examples.len(), &options.out));
        output::text(&program::page(&page));
    }
    Ok(Ending::Done)
}

/// Each image with its views, first those of t and then those of t'.
fn page_of(examples: &[ViewExample], out: &Path, method: Method) -> String {
    let shown = |file: &String, caption: &str| Shown {
        path: out.join(file),
        caption: caption.to_owned(),
        detail: String::new(),
        share: None,
    };
    let group = |example: &ViewExample| {
        let original = std::iter::once(shown(&example.original, pages::ORIGINAL));
        let views = example.views.iter().flat_map(|(name, files)| files.iter().map(move |file| (name, file)));
        let views = views.map(|(name, file)| shown(file, &name.replace("_prime", "'")));
        Group { heading: example.name.clone(), images: original.chain(views).collect() }
    };
    let groups = examples.iter().map(group).collect();
    Page {
        title: pages::VIEWS.to_owned(),
        warnings: Vec::new(),
        about: vec![views_are(method)],
        groups,
        levels: Levels::default(),
    }
    .render()
}

/// The indices of `count` images, evenly spread over all of them.
fn spread(source: &dyn ImageSource, count: usize) -> Vec<usize> {
    let count = count.min(source.len());
    (0..count).map(|number| number * source.len() / count).collect()
}
