//! The gallery: views of some images, and what lies nearest to some test images.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::super::language::method;
use super::super::language::page::{gallery, nothing as absent};
use super::super::load::RunData;
use super::mistakes::named_file;
use super::nothing;
use crate::run::record::{Neighbor, NeighborExample};

pub(super) fn views(run: &RunData) -> Markup {
    if run.gallery.views.is_empty() {
        return nothing(absent::VIEWS);
    }
    html! {
        p { (method::views(run.method())) }
        div.wide {
            table.views {
                thead {
                    tr { @for name in gallery::COLUMNS { th scope="col" { (name) } } }
                }
                tbody {
                    @for example in &run.gallery.views {
                        tr {
                            th scope="row" { (image(run, &example.original, &example.name)) }
                            @for (name, views) in &example.views {
                                @let with = name.replace("_prime", "\u{2032}");
                                td {
                                    div.strip {
                                        @for (nth, view) in views.iter().enumerate() {
                                            (image(run, view, &gallery::view(&example.name, nth + 1, &with)))
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn neighbours(run: &RunData) -> Markup {
    if run.gallery.neighbors.is_empty() {
        return nothing(absent::NEIGHBOURS);
    }
    let all =
        || run.gallery.neighbors.iter().flat_map(|example| example.neighbors.iter().map(move |one| (example, one)));
    let right = all().filter(|(example, neighbor)| example.label == neighbor.label).count();
    html! {
        p { (gallery::neighbours(right, all().count())) }
        @for example in &run.gallery.neighbors { (row(run, example)) }
    }
}

fn row(run: &RunData, example: &NeighborExample) -> Markup {
    let class = run.class_name(example.label);
    html! {
        div.neighbours {
            figure.query {
                (image(run, &example.query, &gallery::test_image_of(&class)))
                figcaption {
                    strong { (class) } br; (gallery::TEST_IMAGE)
                    @if !example.name.is_empty() { br; (named_file(run, &example.name)) }
                }
            }
            @for neighbor in &example.neighbors { (neighbour(run, neighbor, example.label)) }
        }
    }
}

fn neighbour(run: &RunData, neighbor: &Neighbor, label: u16) -> Markup {
    let class = run.class_name(neighbor.label);
    let same = neighbor.label == label;
    html! {
        figure.same[same].other[!same] {
            (image(run, &neighbor.image, &gallery::training_image_of(&class)))
            figcaption {
                span.sign aria-label=(gallery::sign(same)) { (if same { "✓" } else { "✗" }) }
                " " (class) br; (format!("{:.2}", neighbor.similarity))
                @if !neighbor.name.is_empty() { br; (named_file(run, &neighbor.name)) }
            }
        }
    }
}

/// An image of the gallery, inside the page.
pub(super) fn image(run: &RunData, name: &str, text: &str) -> Markup {
    html! {
        @match run.images.get(name) {
            Some(bytes) => img.small[width(bytes).is_some_and(|width| width < 96)]
                src={ "data:image/png;base64," (STANDARD.encode(bytes)) } alt=(text) title=(text);,
            None => span.absent { (absent::IMAGE) },
        }
    }
}

/// The width that a PNG's header gives, in pixels.
fn width(png: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(png.get(16..20)?.try_into().ok()?))
}
