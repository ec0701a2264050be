//! The report and the live page in a real browser: Chromium without a window, driven as a reader drives it.
//!
//! Chromium or Chrome is found on the path, or where `CHROME` says.
#![cfg(unix)]

#[path = "browser/answers.rs"]
mod answers;
#[path = "browser/labelling.rs"]
mod labelling;
#[path = "browser/page.rs"]
mod page;
#[path = "labelling/served.rs"]
mod served;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use headless_chrome::browser::tab::ModifierKey;
use headless_chrome::protocol::cdp::Emulation;
use headless_chrome::protocol::cdp::Input::DispatchMouseEventTypeOption as Mouse;

use page::{Page, Running};

/// A whole comparison in a few seconds, long enough for a curve.
const SETTINGS: [&str; 12] = [
    "image_size=16",
    "width=0.0625",
    "labels_per_class=[2]",
    "draws=2",
    "pretrain.epochs=4",
    "pretrain.batch_size=512",
    "pretrain.monitor_every=1",
    "pretrain.stop_on_collapse=false",
    "supervised.epochs=60",
    "supervised.minimum_steps=60",
    "finetune.epochs=60",
    "finetune.minimum_steps=60",
];

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn training(out: &Path) -> Command {
    let mut command = program(&["run", "--data", "patterns", "--preset", "demo", "--quiet", "--device", "cpu"]);
    command.args(["--precision", "fp32", "--out"]).arg(out);
    for pair in SETTINGS {
        command.args(["--set", pair]);
    }
    command
}

/// A finished run, made once.
fn finished() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, run) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("first");
        let output = training(&run).output().expect("the program can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (folder, run)
    });
    run
}

/// The values that stand at the x axis of a chart.
fn ticks(page: &Page, chart: &str) -> Vec<f64> {
    page.ask(&format!(
        "[...document.querySelector({chart:?}).querySelectorAll('.plot > svg > text.tick[text-anchor=middle]')] \
         .map((text) => Number(text.textContent))"
    ))
}

#[test]
fn charts_zoom_and_tell_their_figures() {
    let page = Page::open(&format!("file://{}", finished().join("report.html").display()));
    let chart = "#training .chart";
    let whole = ticks(&page, chart);
    assert_eq!((whole[0], *whole.last().unwrap()), (0.0, 60.0), "{whole:?}");

    // By keyboard.
    page.focus("#training .plot");
    page.press("+");
    page.press("+");
    let near = ticks(&page, chart);
    assert!(near[0] > 15.0 && *near.last().unwrap() < 45.0, "{near:?}");
    let said: String = page.ask("document.querySelector('#training .chart [role=status]').textContent");
    assert!(said.starts_with("epoch from "), "{said}");
    page.tab.press_key_with_modifiers("ArrowRight", Some(&[ModifierKey::Shift])).unwrap();
    assert!(ticks(&page, chart)[0] > near[0], "shift and an arrow move the part shown");
    page.press("0");
    assert_eq!(ticks(&page, chart), whole);
    page.press("Home");
    page.press("ArrowRight");
    let said: String = page.ask("document.querySelector('#training .chart [role=status]').textContent");
    assert!(said.starts_with("epoch 2; baseline, training: ") && said.contains("fine-tuning, training"), "{said}");

    // By mouse: what is dragged over is shown.
    let (x, y) = page.inside("#training .plot svg", 0.4, 0.5);
    let (to, _) = page.inside("#training .plot svg", 0.6, 0.5);
    page.mouse(Mouse::MouseMoved, x, y);
    assert!(page.holds("!document.querySelector('#training .tip').hidden && document.querySelector('#training .tip').textContent.includes('epoch')"));
    page.mouse(Mouse::MousePressed, x, y);
    page.mouse(Mouse::MouseMoved, to, y);
    page.mouse(Mouse::MouseReleased, to, y);
    let dragged = ticks(&page, chart);
    assert!(dragged[0] >= 15.0 && *dragged.last().unwrap() <= 45.0, "{dragged:?}");
    assert!(page.holds("document.querySelector('#training .plot').classList.contains('zoomed')"));
    page.click("#training .tools button[aria-label='Show the whole chart']");
    assert_eq!(ticks(&page, chart), whole);

    // The wheel scrolls the page until the chart has the focus.
    page.ask::<bool>("(document.activeElement.blur(), true)");
    let (x, y) = page.inside("#training .plot svg", 0.5, 0.5);
    page.send(Mouse::MouseWheel, x, y, None, Some(-300.0));
    assert_eq!(ticks(&page, chart), whole);
    page.focus("#training .plot");
    let (x, y) = page.inside("#training .plot svg", 0.5, 0.5);
    page.send(Mouse::MouseWheel, x, y, None, Some(-300.0));
    page.wait_for("document.querySelector('#training .plot').classList.contains('zoomed')");
    page.press("0");

    // As a table; and without one of its series.
    page.click("#training .tools button[aria-label='Show the figures as a table']");
    assert_eq!(
        page.ask::<usize>("document.querySelectorAll('#training .chart:first-child .figures tbody tr').length"),
        60
    );
    assert_eq!(page.ask::<usize>("document.querySelector('#training .figures thead tr').children.length"), 3);
    let lines = "document.querySelectorAll('#training .chart')[0].querySelectorAll('.plot polyline').length";
    let before: usize = page.ask(lines);
    page.click("#training .legend button");
    assert_eq!(page.ask::<usize>(lines), before - 1);
    assert!(page.holds("document.querySelector('#training .legend button').getAttribute('aria-pressed') === 'false'"));
    page.assert_no_problems();
}

