//! A page with small images of files: predictions, neighbours, views. One file that holds everything it shows and asks
//! nothing of the network; an image leads to its file on the machine that has it. What is shown is the caller's choice.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rayon::prelude::*;

use crate::data::decode::{self, Detail};
use crate::data::{Image, Levels};
use crate::gallery::small_jpeg;

/// Longest side of a small image, in pixels.
const SIDE: u32 = 144;
/// Images that a page shows at most: some 10 MB.
pub const MOST_IMAGES: usize = 2000;
/// What a browser allows the page, whatever stands in it.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Written by hand, and free of `<`.
const STYLE: &str = include_str!("page.css");

/// An image file with what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The image file.
    pub path: PathBuf,
    /// The line below it.
    pub caption: String,
    /// A finer line below that; may be empty.
    pub detail: String,
    /// How much of the bar below it is full, 0-1; no bar where there is none.
    pub share: Option<f64>,
}

/// Images that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The line above them.
    pub heading: String,
    /// The images, in the order in which they are shown.
    pub images: Vec<Shown>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The page's title.
    pub title: String,
    /// What nobody may miss, a sentence each.
    pub warnings: Vec<String>,
    /// Sentences below the title.
    pub about: Vec<String>,
    /// The images of the page, group by group.
    pub groups: Vec<Group>,
    /// The stored values that are black and white in images of more than eight bits.
    pub levels: Levels,
}

impl Page {
    /// The page as HTML. An image that cannot be read any more is named without being shown; of more than [`MOST_IMAGES`]
    /// the first are shown, and the rest counted.
    pub fn render(&self) -> String {
        let mut left = MOST_IMAGES;
        let groups: Vec<Markup> = self
            .groups
            .iter()
            .enumerate()
            .map(|(number, group)| {
                let shown = &group.images[..group.images.len().min(left)];
                left -= shown.len();
                let hidden = group.images.len() - shown.len();
                html! {
                    section aria-labelledby={ "group-" (number) } {
                        h2 id={ "group-" (number) } { (group.heading) }
                        div.images { @for figure in figures(shown, self.levels) { (figure) } }
                        @if hidden > 0 { p.more { (hidden) " more are not shown." } }
                    }
                }
            })
            .collect();
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="generator" content="byol";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        @for warning in &self.warnings { p.warning { strong { (warning) } } }
                        @for sentence in &self.about { p { (sentence) } }
                    }
                    main { @for group in &groups { (group) } }
                }
            }
        }
        .into_string()
    }
}

fn figures(shown: &[Shown], levels: Levels) -> Vec<Markup> {
    shown
        .par_iter()
        .map(|shown| {
            let name = shown.path.display().to_string();
            html! {
                figure {
                    a href=(address(&shown.path)) title=(name) {
                        @match small(&shown.path, levels) {
                            Some(image) => {
                                img src={ "data:image/jpeg;base64," (STANDARD.encode(image)) } alt=(name);
                            }
                            None => { span.missing { "cannot be read" } }
                        }
                    }
                    @if let Some(share) = shown.share {
                        div.bar { span style=(format!("width:{:.1}%", 100.0 * share.clamp(0.0, 1.0))) {} }
                    }
                    figcaption {
                        b { (shown.caption) }
                        @if !shown.detail.is_empty() { br; (shown.detail) }
                        br;
                        span.path { (name) }
                    }
                }
            }
        })
        .collect()
}

fn small(path: &Path, levels: Levels) -> Option<Vec<u8>> {
    let mut image = Image::default();
    decode::decode(path, levels, Detail::to_shrink(SIDE as usize), &mut image).ok()?;
    small_jpeg(&image, SIDE).ok()
}

/// The address of a file, `file:///photos/a%20b.png`.
fn address(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut address = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                address.push(char::from(byte))
            }
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_shown_is_in_the_page_and_nothing_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("a <b> #1.png");
        image::RgbImage::from_pixel(300, 100, image::Rgb([10, 200, 30])).save(&image).unwrap();
        let shown = |path: PathBuf| Shown {
            path,
            caption: "<script>alert(1)</script>".to_owned(),
            detail: "dog 20.0 %".to_owned(),
            share: Some(0.25),
        };
        let images = vec![shown(image.clone()), shown(folder.path().join("none.png"))];
        let page = Page {
            title: "2 images".to_owned(),
            warnings: vec!["Do not <rely>.".to_owned(), "Nor on this.".to_owned()],
            about: vec!["One & two".to_owned()],
            groups: vec![Group { heading: "cat".to_owned(), images }],
            levels: Levels::Full,
        };
        let text = page.render();
        assert!(
            !text.contains("<script")
                && text.contains("&lt;script&gt;")
                && text.contains("One &amp; two")
                && text.contains("<p class=\"warning\"><strong>Do not &lt;rely&gt;.</strong></p>")
                && text.contains("<p class=\"warning\"><strong>Nor on this.</strong></p>"),
            "{text}"
        );
        assert!(text.contains("default-src 'none'") && text.contains("width:25.0%") && text.contains("cannot be read"));
        assert!(text.contains("a%20%3Cb%3E%20%231.png") && text.contains("a &lt;b&gt; #1.png"), "{text}");
        let encoded = text.split("data:image/jpeg;base64,").nth(1).unwrap().split('"').next().unwrap();
        let small = image::load_from_memory(&STANDARD.decode(encoded).unwrap()).unwrap().to_rgb8();
        assert_eq!(small.dimensions(), (144, 48));
        assert!(small.get_pixel(70, 20).0.iter().zip([10u8, 200, 30]).all(|(a, b)| a.abs_diff(b) < 6));
    }

    #[test]
    fn a_page_has_an_end() {
        let none = Shown { path: "none.png".into(), caption: String::new(), detail: String::new(), share: None };
        let group = |count| Group { heading: "x".to_owned(), images: vec![none.clone(); count] };
        let page = Page {
            title: "x".to_owned(),
            warnings: Vec::new(),
            about: Vec::new(),
            groups: vec![group(MOST_IMAGES - 1), group(4)],
            levels: Levels::Full,
        };
        let text = page.render();
        assert_eq!(text.matches("<figure>").count(), MOST_IMAGES);
        assert!(text.contains("3 more are not shown."));
    }
}
