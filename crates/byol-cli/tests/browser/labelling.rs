//! Images are labelled in a browser as a person would: by keyboard, with mistakes, a server that dies, and training at the end.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use super::page::Page;
use super::served::{Served, drawn, labelling, pretrained, table};

const NAME: &str = "(document.getElementById('name')?.textContent ?? '')";
const IDLE: &str = "document.body?.classList.contains('sending') === false";

/// A port that is free, to be used again and again.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn begun(photos: &Path, port: &str) -> Served {
    labelling(photos, pretrained(), &["--port", port, "--classes", "red,green,blue", "--test-share", "0.2"])
}

fn labels(photos: &Path) -> BTreeMap<String, String> {
    table(&photos.join("labels.csv")).into_iter().map(|[path, label, _]| (path, label)).collect()
}

/// The image that is asked for, once there is one.
fn asked(page: &Page) -> String {
    page.wait_for(&format!("{NAME} !== '' && {IDLE}"));
    page.ask(NAME)
}

/// The class of a drawn image, and its key.
fn class_of(name: &str) -> (String, &'static str) {
    let class = name.split('-').next().unwrap().to_owned();
    let key = match class.as_str() {
        "red" => "1",
        "green" => "2",
        _ => "3",
    };
    (class, key)
}

/// Presses the key of the image that is shown, and waits for the next.
fn answer(page: &Page, expected: &mut BTreeMap<String, String>) -> String {
    let name = asked(page);
    let (class, key) = class_of(&name);
    page.press(key);
    page.wait_for(&format!("{NAME} !== {name:?} && {NAME} !== '' && {IDLE}"));
    expected.insert(name.clone(), class);
    name
}

#[test]
fn thirty_images_are_labelled_by_keyboard_through_undoing_reloading_and_a_killed_server() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    drawn(&photos, 60);
    let port = free_port();
    let mut expected = BTreeMap::new();
    let server = begun(&photos, &port);
    let page = Page::open(server.address());
    page.wait_for("document.getElementById('large').naturalWidth > 0");
    assert_eq!(
        page.ask::<Vec<String>>("[...document.querySelectorAll('#classes button span')].map((e) => e.textContent)"),
        ["red", "green", "blue"]
    );
    for _ in 0..12 {
        answer(&page, &mut expected);
    }
    assert_eq!(labels(&photos), expected);

    // Back by three, one of them answered wrongly; the images come again, the last first.
    let order: Vec<String> = table(&photos.join("labels.csv")).into_iter().map(|[path, ..]| path).collect();
    for name in order.iter().rev().take(3) {
        page.press("Backspace");
        page.wait_for(&format!("{NAME} === {name:?} && {IDLE}"));
        expected.remove(name);
        assert_eq!(labels(&photos), expected);
    }
    for _ in 0..3 {
        answer(&page, &mut expected);
    }
    // Skipped, of no class, and a look at the neighbours.
    let skipped = asked(&page);
    page.press("ArrowDown");
    page.wait_for("document.querySelectorAll('#near img').length === 12");
    page.press("ArrowRight");
    page.wait_for(&format!("{NAME} !== {skipped:?} && {IDLE}"));
    assert!(page.holds("document.getElementById('near').hidden"));
    let none = asked(&page);
    page.press("-");
    page.wait_for(&format!("{NAME} !== {none:?} && {IDLE}"));
    assert!(page.holds("document.getElementById('progress').textContent.includes('1 of no class, 1 skipped')"));

    // A new class by its name, whose markup is none.
    page.press("+");
    page.wait_for("document.getElementById('asking').open");
    page.tab.type_str("<b>\"odd\"</b>").unwrap();
    page.press("Enter");
    page.wait_for("document.querySelectorAll('#classes button span').length === 4");
    assert_eq!(
        page.ask::<String>("document.querySelectorAll('#classes button span')[3].textContent"),
        "<b>\"odd\"</b>"
    );
    page.assert_no_problems();

    // A reloaded page asks for the same image.
    let before = asked(&page);
    page.tab.reload(true, None).unwrap();
    page.tab.wait_until_navigated().unwrap();
    assert_eq!(asked(&page), before);
    while expected.len() < 20 {
        answer(&page, &mut expected);
    }
    assert_eq!(labels(&photos), expected);
    page.assert_no_problems();

    // The server is killed. What is pressed meanwhile is written once it is there again.
    server.kill();
    let name = asked(&page);
    let (class, key) = class_of(&name);
    page.press(key);
    page.wait_for("document.getElementById('standing').textContent.includes('does not answer')");
    page.press("1");
    page.press("2");
    assert_eq!(labels(&photos), expected);
    let server = begun(&photos, &port);
    expected.insert(name.clone(), class);
    page.wait_for(&format!(
        "document.getElementById('standing').textContent === '' && {NAME} !== {name:?} && {NAME} !== ''"
    ));
    assert_eq!(labels(&photos), expected);
    page.forget_problems();
    while expected.len() < 30 {
        answer(&page, &mut expected);
    }
    assert_eq!(labels(&photos), expected, "exactly the answers");
    assert!(table(&photos.join("labels.csv")).iter().any(|[_, _, split]| split == "test"));
    page.wait_for("document.querySelectorAll('#accuracies .interval').length === 2");

    // Undoing goes back beyond the restart.
    page.press("Backspace");
    page.wait_for(&format!("document.getElementById('progress').textContent.startsWith('29 labels') && {IDLE}"));
    let undone = asked(&page);
    expected.remove(&undone);
    assert_eq!(labels(&photos), expected);
    answer(&page, &mut expected);

    // And then it trains, from the page.
    let command: String = page.ask("document.getElementById('command').textContent");
    assert!(command.starts_with("byol finetune --from ") && command.ends_with(" --labels-per-class all"), "{command}");
    page.click("#tuning button");
    page.wait_for("document.querySelector('#tuning a[href=\"/report\"]')");
    assert!(page.holds("document.getElementById('training').textContent.includes('Fine-tuning has ended')"));
    page.assert_no_problems();
    drop(page);
    let report = Page::open(&format!("{}report", server.address()));
    report.wait_for("document.querySelector('table.results')");
    drop(report);
    assert_eq!(labels(&photos), expected);
}