#[test]
fn a_cell_opens_its_images_and_the_map_its_neighbours() {
    let page = Page::open(&format!("file://{}", finished().join("report.html").display()));
    // Of all cells one is reached by the tabulator, the others by arrows.
    assert_eq!(
        page.ask::<usize>("document.querySelector('.matrix').querySelectorAll('button[tabindex=\"0\"]').length"),
        1
    );
    page.focus(".matrix td button");
    let first: String = page.ask("document.activeElement.getAttribute('aria-label')");
    page.press("ArrowDown");
    let cell: String = page.ask("document.activeElement.getAttribute('aria-label')");
    assert!(cell.contains(" taken for ") && cell != first, "{cell}");
    page.press("Enter");
    page.wait_for("document.querySelector('dialog')?.open");
    let (truth, taken) = cell.split_once(':').unwrap().0.split_once(" taken for ").unwrap();
    let head: String = page.ask("document.querySelector('dialog').textContent");
    assert!(head.contains(&format!("True class: {truth}. Predicted: {taken}.")), "{head}");
    let shown: usize = page.ask("document.querySelectorAll('dialog canvas').length");
    assert!((1..=12).contains(&shown), "{shown}");
    let painted = "(() => { const c = document.querySelector('dialog canvas'); \
                   const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
                   return new Set(p).size > 8; })()";
    page.wait_for(painted);
    page.press("Escape");
    page.wait_for("!document.querySelector('dialog')");
    assert_eq!(page.ask::<String>("document.activeElement.getAttribute('aria-label')"), cell, "the focus comes back");

    let chosen = || page.ask::<String>("document.querySelector('.chosen h3').textContent");
    assert_eq!(chosen(), "Test image 0");
    let near: usize = page.ask("document.querySelectorAll('.near button').length");
    assert_eq!(near, 6);
    let label: String = page.ask("document.querySelector('.near button').getAttribute('aria-label')");
    page.focus(".near button");
    page.press("Enter");
    assert!(label.to_lowercase().starts_with(&format!("{},", chosen().to_lowercase())), "{label}, {}", chosen());
    page.focus(".map .plot");
    let before = chosen();
    page.press("ArrowLeft");
    if chosen() == before {
        page.press("ArrowRight");
    }
    assert_ne!(chosen(), before);
    let pixels = "document.querySelector('.map canvas').toDataURL()";
    let whole: String = page.ask(pixels);
    page.press("+");
    let zoomed: String = page.ask(pixels);
    assert_ne!(whole, zoomed);
    page.click(".map .tools input");
    assert_ne!(page.ask::<String>(pixels), zoomed, "images stand in place of the points");
    page.click(".map .tools input");
    page.press("0");
    page.click(".map .legend button");
    assert!(page.holds("document.querySelector('.map .legend button').getAttribute('aria-pressed') === 'false'"));
    // A click takes the image under it.
    page.click(".map .legend button");
    let (x, y) = page.inside(".map canvas", 0.5, 0.5);
    for step in 0..60 {
        let before = chosen();
        let aside = f64::from(step) * 4.0 - 120.0;
        page.mouse(Mouse::MousePressed, x + aside, y);
        page.mouse(Mouse::MouseReleased, x + aside, y);
        if chosen() != before {
            page.assert_no_problems();
            return;
        }
    }
    panic!("no image could be clicked at");
}

