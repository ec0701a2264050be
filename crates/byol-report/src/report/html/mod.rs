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
pub(super) mod overlay;
pub(super) mod results;
mod suspects;
mod thumbnails;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ReportError;
use super::explain::Pool;
use super::explain::{Explanation, explain};
use super::language::{self, page};
use super::load::RunData;

/// Written by hand, and free of `<`.
const STYLE: &str = include_str!("style.css");
/// What the page does when it is touched, in the words of [`language::SCRIPT`]. None of it holds the end of a script element.
const SCRIPT: &str = concat!(
    include_str!("elements.js"),
    include_str!("axes.js"),
    include_str!("charts.js"),
    include_str!("runs.js"),
    include_str!("images.js"),
    include_str!("files.js"),
    include_str!("confusion.js"),
    include_str!("map.js"),
    include_str!("live.js"),
    include_str!("page.js"),
);
/// What the page of suspicious labels does when it is answered; its words stand in the page.
const ANSWERS: &str = concat!(
    include_str!("elements.js"),
    include_str!("../labelling/names.js"),
    include_str!("../data_check/answers.js")
);
/// What the page does on which images are labelled, and how pages look that are answered, beside the others.
const LABELLING_SCRIPT: &str = concat!(
    include_str!("elements.js"),
    include_str!("../labelling/names.js"),
    include_str!("../labelling/server.js"),
    include_str!("../labelling/task.js"),
    include_str!("../labelling/worth.js"),
    include_str!("../labelling/keys.js"),
);
const LABELLING_STYLE: &str = include_str!("../labelling/style.css");
/// What a page may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Conduct {
    /// It is read.
    Still,
    /// It can be asked, by its script.
    Interactive,
    /// It asks its own server for what is new, too.
    Live,
    /// It tells its own server what people answer to suspicious labels, and shows images that this one gives.
    Answering,
    /// It tells its own server what somebody answers, and asks it for images.
    Labelling,
}

impl Conduct {
    /// Whether people answer on it what images show.
    fn is_answered(self) -> bool {
        matches!(self, Conduct::Answering | Conduct::Labelling)
    }

    /// What a browser allows the page, whatever stands in it.
    fn policy(self) -> String {
        let script = match self {
            Conduct::Still => "",
            Conduct::Interactive => "; script-src 'unsafe-inline'",
            Conduct::Live | Conduct::Answering | Conduct::Labelling => {
                "; script-src 'unsafe-inline'; connect-src 'self'"
            }
        };
        let own = if self.is_answered() { "'self' " } else { "" };
        format!(
            "default-src 'none'; img-src {own}data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{script}"
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
        [(run, explanation)] => (page::title(&run.name, pool_of(run)), one(run, explanation)),
        several => (page::runs_compared(several.len()), many(several)),
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
                p.over { (page::OVER_WAITING) }
                h1 { (language::watch::none_has_started(names)) }
                p.verdict { (language::watch::fills_in(names.len())) }
            }
        },
        [(run, explanation)] if !several => one(run, explanation),
        begun => many(begun),
    };
    let body = html! {
        div.live data-revision=(revision) {
            strong { (language::watch::LIVE) }
            ul { @for name in names { li { span.state {} " " b { (name) } " " span.text {} } } }
            p.said role="status" {}
        }
        (content)
    };
    document(&language::watch::title(names), &body, Conduct::Live)
}

/// A page of its own that asks nothing of the network.
pub(super) fn document(title: &str, body: &Markup, conduct: Conduct) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(language::CODE) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(conduct.policy());
                meta name="generator" content="byol";
                title { (title) }
                style { (PreEscaped(STYLE)) @if conduct.is_answered() { (PreEscaped(LABELLING_STYLE)) } }
                @if conduct == Conduct::Answering { link rel="icon" href="data:,"; }
                @if conduct == Conduct::Live {
                    // Without scripts it is loaded anew every few seconds. Browsers ask for an icon where none is named.
                    noscript { meta http-equiv="refresh" content="5"; }
                }
                @if matches!(conduct, Conduct::Live | Conduct::Labelling) { link rel="icon" href="data:,"; }
            }
            body {
                (body)
                @if conduct != Conduct::Still {
                    @let (words, script) = match conduct {
                        Conduct::Answering => ("", ANSWERS),
                        Conduct::Labelling => (language::LABELLING_SCRIPT, LABELLING_SCRIPT),
                        Conduct::Still | Conduct::Interactive | Conduct::Live => (language::SCRIPT, SCRIPT),
                    };
                    script { (PreEscaped(format!("\"use strict\";\n{{\n{words}{script}}}\n"))) }
                }
            }
        }
    };
    page.into_string()
}

fn one(run: &RunData, explanation: &Explanation) -> Markup {
    let headline = language::explain::headline(&explanation.headline);
    let verdict = language::explain::verdict(&explanation.verdict);
    let parts = parts(run, explanation, "sheets");
    html! {
        header data-unit="header" {
            p.over { (page::over(&run.name, data_name(run))) }
            h1 { (page::heading(pool_of(run))) }
            p.verdict { (rich(&headline)) }
            @if headline != verdict { p.statistics { (rich(&verdict)) } }
            (notes(run))
            nav aria-label=(page::SECTIONS) {
                @for part in parts.iter().filter(|part| part.is_shown(run)) { a href={ "#" (part.section.id()) } { (page::section(part.section)) } }
            }
        }
        main {
            (sections(run, &parts, ""))
            div data-unit="sheets" { (thumbnails::sheets(run, "sheets")) }
        }
        footer { p { (page::made_from(&run.name)) } }
    }
}

