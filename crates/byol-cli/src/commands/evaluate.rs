//! `byol evaluate`.

use byol::experiment::{self, Context, Protocol};
use byol::run::directory::OpenMode;
use byol::run::event::Reporter;
use byol::run::record::{LabelBudget, PredictionRecord, ResultName};

use crate::args::{self, Output, ProtocolName};
use crate::exit::Ending;
use crate::request::{self, Basis};
use crate::{interrupt, output, wording};

pub fn evaluate(options: &args::Evaluate, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let basis = Basis { run: Some(&options.from), ..Basis::default() };
    let experiment = request::experiment(&options.config, Some(&options.labels), basis)?;
    let hardware = request::hardware(&options.hardware, reporter)?;
    let data = request::dataset(&options.source.data, &[], &options.source.strictness, reporter)?;
    let protocol = match options.protocol {
        ProtocolName::Linear => Protocol::Linear,
        ProtocolName::Knn => Protocol::Knn,
    };
    let mut context = Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        // An evaluation writes nothing.
        out: &options.from,
        mode: OpenMode::Resume,
        interrupt: &interrupt::listen()?,
        reporter,
    };
    let records = experiment::evaluate(&mut context, &options.from, protocol)?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "predictions": records }));
    } else {
        output::text(&table(&records));
    }
    Ok(Ending::Done)
}

/// One line per classifier and label budget: mean test accuracy and its range over draws.
fn table(records: &[PredictionRecord]) -> String {
    let mut groups: Vec<(ResultName, LabelBudget, Vec<f64>)> = Vec::new();
    for record in records {
        match groups.iter_mut().find(|(name, budget, _)| (*name, *budget) == (record.name, record.labels_per_class)) {
            Some((_, _, accuracies)) => accuracies.push(record.test_accuracy),
            None => groups.push((record.name, record.labels_per_class, vec![record.test_accuracy])),
        }
    }
    let mut text =
        format!("{:<24}{:>17}{:>7}{:>15}   range\n", "classifier", "labels per class", "draws", "test accuracy");
    for (name, budget, accuracies) in groups {
        let draws = accuracies.len();
        let mean = accuracies.iter().sum::<f64>() / draws as f64;
        let (low, high) = accuracies.iter().fold((mean, mean), |(low, high), one| (low.min(*one), high.max(*one)));
        let (name, budget) = (wording::result(name), budget.to_string());
        text += &format!("{name:<24}{budget:>17}{draws:>7}{mean:>15.4}   {low:.4}-{high:.4}\n");
    }
    text
}
