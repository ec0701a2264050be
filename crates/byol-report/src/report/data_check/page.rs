//! The page of a look at labelled data: the images of every finding, most suspicious first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::super::html::{Conduct, document};
use super::super::language::data_check as said;
use crate::data::corrections::Answer;
use crate::run::data_check::{DataCheck, Finding, LabelledImage};

/// Images that a page shows at most: some 10 MB.
const MOST_IMAGES: usize = 2000;
/// Images of one finding that are shown at most.
const MOST_OF_ONE: usize = 12;

/// A page that holds everything it shows and asks nothing of the network. `small` gives an image as a small JPEG by
/// [`LabelledImage::index`]; one that it has not is named without being shown.
pub fn render(check: &DataCheck, small: &dyn Fn(usize) -> Option<Vec<u8>>) -> String {
    let image = |image: &LabelledImage, _: &Finding| {
        html! {
            figure {
                @match small(image.index) {
                    Some(bytes) => { img src={ "data:image/jpeg;base64," (STANDARD.encode(bytes)) } alt=(image.image); }
                    None => { span.nothing { (said::NOT_SHOWN) } }
                }
                (caption(image))
            }
        }
    };
    let findings = list(check, "suspects", &image);
    let body = html! {
        (header(check, said::LEAD, None))
        main { (findings) }
        footer { p { (said::made_by(check)) } }
    };
    document(&said::title(check), &body, Conduct::Still)
}

/// What the page that is answered needs beside the findings.
pub(crate) struct Asked<'a> {
    /// Names of the classes.
    pub classes: &'a [String],
    /// Images that were answered before.
    pub answered: &'a [Answered],
}

/// An image that was answered before.
pub(crate) struct Answered {
    pub image: LabelledImage,
    pub answer: Answer,
}

/// The page whose images are answered, by its own server, which gives them as `/image/INDEX`.
pub(crate) fn render_asking(check: &DataCheck, asked: &Asked<'_>) -> String {
    let image = |image: &LabelledImage, finding: &Finding| {
        let likely = match finding {
            Finding::WrongLabel { likely, .. } => Some(likely.as_str()),
            _ => None,
        };
        asked_figure(image, likely, &caption(image))
    };
    let words: serde_json::Map<String, serde_json::Value> =
        said::WORDS.iter().map(|&(name, words)| (name.to_owned(), words.into())).collect();
    let body = html! {
        (header(check, said::ASKED, Some(said::KEYS)))
        main data-words=(serde_json::Value::Object(words)) data-classes=(serde_json::json!(asked.classes)) {
            (list(check, "suspects asked", &image))
            @if !asked.answered.is_empty() {
                section aria-labelledby="answered" {
                    h2 id="answered" { (said::ANSWERED) }
                    div.suspects.asked {
                        @for one in asked.answered {
                            @let said = html! { figcaption { (said::answered(&one.image.class, &one.answer)) br; (one.image.image) } };
                            (asked_figure(&one.image, None, &said))
                        }
                    }
                }
            }
            div.bar {
                p.standing role="status" {}
                button type="button" data-undo { (said::UNDO) }
            }
            dialog id="asking" {}
        }
        footer { p { (said::made_by(check)) } }
    };
    document(&said::title(check), &body, Conduct::Answering)
}

fn asked_figure(image: &LabelledImage, likely: Option<&str>, caption: &Markup) -> Markup {
    html! {
        figure tabindex="0" data-image=(image.index) data-class=(image.class) {
            img src={ "/image/" (image.index) } alt=(image.image) loading="lazy";
            (caption)
            div.answers {
                button type="button" aria-pressed="false" data-gives="keep" { (said::KEEP) }
                @if let Some(likely) = likely { button type="button" aria-pressed="false" data-gives="change" data-label=(likely) { (said::change_to(likely)) } }
                button type="button" aria-pressed="false" data-another { (said::ANOTHER) }
                button type="button" aria-pressed="false" data-gives="drop" { (said::DROP) }
            }
        }
    }
}

fn header(check: &DataCheck, lead: &str, keys: Option<&str>) -> Markup {
    html! {
        header {
            p.over { (said::OVER) }
            h1 { (said::title(check)) }
            p.verdict { (said::closing(check)) }
            p { (lead) }
            @if let Some(keys) = keys { p { (keys) } }
        }
    }
}

fn caption(image: &LabelledImage) -> Markup {
    html! { figcaption { b { (image.class) } br; (image.image) @if image.test { br; (said::TEST) } } }
}

fn list(check: &DataCheck, kind: &str, figure: &dyn Fn(&LabelledImage, &Finding) -> Markup) -> Markup {
    let (mut left, mut without) = (MOST_IMAGES, 0);
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { (said::FINDINGS) }
            ol.findings {
                @for finding in &check.findings {
                    @let images = finding.images();
                    @let shown = images.len().min(MOST_OF_ONE).min(left);
                    @if shown == 0 && !images.is_empty() {
                        @let () = without += 1;
                    } @else {
                        li.one[images.len() == 1] {
                            p { (said::finding(finding)) }
                            @if shown > 0 { div class=(kind) { @for image in &images[..shown] { (figure(image, finding)) } } }
                            @if shown < images.len() { p.nothing { (said::not_shown(images.len() - shown)) } }
                        }
                    }
                    @let () = left -= shown;
                }
            }
            @if without > 0 { p { (said::without_images(without)) } }
        }
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
    fn the_page_that_is_answered_offers_the_classes() {
        let mut check = check();
        check.classes[1] = "\"d\" <i>og".to_owned();
        let answered = [Answered { image: image(77, "cat", false), answer: Answer::Drop }];
        let page = render_asking(&check, &Asked { classes: &check.classes, answered: &answered });
        for part in [
            "<img src=\"/image/3\"",
            "<img src=\"/image/77\"",
            "data-gives=\"change\" data-label=\"a &quot;dog&quot;, large\"",
            "\\&quot;d\\&quot; &lt;i&gt;og&quot;",
            "connect-src 'self'",
            "img-src 'self' data:",
            said::KEYS,
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<i>"));
    }

    #[test]
    fn what_is_too_much_for_a_page_is_counted() {
        let wrong = |index| Finding::WrongLabel {
            image: image(index, "cat", false),
            likely: "dog".to_owned(),
            own_probability: 0.1,
            likely_probability: 0.8,
        };
        let alone = Finding::SmallClass { class: "lynx".to_owned(), images: 1 };
        let findings = (0..MOST_IMAGES + 30).map(wrong).chain([alone]).collect();
        let check = DataCheck { findings, ..check() };
        for page in [
            render(&check, &|_| Some(Vec::new())),
            render_asking(&check, &Asked { classes: &check.classes, answered: &[] }),
        ] {
            assert_eq!(page.matches("<img").count(), MOST_IMAGES);
            let listed = page.matches("<li>").count() + page.matches("<li class").count();
            assert_eq!(listed, MOST_IMAGES + 1, "what has no image is told still");
            assert!(page.contains("30 more findings are not on this page"));
        }
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
