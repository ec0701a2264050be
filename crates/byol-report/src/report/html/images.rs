//! The gallery: views of some images, and what lies nearest to some test images.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::super::load::RunData;
use super::mistakes::named_file;
use super::nothing;
use crate::run::record::{Neighbor, NeighborExample};

pub(super) fn views(run: &RunData) -> Markup {
    if run.gallery.views.is_empty() {
        return nothing("The gallery holds no views.");
    }
    html! {
        p {
            "What BYOL sees of an image: two views, one drawn with t and one with t\u{2032}. It learns to predict the \
             representation of one from the other."
        }
        div.wide {
            table.views {
                thead {
                    tr { th scope="col" { "original" } th scope="col" { "views with t" } th scope="col" { "views with t\u{2032}" } }
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
                                            (image(run, view, &format!("{}, view {} with {with}", example.name, nth + 1)))
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
        return nothing("The gallery holds no nearest neighbours.");
    }
    let all =
        || run.gallery.neighbors.iter().flat_map(|example| example.neighbors.iter().map(move |one| (example, one)));
    let right = all().filter(|(example, neighbor)| example.label == neighbor.label).count();
    html! {
        p {
            "Some test images, each followed by the labelled training images nearest to it in the pre-trained \
             encoder's representation (cosine similarity below). " (right) " of these " (all().count()) " neighbours are \
             of the same class (✓, solid frame); the others are marked ✗ with a dashed frame."
        }
        @for example in &run.gallery.neighbors { (row(run, example)) }
    }
}

fn row(run: &RunData, example: &NeighborExample) -> Markup {
    let class = run.class_name(example.label);
    html! {
        div.neighbours {
            figure.query {
                (image(run, &example.query, &format!("test image of class {class}")))
                figcaption {
                    strong { (class) } br; "test image"
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
            (image(run, &neighbor.image, &format!("training image of class {class}")))
            figcaption {
                span.sign aria-label=(if same { "same class" } else { "other class" }) { (if same { "✓" } else { "✗" }) }
                " " (class) br; (format!("{:.2}", neighbor.similarity))
                @if !neighbor.name.is_empty() { br; (named_file(run, &neighbor.name)) }
            }
        }
    }
}

/// An image of the gallery, inside the page.
fn image(run: &RunData, name: &str, text: &str) -> Markup {
    html! {
        @match run.images.get(name) {
            Some(bytes) => img.small[width(bytes).is_some_and(|width| width < 96)]
                src={ "data:image/png;base64," (STANDARD.encode(bytes)) } alt=(text) title=(text);,
            None => span.absent { "not there" },
        }
    }
}

/// The width that a PNG's header gives, in pixels.
fn width(png: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(png.get(16..20)?.try_into().ok()?))
}
