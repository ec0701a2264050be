//! The page: one file that holds everything it shows and asks nothing of the network. Each section has a file of its
//! own; this one orders them.

mod confusion;
mod curves;
mod facts;
mod measures;
mod overlay;
mod pictures;
mod results;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportError;
use super::explain::{Explanation, explain};
use super::load::RunData;

/// Written by hand, and free of `<`.
const STYLE: &str = include_str!("style.css");

/// The page for one run, or for several compared.
///
/// # Errors
/// [`ReportError::NoRuns`] if there is none.
pub fn render(runs: &[RunData]) -> Result<String, ReportError> {
    let explained: Vec<(&RunData, Explanation)> = runs.iter().map(|run| (run, explain(run))).collect();
    let (title, body) = match explained.as_slice() {
        [] => return Err(ReportError::NoRuns),
        [(run, explanation)] => (format!("{}: what the unlabelled images were worth", run.name), one(run, explanation)),
        several => (format!("{} runs compared", several.len()), many(several)),
    };
    Ok(document(&title, &body))
}

/// A page of its own that asks nothing of the network.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="byol";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn one(run: &RunData, explanation: &Explanation) -> Markup {
    html! {
        header {
            p.over { "byol report · " (run.name) @if let Some(data) = data_name(run) { " · " (data) } }
            h1 { "What the unlabelled images were worth" }
            p.verdict { (explanation.verdict) }
            (notes(run))
            nav aria-label="Sections" {
                @for (id, name) in SECTIONS { a href={ "#" (id) } { (name) } }
            }
        }
        main { (sections(run, explanation, "")) }
        footer { p { "Made by byol from the run directory " code { (run.name) } " and nothing else." } }
    }
}

fn many(runs: &[(&RunData, Explanation)]) -> Markup {
    html! {
        header {
            p.over { "byol report" }
            h1 { (runs.len()) " runs compared" }
            ul.verdicts {
                @for (place, (run, explanation)) in runs.iter().enumerate() {
                    li { a href={ "#run-" (place + 1) } { (run.name) } ": " (explanation.verdict) }
                }
            }
        }
        main {
            (overlay::section(runs))
            @for (place, (run, explanation)) in runs.iter().enumerate() {
                details.run id={ "run-" (place + 1) } {
                    summary { h2 { (run.name) } }
                    p.verdict { (explanation.verdict) }
                    (notes(run))
                    (sections(run, explanation, &format!("run-{}-", place + 1)))
                }
            }
        }
        footer { p { "Made by byol from " (runs.len()) " run directories and nothing else." } }
    }
}

const SECTIONS: [(&str, &str); 8] = [
    ("results", "Results"),
    ("explanation", "Explanation"),
    ("pretraining", "Pre-training"),
    ("training", "Baseline and fine-tuning"),
    ("confusion", "Confusions"),
    ("views", "Views"),
    ("neighbours", "Neighbours"),
    ("facts", "Data and settings"),
];

/// Every section, in the order of [`SECTIONS`]. `prefix` keeps their names apart where several runs share a page.
fn sections(run: &RunData, explanation: &Explanation, prefix: &str) -> Markup {
    let contents = [
        html! { (results::section(run, explanation)) (measures::section(run)) },
        results::explanation(explanation),
        curves::pretraining(run),
        curves::training(run),
        confusion::section(run),
        pictures::views(run),
        pictures::neighbours(run),
        facts::section(run),
    ];
    html! {
        @for ((id, name), content) in SECTIONS.iter().zip(contents) {
            section id={ (prefix) (id) } aria-labelledby={ (prefix) (id) "-head" } {
                h2 id={ (prefix) (id) "-head" } { (name) }
                (content)
            }
        }
    }
}

fn notes(run: &RunData) -> Markup {
    html! {
        @if !run.notes.is_empty() {
            aside.notes aria-label="Notes" {
                strong { @if run.finished() { "Note" } @else { "Unfinished run" } }
                ul { @for note in &run.notes { li { (super::words::capital(note)) "." } } }
            }
        }
    }
}

fn data_name(run: &RunData) -> Option<&str> {
    run.summary.as_ref().map(|summary| summary.data.name.as_str())
}

/// A picture or chart with the sentence that says what it shows.
fn figure(content: Option<Markup>, caption: &str) -> Markup {
    html! {
        @if let Some(content) = content {
            figure { (content) figcaption { (caption) } }
        }
    }
}

/// Stands where a section has nothing to show.
fn nothing(why: &str) -> Markup {
    html! { p.nothing { (why) } }
}

#[cfg(test)]
mod tests;
