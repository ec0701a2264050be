//! What the run used: data, machine, settings; and the command that repeats it.

use maud::{Markup, html};

use super::super::load::RunData;
use super::super::words;
use super::nothing;
use crate::run::record::{Control, Summary};

pub(super) fn section(run: &RunData) -> Markup {
    html! {
        @match &run.summary {
            Some(summary) => (summary_facts(summary, run.seconds().unwrap_or(summary.seconds))),
            None => (nothing("Data and machine are not recorded: the run has no summary.json.")),
        }
        (chosen(run))
        h3 { "How to repeat it" }
        @match &run.command {
            Some(record) => {
                p { "With the same version, in the folder " code { (record.folder.display()) } ", where the run was begun:" }
                pre { code { (record.repeat()) } }
            }
            None => {
                p {
                    "With the same version and the run's own configuration; the words in capitals stand for the places of \
                     the data and of the run, which it does not record:"
                }
                pre { code { (command(run)) } }
            }
        }
        @if let Some(config) = &run.config {
            details {
                summary { h3 { "Configuration" } }
                pre { code { (toml::to_string(config).unwrap_or_else(|error| error.to_string())) } }
            }
        }
    }
}

fn summary_facts(summary: &Summary, seconds: f64) -> Markup {
    let data = &summary.data;
    let pools: Vec<String> =
        data.unlabeled.iter().map(|pool| format!("{} ({})", pool.name, words::count(pool.images as u64))).collect();
    let facts = [
        ("data", data.name.clone()),
        ("fingerprint", data.fingerprint.clone()),
        ("classes", format!("{}: {}", data.class_names.len(), data.class_names.join(", "))),
        ("labelled training images", words::count(data.train_images as u64)),
        ("test images", words::count(data.test_images as u64)),
        ("images for pre-training", if pools.is_empty() { "none".to_owned() } else { words::list(&pools) }),
        ("unreadable files left out", words::count(data.skipped as u64)),
        ("seed", summary.seed.to_string()),
        ("version", summary.version.clone()),
        ("hardware", summary.hardware.clone()),
        ("time, over all sittings", words::duration(seconds)),
    ];
    html! {
        dl.facts {
            @for (name, value) in facts { div { dt { (words::capital(name)) } dd { (value) } } }
        }
    }
}

/// What was chosen inside the label budgets.
fn chosen(run: &RunData) -> Markup {
    let records: Vec<_> = run.predictions.iter().filter(|record| record.chosen.is_some()).collect();
    html! {
        @if !records.is_empty() {
            details {
                summary { h3 { "Chosen inside each label budget" } }
                div.wide {
                    table.plain {
                        thead { tr {
                            @for name in ["classifier", "labels", "draw", "labelled images", "chosen"] {
                                th scope="col" { (name) }
                            }
                        } }
                        tbody {
                            @for record in records {
                                tr {
                                    th scope="row" { (words::label(record.name)) }
                                    td { (words::budget(record.labels_per_class)) }
                                    td { (record.draw + 1) }
                                    td { (words::count(record.labels_used as u64)) }
                                    td { (record.chosen.as_deref().unwrap_or_default()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The command that repeats a run that does not record how it was begun. Label budgets and draws stand in its
/// configuration.
fn command(run: &RunData) -> String {
    let pools = run.summary.iter().flat_map(|summary| &summary.data.unlabeled);
    let given = pools.filter(|pool| pool.name != "train" && pool.name != "unlabeled").count();
    let unlabeled = " --unlabeled UNLABELED".repeat(given);
    let weights = if run.control() == Control::Given { " --weights RUN/initial.safetensors" } else { "" };
    format!("byol run --data DATA{unlabeled}{weights} --config RUN/config.toml --out RUN-again")
}
