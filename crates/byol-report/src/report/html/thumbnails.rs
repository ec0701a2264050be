//! Thumbnails of test images, once on the page, for everything that shows them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::json;

use super::super::chart::data;
use super::super::load::RunData;

/// The number of the thumbnail of each test image that has one.
pub(super) fn numbers(run: &RunData) -> Option<BTreeMap<usize, usize>> {
    let images = &run.thumbnails.as_ref()?.about.images;
    Some(images.iter().enumerate().map(|(number, &image)| (image, number)).collect())
}

/// The sheets, which only the page's script looks at, under the name `id`.
pub(super) fn sheets(run: &RunData, id: &str) -> Markup {
    let Some(found) = &run.thumbnails else { return html! {} };
    let label = |&image: &usize| run.test_labels().and_then(|labels| labels.get(image)).copied();
    let file = |&image: &usize| run.test_image(image);
    let root = run.test_images.as_ref().filter(|images| images.files).and_then(|images| images.root.as_deref());
    let classes: Vec<String> = (0..run.classes().unwrap_or(0))
        .map(|class| u16::try_from(class).map_or_else(|_| class.to_string(), |class| run.class_name(class)))
        .collect();
    html! {
        div hidden data-sheets=(id) {
            (data(&json!({
                "side": found.about.side,
                "columns": found.about.columns,
                "per_sheet": found.about.per_sheet,
                "images": found.about.images,
                "labels": found.about.images.iter().map(label).collect::<Vec<_>>(),
                "classes": classes,
                "files": found.about.images.iter().map(file).collect::<Vec<_>>(),
                "root": root,
            })))
            @for sheet in &found.sheets {
                img alt="" src={ "data:image/jpeg;base64," (STANDARD.encode(sheet)) };
            }
        }
    }
}