/// Without unlabelled images there is nothing that they could be worth.
fn pool_of(run: &RunData) -> Pool {
    if run.summary.is_none() { Pool::Unlabeled } else { Pool::of(run) }
}

fn many(runs: &[(&RunData, Explanation)]) -> Markup {
    // Runs on the same test images share their images.
    let sheets_of = |place: usize| {
        let own = &runs[place].0.thumbnails;
        runs.iter().position(|(run, _)| run.thumbnails == *own).unwrap_or(place)
    };
    html! {
        header data-unit="header" {
            p.over { (page::OVER_SEVERAL) }
            h1 { (page::runs_compared(runs.len())) }
            ul.verdicts {
                @for (place, (run, explanation)) in runs.iter().enumerate() {
                    li data-run=(place) { a href={ "#run-" (place + 1) } { (run.name) } ": " (language::explain::verdict(&explanation.verdict)) }
                }
            }
        }
        main {
            (overlay::section(&runs.iter().map(|(run, _)| *run).collect::<Vec<_>>()))
            @for (place, (run, explanation)) in runs.iter().enumerate() {
                details.run id={ "run-" (place + 1) } data-run=(place) {
                    summary { h2 { (run.name) } }
                    div data-unit={ "run-" (place + 1) "-about" } {
                        p.verdict { (rich(&language::explain::headline(&explanation.headline))) }
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
        footer { p { (page::made_from_several(runs.len())) } }
    }
}

/// A section of a run's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Results,
    Explanation,
    Mistakes,
    Pretraining,
    Training,
    Confusion,
    Map,
    Views,
    Neighbours,
    Suspects,
    Facts,
    Next,
}

impl Section {
    /// In the order of the page.
    const ALL: [Section; 12] = [
        Section::Results,
        Section::Explanation,
        Section::Mistakes,
        Section::Pretraining,
        Section::Training,
        Section::Confusion,
        Section::Map,
        Section::Views,
        Section::Neighbours,
        Section::Suspects,
        Section::Facts,
        Section::Next,
    ];

    /// In addresses within the page.
    fn id(self) -> &'static str {
        match self {
            Section::Results => "results",
            Section::Explanation => "explanation",
            Section::Mistakes => "mistakes",
            Section::Pretraining => "pretraining",
            Section::Training => "training",
            Section::Confusion => "confusion",
            Section::Map => "map",
            Section::Views => "views",
            Section::Neighbours => "neighbours",
            Section::Suspects => "suspects",
            Section::Facts => "facts",
            Section::Next => "next",
        }
    }

    /// What it shows of a run. `sheets` is the name of the run's small images.
    fn content(self, run: &RunData, explanation: &Explanation, sheets: &str) -> Markup {
        match self {
            Section::Results => html! { (results::section(run, explanation)) (measures::section(run)) },
            Section::Explanation => results::explanation(explanation),
            Section::Mistakes => mistakes::section(run, sheets),
            Section::Pretraining => curves::pretraining(run),
            Section::Training => curves::training(run),
            Section::Confusion => confusion::section(run, sheets),
            Section::Map => map::section(run, sheets),
            Section::Views => images::views(run),
            Section::Neighbours => images::neighbours(run),
            Section::Suspects => suspects::section(run),
            Section::Facts => facts::section(run),
            Section::Next => advice::section(run, explanation),
        }
    }
}

/// A section with what it shows.
struct Part {
    section: Section,
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

/// Every section. `sheets` is the name of its small images.
fn parts(run: &RunData, explanation: &Explanation, sheets: &str) -> Vec<Part> {
    let part = |section: Section| Part { section, content: section.content(run, explanation, sheets) };
    Section::ALL.map(part).into()
}

/// The sections that have something to show, and the names of the others. `prefix` keeps them apart where several runs
/// share a page.
fn sections(run: &RunData, parts: &[Part], prefix: &str) -> Markup {
    let (shown, absent): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.is_shown(run));
    let absent: Vec<Section> = absent.iter().map(|part| part.section).collect();
    html! {
        @for Part { section, content } in shown {
            @let id = section.id();
            section id={ (prefix) (id) } data-unit={ (prefix) (id) } aria-labelledby={ (prefix) (id) "-head" } {
                h2 id={ (prefix) (id) "-head" } { (page::section(*section)) }
                (content)
            }
        }
        @if !absent.is_empty() {
            p.absent data-unit={ (prefix) "absent" } { (page::not_yet(&absent)) }
        }
    }
}

fn notes(run: &RunData) -> Markup {
    html! {
        @if !run.notes.is_empty() {
            aside.notes aria-label=(page::NOTES) {
                strong { (page::notes_of(run.finished())) }
                ul { @for note in &run.notes { li { (rich(&language::notes::in_a_list(note))) } } }
            }
        }
    }
}

fn data_name(run: &RunData) -> Option<&str> {
    run.summary.as_ref().map(|summary| summary.data.name.as_str())
}

/// A sentence in which what stands between backticks is code, and k-NN has a hyphen at which lines do not break.
pub(super) fn rich(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part.replace("k-NN", "k\u{2011}NN")) }
        }
    }
}

/// An image or chart with the sentence that says what it shows.
pub(super) fn figure(content: Option<Markup>, caption: &str) -> Markup {
    html! {
        @if let Some(content) = content {
            figure { (content) figcaption { (caption) } }
        }
    }
}

/// How charts are asked; the page's script, which makes it true, uncovers it.
pub(super) fn hint() -> Markup {
    html! {
        p.hint data-hint="charts" hidden {
            (page::CHART_KEYS)
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
