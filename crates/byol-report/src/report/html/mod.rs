//! The page: one file that holds everything it shows and asks nothing of the network. Each section has a file of its
//! own; this one orders them.

mod advice;
mod confusion;
mod curves;
mod facts;
mod images;
mod map;
mod measures;
mod mistakes;
mod overlay;
mod results;
mod thumbnails;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportError;
use super::explain::{Explanation, explain};
use super::load::RunData;
use super::words;

/// Written by hand, and free of `<`.
const STYLE: &str = include_str!("style.css");
/// What the page does when it is touched. All in one scope of its own; none of it holds the end of a script element.
const SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("charts.js"),
    include_str!("runs.js"),
    include_str!("images.js"),
    include_str!("files.js"),
    include_str!("confusion.js"),
    include_str!("map.js"),
    include_str!("live.js"),
    include_str!("page.js"),
    "}\n"
);
/// What a page may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// It is read.
    Still,
    /// It can be asked, by its script.
    Interactive,
    /// It asks its own server for what is new, too.
    Live,
}

impl Conduct {
    /// What a browser allows the page, whatever stands in it.
    fn policy(self) -> String {
        let script = match self {
            Conduct::Still => "",
            Conduct::Interactive => "; script-src 'unsafe-inline'",
            Conduct::Live => "; script-src 'unsafe-inline'; connect-src 'self'",
        };
        format!(
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{script}"
        )
    }
}

/// The page for one run, or for several compared.
///
/// # Errors
/// [`ReportError::NoRuns`] if there is none.
pub fn render(runs: &[RunData]) -> Result<String, ReportError> {
    let explained: Vec<(&RunData, Explanation)> = runs.iter().map(|run| (run, explain(run))).collect();
    let (title, body) = match explained.as_slice() {
        [] => return Err(ReportError::NoRuns),
        [(run, explanation)] => (format!("{}: {}", run.name, words::uncapital(title_of(run))), one(run, explanation)),
        several => (format!("{} runs compared", several.len()), many(several)),
    };
    Ok(document(&title, &body, Conduct::Interactive))
}

/// The page of `byol watch`: that of the runs that have begun, with a line about each named run, which asks its own server
/// for what is new.
pub(crate) fn render_live(runs: &[RunData], names: &[String], revision: u64) -> String {
    let explained: Vec<(&RunData, Explanation)> = runs.iter().map(|run| (run, explain(run))).collect();
    let several = names.len() > 1;
    let content = match explained.as_slice() {
        [] => html! {
            header data-unit="header" {
                p.over { "byol watch" }
                h1 { (super::words::list(names)) @if several { " have not started yet" } @else { " has not started yet" } }
                p.verdict {
                    "This page fills in by itself as soon as " @if several { "they record" } @else { "it records" } " anything."
                }
            }
        },
        [(run, explanation)] if !several => one(run, explanation),
        begun => many(begun),
    };
    let body = html! {
        div.live data-revision=(revision) {
            strong { "Live" }
            ul { @for name in names { li { span.state {} " " b { (name) } " " span.text {} } } }
            p.said role="status" {}
        }
        (content)
    };
    let title = format!("byol watch: {}", super::words::list(names));
    document(&title, &body, Conduct::Live)
}

/// A page of its own that asks nothing of the network.
pub(super) fn document(title: &str, body: &Markup, conduct: Conduct) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(conduct.policy());
                meta name="generator" content="byol";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                @if conduct == Conduct::Live {
                    // Without scripts it is loaded anew every few seconds. Browsers ask for an icon where none is named.
                    noscript { meta http-equiv="refresh" content="5"; }
                    link rel="icon" href="data:,";
                }
            }
            body {
                (body)
                @if conduct != Conduct::Still { script { (PreEscaped(SCRIPT)) } }
            }
        }
    };
    page.into_string()
}

fn one(run: &RunData, explanation: &Explanation) -> Markup {
    let parts = parts(run, explanation, "sheets");
    html! {
        header data-unit="header" {
            p.over { "byol report · " (run.name) @if let Some(data) = data_name(run) { " · " (data) } }
            h1 { (title_of(run)) }
            p.verdict { (rich(&explanation.headline)) }
            @if explanation.headline != explanation.verdict { p.statistics { (rich(&explanation.verdict)) } }
            (notes(run))
            nav aria-label="Sections" {
                @for part in parts.iter().filter(|part| part.is_shown(run)) { a href={ "#" (part.id) } { (part.name) } }
            }
        }
        main {
            (sections(run, &parts, ""))
            div data-unit="sheets" { (thumbnails::sheets(run, "sheets")) }
        }
        footer { p { "Made by byol from the run directory " code { (run.name) } " and nothing else." } }
    }
}

/// Without unlabelled images there is nothing that they could be worth.
fn title_of(run: &RunData) -> &'static str {
    match run.summary.is_none() || super::explain::has_unlabeled(run) {
        true => "What the unlabelled images were worth",
        false => "What pre-training was worth",
    }
}

