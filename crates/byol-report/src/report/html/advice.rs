//! What to do next, each with its command.

use maud::{Markup, html};

use super::super::advice::advice;
use super::super::explain::Explanation;
use super::super::load::RunData;
use super::{nothing, rich};

pub(super) fn section(run: &RunData, explanation: &Explanation) -> Markup {
    let found = advice(run, explanation);
    if found.is_empty() {
        return nothing(match run.finished() {
            true => "There is nothing to advise for this run.",
            false => "Advice appears here when the run has finished.",
        });
    }
    html! {
        @if found.len() > 1 { p { "The most useful step comes first. Run the commands in the folder that the run was started in." } }
        ol.next {
            @for one in &found {
                li {
                    h3 { (one.kind.heading()) }
                    p { (rich(&one.text)) }
                    @for command in &one.commands { div.command data-command { pre { code { (command) } } } }
                }
            }
        }
    }
}
