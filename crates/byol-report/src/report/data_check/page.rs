//! The page of a look at labelled data: the images of every finding, most suspicious first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::super::html::{Conduct, document};
use super::super::language::data_check as said;
use crate::run::data_check::{DataCheck, Finding, LabelledImage};

/// Images that a page shows at most: some 10 MB.
const MOST_IMAGES: usize = 2000;
/// Images of one finding that are shown at most.
const MOST_OF_ONE: usize = 12;

/// A page that holds everything it shows and asks nothing of the network. `small` gives an image as a small JPEG by
/// [`LabelledImage::index`]; one that it has not is named without being shown.
pub fn render(check: &DataCheck, small: &dyn Fn(usize) -> Option<Vec<u8>>) -> String {
    let title = said::title(check);
    let mut left = MOST_IMAGES;
    let findings: Vec<Markup> = check
        .findings
        .iter()
        .map(|finding| {
            let images = finding.images();
            let shown = images.len().min(MOST_OF_ONE).min(left);
            left -= shown;
            one(finding, &images[..shown], small)
        })
        .collect();
    let body = html! {
        header {
            p.over { (said::OVER) }
            h1 { (title) }
            p.verdict { (said::closing(check)) }
            p { (said::LEAD) }
        }
        main {
            section aria-labelledby="findings" {
                h2 id="findings" { (said::FINDINGS) }
                ol.findings { @for finding in &findings { li { (finding) } } }
            }
        }
        footer { p { (said::made_by(check)) } }
    };
    document(&title, &body, Conduct::Still)
}

fn one(finding: &Finding, shown: &[LabelledImage], small: &dyn Fn(usize) -> Option<Vec<u8>>) -> Markup {
    let hidden = finding.images().len() - shown.len();
    html! {
        p { (said::finding(finding)) }
        @if !shown.is_empty() {
            div.suspects {
                @for image in shown {
                    figure {
                        @match small(image.index) {
                            Some(bytes) => { img src={ "data:image/jpeg;base64," (STANDARD.encode(bytes)) } alt=(image.image); }
                            None => { span.nothing { (said::NOT_SHOWN) } }
                        }
                        figcaption { b { (image.class) } br; (image.image) @if image.test { br; (said::TEST) } }
                    }
                }
            }
        }
        @if hidden > 0 { p.nothing { (said::not_shown(hidden)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, image};
    use super::*;

    #[test]
    fn the_page_shows_every_image_and_runs_nothing() {
        let mut check = check();
        check.classes[0] = "<b>cat</b>".to_owned();
        check.findings.push(Finding::SmallClass { class: "<script>alert(1)</script>".to_owned(), images: 2 });
        let page = render(&check, &|index| (index != 9).then(|| vec![index as u8; 3]));
        for part in [
            "&lt;script&gt;alert(1)",
            &format!("data:image/jpeg;base64,{}", STANDARD.encode([3u8; 3])),
            "cat/3.png",
            "default-src 'none'",
            said::NOT_SHOWN,
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("https:"));
        assert_eq!(page.matches("<img").count(), 7, "eight images, one of which cannot be shown");
    }

    #[test]
    fn of_many_copies_some_are_shown() {
        let images = (0..40).map(|index| image(index, "cat", false)).collect();
        let check = DataCheck { findings: vec![Finding::Repeated { images, exact: false }], ..check() };
        let page = render(&check, &|_| Some(Vec::new()));
        assert_eq!(page.matches("<img").count(), MOST_OF_ONE);
        assert!(page.contains("28 more are not shown"), "{page}");
    }
}