fn many(runs: &[(&RunData, Explanation)]) -> Markup {
    // Runs on the same test images share their images.
    let sheets_of = |place: usize| {
        let own = &runs[place].0.thumbnails;
        runs.iter().position(|(run, _)| run.thumbnails == *own).unwrap_or(place)
    };
    html! {
        header data-unit="header" {
            p.over { "byol report" }
            h1 { (runs.len()) " runs compared" }
            ul.verdicts {
                @for (place, (run, explanation)) in runs.iter().enumerate() {
                    li data-run=(place) { a href={ "#run-" (place + 1) } { (run.name) } ": " (explanation.verdict) }
                }
            }
        }
        main {
            (overlay::section(runs))
            @for (place, (run, explanation)) in runs.iter().enumerate() {
                details.run id={ "run-" (place + 1) } data-run=(place) {
                    summary { h2 { (run.name) } }
                    div data-unit={ "run-" (place + 1) "-about" } {
                        p.verdict { (rich(&explanation.headline)) }
                        (notes(run))
                    }
                    (sections(run, &parts(run, explanation, &format!("sheets-{}", sheets_of(place))), &format!("run-{}-", place + 1)))
                }
            }
            div data-unit="sheets" {
                @for (place, (run, _)) in runs.iter().enumerate() {
                    @if sheets_of(place) == place { (thumbnails::sheets(run, &format!("sheets-{place}"))) }
                }
            }
        }
        footer { p { "Made by byol from " (runs.len()) " run directories and nothing else." } }
    }
}

const SECTIONS: [(&str, &str); 11] = [
    ("results", "Results"),
    ("explanation", "Explanation"),
    ("mistakes", "Wrong answers"),
    ("pretraining", "Pre-training"),
    ("training", "Baseline and fine-tuning"),
    ("confusion", "Confusions"),
    ("map", "Map of test images"),
    ("views", "Views"),
    ("neighbours", "Neighbours"),
    ("facts", "Data and settings"),
    ("next", "What next"),
];

/// A section of a run.
struct Part {
    id: &'static str,
    name: &'static str,
    content: Markup,
}

impl Part {
    /// While a run goes on, what it has nothing of yet is only named.
    fn is_shown(&self, run: &RunData) -> bool {
        let text = &self.content.0;
        let is_nothing = text.starts_with(NOTHING) && text.matches("</p>").count() == 1 && text.ends_with("</p>");
        run.finished() || !is_nothing
    }
}

/// Every section, in the order of [`SECTIONS`]. `sheets` is the name of its small images.
fn parts(run: &RunData, explanation: &Explanation, sheets: &str) -> Vec<Part> {
    let contents = [
        html! { (results::section(run, explanation)) (measures::section(run)) },
        results::explanation(explanation),
        mistakes::section(run, sheets),
        curves::pretraining(run),
        curves::training(run),
        confusion::section(run, sheets),
        map::section(run, sheets),
        images::views(run),
        images::neighbours(run),
        facts::section(run),
        advice::section(run, explanation),
    ];
    SECTIONS.into_iter().zip(contents).map(|((id, name), content)| Part { id, name, content }).collect()
}

/// The sections that have something to show, and the names of the others. `prefix` keeps them apart where several runs
/// share a page.
fn sections(run: &RunData, parts: &[Part], prefix: &str) -> Markup {
    let (shown, absent): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.is_shown(run));
    let absent: Vec<String> = absent.iter().map(|part| part.name.to_owned()).collect();
    html! {
        @for Part { id, name, content } in shown {
            section id={ (prefix) (id) } data-unit={ (prefix) (id) } aria-labelledby={ (prefix) (id) "-head" } {
                h2 id={ (prefix) (id) "-head" } { (name) }
                (content)
            }
        }
        @if !absent.is_empty() {
            p.absent data-unit={ (prefix) "absent" } { "Nothing is recorded yet of: " (words::list(&absent)) "." }
        }
    }
}

fn notes(run: &RunData) -> Markup {
    html! {
        @if !run.notes.is_empty() {
            aside.notes aria-label="Notes" {
                strong { @if run.finished() { "Note" } @else { "Unfinished run" } }
                ul { @for note in &run.notes { li { (rich(&super::words::capital(note))) "." } } }
            }
        }
    }
}

fn data_name(run: &RunData) -> Option<&str> {
    run.summary.as_ref().map(|summary| summary.data.name.as_str())
}

/// A sentence in which what stands between backticks is code, and k-NN has a hyphen at which lines do not break.
fn rich(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part.replace("k-NN", "k\u{2011}NN")) }
        }
    }
}

/// An image or chart with the sentence that says what it shows.
fn figure(content: Option<Markup>, caption: &str) -> Markup {
    html! {
        @if let Some(content) = content {
            figure { (content) figcaption { (caption) } }
        }
    }
}

/// How charts are asked; the page's script, which makes it true, uncovers it.
fn hint() -> Markup {
    html! {
        p.hint data-hint="charts" hidden {
            "Drag over a part of a chart to enlarge it, or click the chart and use the wheel. With the keyboard: + and − zoom, arrows read \
             the points, 0 shows everything. An entry of a legend hides its curve."
        }
    }
}

/// How a section begins that has nothing to show.
const NOTHING: &str = "<p class=\"nothing\">";

/// Stands where a section has nothing to show.
fn nothing(why: &str) -> Markup {
    html! { p.nothing { (why) } }
}

#[cfg(test)]
mod tests;
