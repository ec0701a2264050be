//! What to do next, each with its command.

use maud::{Markup, html};

use super::super::advice::advice;
use super::super::explain::Explanation;
use super::super::language::advice as said;
use super::super::load::RunData;
use super::{nothing, rich};

pub(super) fn section(run: &RunData, explanation: &Explanation) -> Markup {
    let found = advice(run, explanation);
    if found.is_empty() {
        return nothing(said::none(run.finished()));
    }
    html! {
        @if found.len() > 1 { p { (said::most_useful_first()) } }
        ol.next {
            @for one in &found {
                li {
                    h3 { (said::heading(one.kind())) }
                    p { (rich(&said::text(&one.what))) }
                    @for command in &one.commands { div.command data-command { pre { code { (command) } } } }
                }
            }
        }
    }
}
