//! What the run used: data, machine, settings; and the command that repeats it.

use maud::{Markup, html};

use super::super::language::page::{self, facts};
use super::super::language::{names, numbers};
use super::super::load::RunData;
use super::nothing;
use crate::run::record::{Control, Summary};

pub(super) fn section(run: &RunData) -> Markup {
    html! {
        @match &run.summary {
            Some(summary) => (summary_facts(summary, run.seconds().unwrap_or(summary.seconds))),
            None => (nothing(page::nothing::SUMMARY)),
        }
        (chosen(run))
        h3 { (facts::REPEAT) }
        @match &run.command {
            Some(record) => {
                p { (facts::repeat_in(&record.folder)) }
                pre { code { (record.repeat()) } }
            }
            None => {
                p { (facts::REPEAT_SOMEWHERE) }
                pre { code { (command(run)) } }
            }
        }
        @if let Some(config) = &run.config {
            details {
                summary { h3 { (facts::CONFIGURATION) } }
                pre { code { (toml::to_string(config).unwrap_or_else(|error| error.to_string())) } }
            }
        }
    }
}

fn summary_facts(summary: &Summary, seconds: f64) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts::of(summary, seconds) { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// What was chosen inside the label budgets.
fn chosen(run: &RunData) -> Markup {
    let records: Vec<_> = run.predictions.iter().filter(|record| record.chosen.is_some()).collect();
    html! {
        @if !records.is_empty() {
            details {
                summary { h3 { (facts::CHOSEN) } }
                div.wide {
                    table.plain {
                        thead { tr {
                            @for name in facts::COLUMNS {
                                th scope="col" { (name) }
                            }
                        } }
                        tbody {
                            @for record in records {
                                tr {
                                    th scope="row" { (names::label(record.name)) }
                                    td { (names::budget(record.labels_per_class)) }
                                    td { (record.draw + 1) }
                                    td { (numbers::count(record.labels_used as u64)) }
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
