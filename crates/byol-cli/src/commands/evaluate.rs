//! `byol evaluate`.

use byol::config::Experiment;
use byol::data::Need;
use byol::experiment::{self, Context, Keep};
use byol::ranks::{Ranks, Work};
use byol::report::language::{names, program};
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Reporter};
use byol::run::lock::RunLock;
use byol::run::record::{Accuracy, HeadKind, LabelBudget, PredictionRecord, ResultName};

use super::resume::decoding_of;
use super::together::{self, Asked, Followed, Together};
use crate::args::{Evaluate, Output, ProtocolName};
use crate::exit::{Ending, Usage};
use crate::request::{self, Basis, Wanted};
use crate::{interrupt, output};

pub fn evaluate(options: &Evaluate, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let Some(launch) = together::launched(&options.processes)? else {
        return judge(options, &Ranks::default(), output, reporter);
    };
    let elsewhere = launch.place.rank > 0 && !options.from.exists();
    let configuration = if elsewhere { String::new() } else { configuration(options)?.to_toml()? };
    let processes = &options.processes;
    let together =
        Together { launch: &launch, options: processes, command: "evaluate", work: Work::Evaluation, configuration };
    together.run(
        reporter,
        |ranks, reporter| {
            let ending = judge(options, &ranks, output, reporter)?;
            experiment::release(&ranks)?;
            Ok(ending)
        },
        |ranks, configuration| {
            let Evaluate { source, hardware, .. } = options;
            let data = Some(source.data.as_path());
            Followed { data, unlabeled: &[], hardware, need: Need::Labels, copies: None }.follow(ranks, configuration)
        },
    )
}

/// What judges, and the settings that belong to it.
fn protocols(protocol: ProtocolName) -> (&'static [HeadKind], &'static [&'static str]) {
    match protocol {
        ProtocolName::Linear => (&[HeadKind::Linear], &[]),
        ProtocolName::Knn => (&[HeadKind::Knn], &[]),
        ProtocolName::Folds => (&[HeadKind::Linear, HeadKind::Knn], &["labels_per_class=[\"folds\"]"]),
    }
}

fn configuration(options: &Evaluate) -> anyhow::Result<Experiment> {
    let (_, set) = protocols(options.protocol);
    let basis = Basis { run: Some(&options.from), set, ..Basis::default() };
    request::experiment(&options.config, Some(&options.labels), basis)
}

fn judge(options: &Evaluate, ranks: &Ranks, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let (protocols, _) = protocols(options.protocol);
    if options.keep && !options.from.is_dir() {
        let from = options.from.display();
        return Err(Usage(format!("--keep needs the run directory, and {from} is none; name it with --from")).into());
    }
    let keep = if options.keep { Keep::Classifiers } else { Keep::Nothing };
    let experiment = configuration(options)?;
    let _lock = options.keep.then(|| RunLock::take(&options.from)).transpose()?;
    interrupt::end_at_once(match keep {
        Keep::Nothing => "interrupted; an evaluation leaves nothing behind".to_owned(),
        Keep::Classifiers => {
            format!("interrupted; classifiers that were kept by now stay in {}", options.from.display())
        }
    })?;
    let run = RunDirectory::existing(&options.from).and_then(|run| run.summary()).unwrap_or_default();
    let decoding = decoding_of(run.as_ref());
    let hardware = match ranks.is_alone() {
        true => request::hardware(&options.hardware, reporter)?,
        false => {
            let asked = Asked {
                data: options.source.data.clone(),
                unlabeled: Vec::new(),
                split: options.source.strictness.kept.split.clone(),
                strict: options.source.strictness.strict,
                decoding,
                bf16: false,
            };
            together::hardware_of_first(&options.hardware, asked, ranks, reporter)?
        }
    };
    let data = request::dataset(
        Wanted {
            corrections: true,
            data: &options.source.data,
            unlabeled: &[],
            strictness: &options.source.strictness,
            need: Need::Labels,
            labels_per_class: 0,
            copies: None,
            decoding,
            levels: experiment.levels,
            ranks,
        },
        reporter,
    )?;
    data.check_split_place()?;
    if !ranks.is_alone() {
        together::settle(&hardware, &experiment, &data)?;
    }
    let mut context = Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        // An evaluation writes nothing but the classifiers that it is to keep.
        out: &options.from,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter,
    };
    let records = experiment::evaluate(&mut context, &options.from, protocols, keep)?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "predictions": records }));
    } else {
        output::text(&table(&records));
    }
    Ok(Ending::Done)
}

/// One line per classifier and label budget: mean test accuracy, its deviation and its range over draws or folds.
fn table(records: &[PredictionRecord]) -> String {
    let mut groups: Vec<(ResultName, LabelBudget, Vec<f64>)> = Vec::new();
    for record in records {
        match groups.iter_mut().find(|(name, budget, _)| (*name, *budget) == (record.name, record.labels_per_class)) {
            Some((_, _, accuracies)) => accuracies.push(record.test_accuracy),
            None => groups.push((record.name, record.labels_per_class, vec![record.test_accuracy])),
        }
    }
    let mut text = format!(
        "{:<24}{:>17}{:>7}{:>15}{:>11}   range\n",
        "classifier", "labels per class", "draws", "test accuracy", "deviation"
    );
    for (name, budget, accuracies) in groups {
        let (low, high) = accuracies.iter().fold((1.0f64, 0.0f64), |(low, high), one| (low.min(*one), high.max(*one)));
        let (name, budget, draws) = (names::label(name), budget.to_string(), accuracies.len());
        if let Some(Accuracy { mean, std, .. }) = Accuracy::over(accuracies) {
            let deviation = std.map_or_else(|| "-".to_owned(), |std| format!("{std:.4}"));
            text += &format!("{name:<24}{budget:>17}{draws:>7}{mean:>15.4}{deviation:>11}   {low:.4}-{high:.4}\n");
        }
    }
    if records.iter().any(|record| record.labels_per_class == LabelBudget::DrawnFolds) {
        text += &format!("\n{}\n", program::DRAWN_FOLDS);
    }
    text
}