#[test]
fn the_page_says_what_is_wrong_what_words_mean_and_what_to_do_next() {
    let page = Page::open(&format!("file://{}", finished().join("report.html").display()));
    // Wrong answers: each with what it is, what it was taken for, and its image.
    let wrong: usize = page.ask("document.querySelectorAll('.mistakes > li').length");
    let said: String = page.ask("document.querySelector('#mistakes p').textContent");
    assert!((1..=100).contains(&wrong) && said.contains(" wrongly. "), "{wrong}: {said}");
    let sure: Vec<f64> = page.ask(
        "[...document.querySelectorAll('.mistakes > li')].map((item) => Number(item.textContent.match(/([\\d.]+)% sure/)[1]))",
    );
    assert!(sure.is_sorted_by(|a, b| a >= b), "the surest first: {sure:?}");
    assert!(page.holds(
        "[...document.querySelectorAll('.mistakes > li')].every((item) => item.querySelectorAll('b').length === 2 && \
         item.querySelectorAll('b')[0].textContent !== item.querySelectorAll('b')[1].textContent)"
    ));
    page.wait_for("document.querySelector('.mistakes canvas')");

    // Advice: three pieces at most, each with commands that can be copied.
    let advised: usize = page.ask("document.querySelectorAll('#next ol.next > li').length");
    assert!((1..=3).contains(&advised), "{advised}");
    let commands: Vec<String> = page.ask("[...document.querySelectorAll('#next pre')].map((pre) => pre.textContent)");
    assert!(commands.len() >= advised && commands.iter().any(|command| command.starts_with("byol ")), "{commands:?}");
    assert_eq!(page.ask::<usize>("document.querySelectorAll('#next button.copy').length"), commands.len());

    // The words of the page are explained where a reader opens them.
    let glossary = "[...document.querySelectorAll('details')].find((part) => part.querySelector('dl, dt'))";
    assert!(page.holds(&format!("!{glossary}.open")));
    page.ask::<bool>(&format!("({glossary}.querySelector('summary').focus(), true)"));
    page.press("Enter");
    page.wait_for(&format!("{glossary}.open"));
    let explained: Vec<String> =
        page.ask(&format!("[...{glossary}.querySelectorAll('dt')].map((word) => word.textContent)"));
    for word in ["Baseline", "Point"] {
        assert!(explained.iter().any(|found| found == word), "{word}: {explained:?}");
    }
    page.assert_no_problems();
}