#[test]
fn a_phone_in_the_dark_labels_by_touch_and_several_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    drawn(&photos, 60);
    let server = begun(&photos, "0");
    let page = Page::open(server.address());
    page.resize(390);
    page.scheme("dark");
    let mut expected = BTreeMap::new();
    for _ in 0..16 {
        let name = asked(&page);
        let (class, key) = class_of(&name);
        page.click(&format!("#classes button:nth-child({key})"));
        page.wait_for(&format!("{NAME} !== {name:?} && {NAME} !== '' && {IDLE}"));
        expected.insert(name, class);
    }
    assert_eq!(labels(&photos), expected);

    // The guess, with one key: whatever it is.
    page.wait_for(&format!("document.querySelector('#guess button') || {NAME} === ''"));
    let name = asked(&page);
    let guess: String = page.ask("document.querySelector('#guess button').textContent");
    page.press("Enter");
    page.wait_for(&format!("{NAME} !== {name:?} && {NAME} !== '' && {IDLE}"));
    let accepted = labels(&photos)[&name].clone();
    assert!(guess.contains(&accepted), "{guess}: {accepted}");
    expected.insert(name, accepted);

    // Several images alike, without those that do not belong.
    let name = asked(&page);
    let (class, key) = class_of(&name);
    page.press("ArrowUp");
    page.wait_for("document.querySelectorAll('#grid .tile').length > 1");
    let wrong: usize = page.ask(&format!(
        "[...document.querySelectorAll('#grid .tile')].filter((tile) => !tile.title.startsWith({class:?})).map((tile) => tile.click()).length"
    ));
    let tiles: Vec<String> =
        page.ask("[...document.querySelectorAll('#grid .tile[aria-pressed=true]')].map((tile) => tile.title)");
    assert!(tiles.contains(&name), "{tiles:?}, {wrong}");
    let wide: Vec<String> = page.ask(
        "[...document.querySelectorAll('main *, header *')].filter((e) => e.getBoundingClientRect().right > 391 && \
         !e.closest('svg, pre, #counts')).map((e) => e.outerHTML.slice(0, 90))",
    );
    assert!(wide.is_empty(), "wider than the screen: {wide:#?}");
    page.press(key);
    page.wait_for(&format!("{NAME} !== {name:?} && {IDLE}"));
    expected.extend(tiles.into_iter().map(|tile| (tile, class.clone())));
    assert_eq!(labels(&photos), expected);
    assert!(page.holds("document.documentElement.scrollWidth <= 390"), "the page scrolls sideways");
    let nameless: Vec<String> = page.ask(
        "[...document.querySelectorAll('button, [tabindex], input')].filter((e) => !e.textContent.trim() && \
         !e.getAttribute('aria-label') && !e.closest('label')).map((e) => e.outerHTML)",
    );
    assert!(nameless.is_empty(), "{nameless:#?}");
    let light = "(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number); return r + g + b; })()";
    assert!(page.ask::<u32>(light) < 150);
    page.assert_no_problems();
}

#[test]
fn among_many_classes_one_is_found_by_its_name_and_images_that_come_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    drawn(&photos, 24);
    let mut classes: Vec<String> = (0..98).map(|number| format!("class {number}")).collect();
    classes.extend(["bobcat", "cat"].map(str::to_owned));
    let server = labelling(&photos, pretrained(), &["--classes", &classes.join(",")]);
    let page = Page::open(server.address());
    let name = asked(&page);
    page.press("/");
    page.wait_for("document.getElementById('asking').open");
    page.tab.type_str("no such").unwrap();
    page.press("Enter");
    assert!(page.holds("document.getElementById('asking').open"), "a class that is not there is no answer");
    page.press("Escape");
    page.wait_for("!document.getElementById('asking').open");
    page.press("/");
    page.wait_for("document.getElementById('asking').open");
    page.tab.type_str("cat").unwrap();
    page.press("Enter");
    page.wait_for(&format!("{NAME} !== {name:?} && {NAME} !== '' && {IDLE}"));
    assert_eq!(labels(&photos), BTreeMap::from([(name, "cat".to_owned())]), "the name itself before a longer one");

    // On a phone all else is within reach, however many classes there are.
    page.resize(390);
    let below = "document.getElementById('actions').getBoundingClientRect().bottom - document.getElementById('classes').getBoundingClientRect().top";
    assert!(page.ask::<f64>(below) < 800.0);
    assert!(page.holds("document.documentElement.scrollWidth <= 390"));

    drawn(&photos, 26);
    page.wait_for("document.getElementById('progress').textContent.includes('2 added since')");
    assert!(page.holds("document.getElementById('told').textContent.includes('2 images came into the folder')"));
    page.assert_no_problems();
}
