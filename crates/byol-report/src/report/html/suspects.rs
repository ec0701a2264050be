//! Labels of training images that are probably wrong, and the command that shows all of them.

use std::path::Path;

use maud::{Markup, html};

use super::super::language::page::{gallery as said, nothing as absent};
use super::super::load::RunData;
use super::images::image;
use super::mistakes::named_file;
use super::nothing;
use crate::run::command::shell_word;

pub(super) fn section(run: &RunData) -> Markup {
    let Some(suspects) = &run.gallery.suspects else { return nothing(absent::SUSPECTS) };
    html! {
        p { (said::suspects(suspects.suspicious, suspects.looked_at)) }
        @if !suspects.shown.is_empty() {
            div.suspects {
                @for suspect in &suspects.shown {
                    @let (class, likely) = (run.class_name(suspect.label), run.class_name(suspect.likely));
                    figure {
                        (image(run, &suspect.file, &said::training_image_of(&class)))
                        figcaption {
                            b { (class) } " " (said::probably(&likely, suspect.own_probability, suspect.likely_probability))
                            br; (named_file(run, &suspect.name))
                        }
                    }
                }
            }
        }
        p { (said::ALL_SUSPECTS) }
        div.command data-command { pre { code { (command(run)) } } }
    }
}

fn command(run: &RunData) -> String {
    let data = run.command.as_ref().map_or_else(|| "DIR".to_owned(), |command| shell_word(&command.data));
    let place: &Path = run.command.as_ref().map_or(&run.place, |command| &command.run);
    format!("byol data check {data} --from {} --serve", shell_word(place))
}
