//! What to do next, each with its command.

use maud::{Markup, html};

use super::super::advice::advice;
use super::super::explain::Explanation;
use super::super::load::RunData;
use super::nothing;

pub(super) fn section(run: &RunData, explanation: &Explanation) -> Markup {
    let found = advice(run, explanation);
    if found.is_empty() {
        return nothing(match run.finished() {
            true => "Nothing in this run tells what to do next.",
            false => "What to do next is said here when the run has finished.",
        });
    }
    html! {
        @if found.len() > 1 { p { "What promises most comes first. Commands are for the folder that the run was started in." } }
        ol.next {
            @for one in &found {
                li {
                    h3 { (one.kind.heading()) }
                    p { (one.text) }
                    @for command in &one.commands { div.command data-command { pre { code { (command) } } } }
                }
            }
        }
    }
}
