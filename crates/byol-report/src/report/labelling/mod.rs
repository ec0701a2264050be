//! The page on which images are labelled. It is empty: its script asks the server for everything that it shows.

use maud::{Markup, html};

use super::html::{Conduct, document, rich};
use super::language::labelling as said;

/// What the page says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What the images are called.
    pub name: &'a str,
}

/// The page, for a server that answers its script.
pub fn render(about: &About<'_>) -> String {
    let title = said::title(about.name);
    let body = html! {
        header.top {
            div {
                p.over { (said::OVER) }
                h1 { (title) }
            }
            div.progress {
                p id="progress" {}
                progress id="bar" max="1" value="0" aria-label=(said::PROGRESS) {}
            }
        }
        noscript { p.notes { (said::NEEDS_SCRIPT) } }
        div id="problems" role="alert" {}
        main.labelling {
            (task())
            (worth())
        }
        footer { p { (said::KEPT) } p id="table" {} }
        dialog id="asking" {}
    };
    document(&title, &body, Conduct::Labelling)
}

/// The image and the answers.
fn task() -> Markup {
    html! {
        section id="task" aria-labelledby="task-head" {
            h2.said id="task-head" { (said::TASK) }
            div.stage id="stage" { img id="large" alt="" hidden; p.nothing id="nothing" {} }
            p.name id="name" {}
            p.why id="why" {}
            div.row id="guess" {}
            div id="grid" hidden aria-label=(said::GRID) role="group" {}
            h3.said { (said::CLASSES) }
            div.classes id="classes" {}
            div.row id="naming" {}
            div.row id="actions" {}
            p.status id="status" role="status" {}
            div id="near" hidden { h3 { (said::NEAR) } div.tiles {} }
        }
    }
}

/// What the labels are worth, and what is done with them.
fn worth() -> Markup {
    html! {
        div.side {
            section id="worth" aria-labelledby="worth-head" {
                h2 id="worth-head" { (said::WORTH) }
                dl id="accuracies" {}
                p id="prospect" {}
                figure id="curve" hidden {
                    svg viewBox="0 0 360 190" role="img" aria-label=(said::CURVE) {}
                    figcaption id="legend" {}
                }
                h3 { (said::PER_CLASS) }
                div id="counts" {}
            }
            section id="end" aria-labelledby="end-head" {
                h2 id="end-head" { (said::END) }
                p { (rich(said::END_IS)) }
                p.nothing id="lacking" {}
                div.command { pre id="command" {} }
                div.row id="tuning" {}
                p id="training" role="status" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_its_own_server_alone_and_names_are_no_markup() {
        let page = render(&About { name: "<b>\"pets\"" });
        assert!(page.contains("Label &lt;b&gt;&quot;pets&quot;") && !page.contains("<b>\"pets"), "{page}");
        for part in ["default-src 'none'", "connect-src 'self'", "img-src 'self' data:", "role=\"alert\""] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("innerHTML"));
    }
}