#[test]
fn the_page_suits_the_dark_narrow_screens_and_readers_without_scripts() {
    let page = Page::open(&format!("file://{}", finished().join("report.html").display()));
    let light = "(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number); return r + g + b; })()";
    page.scheme("light");
    page.wait_for(&format!("{light} > 600"));
    let map: String = page.ask("document.querySelector('.map canvas').toDataURL()");
    page.scheme("dark");
    page.wait_for(&format!("{light} < 150"));
    page.wait_for(&format!("document.querySelector('.map canvas').toDataURL() !== {map:?}"));

    page.resize(390);
    page.ask::<bool>("(document.querySelectorAll('details').forEach((part) => { part.open = true; }), true)");
    let wide: Vec<String> = page.ask(
        "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 391 && \
         !e.closest('.wide, pre, dialog, [hidden]') && !e.closest('svg')).map((e) => e.outerHTML.slice(0, 90))",
    );
    assert!(wide.is_empty(), "wider than the screen: {wide:#?}");
    assert!(page.holds("document.documentElement.scrollWidth <= 390"), "the page scrolls sideways");
    // What is wider than its place scrolls, and shows that it does: shadows that stay while their covers scroll.
    let is_cut = "[...document.querySelectorAll('main *')].filter((e) => e instanceof HTMLElement && e.checkVisibility() && \
                  e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible' && \
                  !e.matches('.said'))";
    assert!(page.ask::<usize>(&format!("{is_cut}.length")) > 0, "the widest tables scroll");
    let unmarked: Vec<String> = page.ask(&format!(
        "{is_cut}.filter((e) => !getComputedStyle(e).backgroundAttachment.includes('local')).map((e) => e.outerHTML.slice(0, 90))"
    ));
    assert!(unmarked.is_empty(), "cut without a sign: {unmarked:#?}");
    // All views of an image are on the screen, those with t and those with t′.
    let views: Vec<(f64, f64)> = page.ask(
        "[...document.querySelectorAll('#views img')].map((image) => image.getBoundingClientRect()).map((box) => [box.right, box.width])",
    );
    assert!(!views.is_empty() && views.iter().all(|&(right, width)| right <= 390.0 && width > 40.0), "{views:?}");
    // The accuracies are on the screen, without scrolling the table.
    let cut: Vec<String> = page.ask(
        "[...document.querySelectorAll('table.results td')].filter((cell) => cell.checkVisibility() && \
         (cell.getBoundingClientRect().right > 390 || cell.getBoundingClientRect().width === 0)).map((cell) => cell.outerHTML)",
    );
    assert!(cut.is_empty(), "{cut:#?}");
    // Everything that can be touched has a name.
    let nameless: Vec<String> = page.ask(
        "[...document.querySelectorAll('button, [tabindex], input')].filter((e) => !e.textContent.trim() && \
         !e.getAttribute('aria-label') && !e.closest('label')).map((e) => e.outerHTML)",
    );
    assert!(nameless.is_empty(), "{nameless:#?}");
    page.assert_no_problems();

    page.tab.call_method(Emulation::SetScriptExecutionDisabled { value: true }).unwrap();
    page.tab.reload(true, None).unwrap();
    page.tab.wait_until_navigated().unwrap();
    page.wait_for("document.querySelectorAll('#training svg polyline').length >= 4");
    assert!(page.holds("document.querySelectorAll('.tools').length === 0"), "nothing is offered that does not work");
    assert!(page.holds("document.querySelector('#map svg path.dots').getAttribute('d').length > 100"));
}

