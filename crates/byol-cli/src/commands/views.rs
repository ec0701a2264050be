//! `byol views`.

use anyhow::bail;
use byol::data::ImageSource;
use byol::gallery::{self, ViewSheet};
use byol::run::event::Reporter;
use byol::run::record::Stage;

use crate::args::{self, Output};
use crate::exit::Ending;
use crate::output;
use crate::request::{self, Basis};

/// Views of each picture with each recipe.
const VIEWS: usize = 4;

pub fn views(options: &args::Views, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let basis = Basis { stage: Some(Stage::Pretrain), ..Basis::default() };
    let experiment = request::experiment(&options.config, None, basis)?;
    let data = request::dataset(&options.source.data, &[], &options.source.strictness, reporter)?;
    let pools = data.pretraining_pool();
    let Some(source) = pools.iter().map(|pool| pool.images.as_ref()).find(|images| !images.is_empty()) else {
        bail!("{} holds no training or unlabelled images", options.source.data.display());
    };
    let sheet = ViewSheet {
        source,
        indices: &spread(source, options.count),
        t: &experiment.pretrain.t,
        t_prime: &experiment.pretrain.t_prime,
        views: VIEWS,
        side: experiment.image_size,
        seed: experiment.seed,
    };
    let examples = gallery::write_views(&sheet, &options.out)?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "views": examples }));
    } else {
        let (pictures, out) = (examples.len(), options.out.display());
        output::text(&format!("views of {pictures} pictures, and views.json with their parameters, are in {out}"));
    }
    Ok(Ending::Done)
}

/// The indices of `count` pictures, evenly spread over all of them.
fn spread(source: &dyn ImageSource, count: usize) -> Vec<usize> {
    let count = count.min(source.len());
    (0..count).map(|number| number * source.len() / count).collect()
}