#[test]
fn runs_are_chosen_on_a_page_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("both.html");
    let second = folder.path().join("second");
    std::fs::create_dir_all(second.join("gallery")).unwrap();
    for name in ["config.toml", "metrics.jsonl", "predictions.jsonl", "summary.json"] {
        std::fs::copy(finished().join(name), second.join(name)).unwrap();
    }
    let output = program(&["report", "--out"]).arg(&page).arg(finished()).arg(&second).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = Page::open(&format!("file://{}", page.display()));
    let lines =
        "[...document.querySelectorAll('#overview .plot')].map((plot) => plot.querySelectorAll('polyline').length)";
    let before: Vec<usize> = page.ask(lines);
    assert!(before.len() >= 6 && before.iter().all(|&lines| lines == 2), "{before:?}");
    page.focus(".choice input[data-shows='1']");
    page.press(" ");
    let after: Vec<usize> = page.ask(lines);
    assert!(after.iter().all(|&lines| lines == 1), "{after:?}");
    assert_eq!(page.ask::<String>("document.querySelector('.choice [role=status]').textContent"), "1 of 2 runs shown");
    assert!(page.holds("document.querySelector('#run-2').checkVisibility() === false && document.querySelector('#run-1').checkVisibility()"));
    assert_eq!(
        page.ask::<usize>(
            "[...document.querySelectorAll('#overview tbody tr')].filter((row) => row.checkVisibility()).length"
        ),
        1
    );
    page.press(" ");
    assert_eq!(page.ask::<Vec<usize>>(lines), before);
    page.assert_no_problems();
}

#[test]
fn the_live_page_follows_a_run_from_before_its_beginning_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("live");
    let mut watch = program(&["watch", "--port", "0", "--json"]);
    let mut watch = Running(watch.arg(&run).stdout(Stdio::piped()).spawn().expect("the program can be started"));
    let mut line = String::new();
    BufReader::new(watch.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = event["address"].as_str().unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let page = Page::open(address);
    page.wait_for("document.querySelector('.live .state').textContent === 'waiting'");
    assert!(page.holds("document.body.textContent.includes('live has not started yet')"));

    let mut command = training(&run);
    // Long enough to be watched.
    command.args(["--set", "supervised.epochs=400", "--set", "draws=1"]).stdout(Stdio::null());
    let mut trained = Running(command.spawn().expect("the program can be started"));
    page.follow(&mut trained, r"/^step \d+ of \d+, about .+ left of the whole: baseline/.test(document.querySelector('.live .text').textContent)");
    page.follow(&mut trained, "document.querySelector('#training .plot')");
    // What a reader has zoomed into stays while the curve grows.
    page.focus("#training .plot");
    page.press("+");
    let last = "JSON.parse(document.querySelector('#training .chart > script')?.textContent ?? '{}').series?.[0].x.at(-1) ?? 0";
    page.wait_for("document.querySelector('#training .plot').classList.contains('zoomed')");
    let revision = "Number(document.querySelector('.live').dataset.revision)";
    let before: u64 = page.ask(revision);
    page.follow(&mut trained, &format!("{revision} > {before} + 1"));
    assert!(page.holds("document.querySelector('#training .plot').classList.contains('zoomed')"), "the zoom was lost");
    assert!(page.holds("document.activeElement.matches('#training .plot')"), "the focus was lost");
    // Nor does the focus go elsewhere when more sections stand before the one that has it.
    page.focus("nav a[href='#training']");
    page.follow(&mut trained, "document.querySelector(\"nav a[href='#pretraining']\")");
    assert_eq!(page.ask::<String>("document.activeElement.getAttribute('href') ?? ''"), "#training");
    // The page asks once a second, so a stage that is shorter than that may be over when it asks again.
    page.follow(
        &mut trained,
        "(() => { const text = document.querySelector('.live .text').textContent; return text !== '' && !text.includes(': baseline'); })()",
    );
    page.follow(&mut trained, "document.querySelector('.live .state').textContent === 'finished'");
    assert!(trained.0.wait().unwrap().success());
    page.wait_for("document.querySelectorAll('#map canvas').length > 0 && document.querySelectorAll('.matrix td button').length > 0");
    page.wait_for("document.querySelectorAll('#pretraining .plot').length > 0");
    assert!(page.ask::<u64>(last) >= 400);
    assert_eq!(page.ask::<String>("document.querySelector('.live [role=status]').textContent"), "live: finished");
    page.assert_no_problems();
    drop(page);

    let interrupt = Command::new("kill").args(["-INT", &watch.0.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
}
