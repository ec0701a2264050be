//! The page is well-formed, whole, and asks nothing of the network.

use super::super::testing::{Run, Scratch, plan};
use super::super::{load, write, write_comparison};
use super::*;
use crate::data::Decoding;
use crate::plan::Kind;
use crate::report::notes::{ImageProblem, Note};
use crate::run::record::{LabelBudget, PoolRecord, ResultName};

/// Elements that HTML closes by itself.
const VOID: [&str; 5] = ["meta", "br", "img", "link", "input"];

/// Fails unless every element is closed in turn and every attribute quoted.
fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype comes first");
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("every tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "unbalanced quotes in <{tag}>");
        rest = &rest[end + 1..];
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}> closes another element"),
            None => {
                let name = tag.split_whitespace().next().expect("a tag has a name");
                if name == "script" {
                    // What stands in a script is no markup.
                    rest = &rest[rest.find("</script>").expect("every script ends")..];
                }
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn assert_self_contained(page: &str) {
    let shown = without_images(page);
    for outside in ["http:", "https:", "//", "url(", "@import", "<link", "<iframe"] {
        assert!(!shown.contains(outside), "{outside} in the page");
    }
    for script in shown.split("<script").skip(1) {
        assert!(script.starts_with('>') || script.starts_with(" type=\"application/json\">"), "a script from outside");
    }
    for source in page.split("src=\"").skip(1) {
        let inside = ["data:image/png;base64,", "data:image/jpeg;base64,"];
        assert!(inside.iter().any(|start| source.starts_with(start)), "an image from outside");
    }
}

/// The page without its encoded images, which may spell anything.
fn without_images(page: &str) -> String {
    let mut parts = page.split("base64,");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &part[part.find('"').unwrap_or(part.len())..])
}

#[test]
fn the_page_of_a_whole_run() {
    let scratch = Scratch::new();
    let folder = Run::ahead().write(scratch.path());
    let written = write(&folder).expect("a whole run gives a page");
    assert_eq!(written, folder.join("report.html"));
    let page = std::fs::read_to_string(&written).expect("written above");
    assert_well_formed(&page);
    assert_self_contained(&page);
    for section in Section::ALL {
        let id = section.id();
        assert!(page.contains(&format!("<section id=\"{id}\"")), "no section {id}");
    }
    assert!(!page.contains("class=\"nothing\""), "a whole run leaves nothing out");
    for text in [
        "bird &lt;small&gt;",
        "<dt>BYOL</dt><dd>A way of pre-training: ",
        "Largest change: ",
        "0123456789abcdef",
        "Unreadable files left out</dt><dd>2<",
        "--config RUN/config.toml --out RUN-again",
        "1 of these 2 neighbours is of the same class",
        "preset = &quot;made-up&quot;",
        "Guessing among 4 classes gives 25.0%",
        "20 min 34 s",
        "shows 51.0% of the variance",
        // Fine-tuned BYOL with all labels is right on 140 of 200.
        "answered 60 of 200 test images wrongly",
        "The classifier that <code>predict</code> and <code>export</code> take is fine-tuned BYOL with all labels; it is right on 140 of \
         200 test images (70.0%; 95% interval 63.3% to 75.9%).",
        "the highest accuracy in each column is bold",
        "<td class=\"best\">60.0<span class=\"deviation\"> ± 1.0</span></td>",
        "<h3>Pre-train longer</h3>",
        "byol run --resume ",
        "3 labels of 400 training images are suspicious",
        "byol data check ",
        "data-path=\"/home/me/my photos/test/bird/q.jpg\"",
        "Paths are within <code>/home/me/my photos</code>",
    ] {
        assert!(page.contains(text), "no '{text}' in the page");
    }
    // What is said of their number is true of the table.
    assert_eq!(page.matches("<span class=\"test\"").count(), 12);
    assert!(page.contains("The p-values of the 12 McNemar tests under “Every difference with its interval and tests”"));
    assert_eq!(page.matches("data:image/png;base64,").count(), 8);
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 1);
    let left: Vec<_> = std::fs::read_dir(&folder)
        .expect("the run directory")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_a_page_says_in_several_places_agrees() {
    let mut run = Run::ahead();
    // 140 of 200 test images are of one class.
    run.set_labels((0..200).map(|image| if image < 120 { 0 } else { image % 4 }).collect());
    let data = &mut run.summary.as_mut().expect("it has one").data;
    let pool = |name: &str, images| PoolRecord { name: name.to_owned(), images, decoding: Decoding::AtOnce };
    data.unlabeled = vec![pool("train", 80), pool("photos", 4000)];
    let page = render(&[run.data()]).expect("a page");
    // As in the sentence about the classifier that is taken.
    assert!(page.contains("Always answering with the most frequent class gives 70.0%"), "{page}");
    assert!(page.contains("than always answering with the most frequent class (70.0%)"), "{page}");
    assert!(!page.contains("Guessing among"), "one rule, one name");
    // Labelled images among those for pre-training are called so.
    assert!(page.contains("<dd>the 80 labelled training images and 4,000 of photos</dd>"), "{page}");
    // The part that pre-training is watched on is kept from no training with labels.
    assert!(page.contains("trainings with labels learn from that part too"), "{page}");
}

#[test]
fn wrong_answers_are_listed_surest_first_with_their_files() {
    let run = Run::ahead();
    let page = render(&[run.data()]).expect("a page");
    let list = page.split("<ol class=\"mistakes\"").nth(1).and_then(|rest| rest.split("</ol>").next()).expect("a list");
    assert_eq!(list.matches("<li>").count(), 60);
    let record = run
        .predictions
        .iter()
        .find(|record| record.name == ResultName::PRETRAINED_FINETUNED && record.labels_per_class == LabelBudget::All);
    let record = record.expect("answers");
    let wrong: Vec<usize> = (0..200).filter(|&image| record.predicted[image] as usize != image % 4).collect();
    let surest = *wrong.last().expect("some are wrong");
    let first = list.split("</li>").next().expect("an entry");
    assert!(first.contains(&format!("my photos/test/{}/{surest:03}.jpg", surest % 4)), "{first}");
    assert!(first.contains(&format!("{:.1}% sure", 100.0 * record.probabilities[surest])), "{first}");

    // An answer that is 51% sure says nothing about its label.
    let doubts = "the label may be wrong";
    assert!(record.probabilities.iter().all(|&sure| sure < 0.9) && !page.contains(doubts));
    let mut sure = run.data();
    sure.predictions.iter_mut().for_each(|record| record.probabilities.fill(0.9));
    assert!(render(&[sure]).expect("a page").contains(doubts));

    // Nor does a sure answer of a classifier that only guesses: 56 of 200 are 22.2% to 34.6%, and one of four classes is 25.0%.
    let mut guessing = Run::with_accuracies(&[(ResultName::PRETRAINED_FINETUNED, 0.28, 0.28)]).data();
    guessing.predictions.iter_mut().for_each(|record| record.probabilities.fill(0.9));
    let guessed = render(&[guessing]).expect("a page");
    assert!(guessed.contains("answered 144 of 200 test images wrongly") && !guessed.contains(doubts));
    assert!(guessed.contains("so do not rely on its answers"));

    // Earlier runs have neither names nor probabilities.
    let mut earlier = Run::ahead().data();
    earlier.test_images = None;
    earlier.predictions.iter_mut().for_each(|record| record.probabilities.clear());
    let page = render(&[earlier]).expect("a page");
    assert_well_formed(&page);
    assert!(
        page.contains("Fine-tuned BYOL with all labels answered 60 of 200 test images wrongly")
            && page.contains("<span class=\"file\">test image ")
            && !page.contains("% sure")
    );
}

#[test]
fn rows_of_a_confusion_matrix_sum_to_100() {
    let mut run = Run::ahead();
    // Every row holds 50 images in thirds and sixths of its three draws.
    for (record, place) in run.predictions.iter_mut().zip(0..) {
        record.predicted = (0..200).map(|image: u16| (image / 4 + image % 3 + place) % 4).collect();
    }
    let page = render(&[run.data()]).expect("a page");
    let matrices = page.split("<table class=\"matrix\">").skip(1).filter_map(|rest| rest.split("</table>").next());
    let rows: Vec<&str> = matrices.flat_map(|matrix| matrix.split("<tr>").skip(2)).collect();
    assert_eq!(rows.len(), 16, "two classifiers with two budgets of four classes");
    for row in rows {
        let shares = row.split("--share:").skip(1).filter_map(|rest| rest.split('%').next()?.parse::<u64>().ok());
        assert_eq!(shares.sum::<u64>(), 100, "{row}");
    }
}

#[test]
fn what_stands_between_backticks_is_code() {
    let text = rich("take `--classifier knn` with k-NN").into_string();
    assert_eq!(text, "take <code>--classifier knn</code> with k\u{2011}NN");
}

#[test]
fn a_map_of_a_few_images_is_left_out_and_a_single_epoch_stands_beside_the_beginning() {
    let scratch = Scratch::new();
    let mut run = load(&Run::ahead().write(scratch.path())).expect("a whole run");
    assert!(render(std::slice::from_ref(&run)).expect("a page").contains("of the variance"));
    let map = run.map.as_mut().expect("it has one");
    map.images.truncate(9);
    run.metrics.retain(|record| record.epoch == 11);
    let page = render(&[run]).expect("a page");
    assert!(!page.contains("of the variance") && page.contains("would show nothing"));
    let chart = page.split_once("Loss over epochs").expect("a chart").1;
    let figures =
        chart.split("application/json\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("figures");
    let figures: serde_json::Value = serde_json::from_str(figures).expect("JSON");
    assert_eq!((&figures["x"]["range"][0], &figures["x"]["include"]), (&0.0.into(), &serde_json::json!([0.0])));
}

#[test]
fn equal_runs_give_equal_pages() {
    let run = Run::ahead().data();
    assert_eq!(render(std::slice::from_ref(&run)).ok(), render(std::slice::from_ref(&run)).ok());
}

#[test]
fn an_interrupted_run_gives_a_page_that_says_what_is_missing() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    run.summary = None;
    run.gallery = Default::default();
    run.predictions.clear();
    run.metrics.truncate(5);
    let page = std::fs::read_to_string(write(&run.write(scratch.path())).expect("a page")).expect("written above");
    assert_well_formed(&page);
    assert!(page.contains("Unfinished run"));
    assert!(page.contains("So far, no test result of the supervised baseline or of fine-tuned BYOL to compare."));
    // What is not there yet has no card of its own.
    assert_eq!(page.matches("class=\"nothing\"").count(), 2, "results and data have more to say");
    assert!(page.contains("Not recorded yet: Wrong answers, Baseline and fine-tuning, "), "what is missing is named");
    assert!(page.contains("href=\"#pretraining\"") && !page.contains("href=\"#map\""));
}

#[test]
fn a_run_that_goes_on_shows_its_budgets_and_its_time_so_far() {
    let mut run = Run::ahead();
    run.config = format!("labels_per_class = [10, \"all\"]\n{}", run.config);
    run.predictions.clear();
    // Of the baseline with 10 labels per class, one draw: 2,400 images at 400 images/s.
    run.metrics.retain(|record| record.stage == crate::run::record::Stage::Supervised && record.draw == 0);
    run.metrics.retain(|record| record.labels_per_class == Some(LabelBudget::PerClass(10)));
    let summary = run.summary.as_mut().expect("a summary");
    (summary.finished, summary.seconds, summary.pretrain) = (false, 0.0, None);
    summary.results.clear();
    let data = RunData { plan: Some(plan(&[(Kind::Baseline, false), (Kind::Pretrain, false)])), ..run.data() };
    let page = render(&[data]).expect("a page");
    assert_well_formed(&page);
    assert!(page.contains("Pre-training: not started yet; it follows the baseline, for 20 epochs."));
    assert!(page.contains(">all labels</th>"), "a column from the start");
    assert!(page.contains("Total time</dt><dd>6.0 s<"));
}

#[test]
fn a_run_without_summary_but_with_results_gives_a_page() {
    let mut run = Run::ahead();
    run.summary = None;
    run.drop_arm(ResultName::PRETRAINED_KNN);
    let page = render(&[run.data()]).expect("a page");
    assert_well_formed(&page);
    assert!(page.contains("60.0<span class=\"deviation\"> ± 1.0</span>") && page.contains("no interval"));
}

#[test]
fn several_runs_share_a_page() {
    let scratch = Scratch::new();
    let folder = Run::ahead().write(scratch.path());
    let page = scratch.path().join("both.html");
    write_comparison(&[&folder, &folder], &page).expect("a page");
    let page = std::fs::read_to_string(page).expect("written above");
    assert_well_formed(&page);
    assert_self_contained(&page);
    assert!(page.contains("2 runs compared") && page.contains("40.0 → 60.0"));
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 1, "equal images stand once");
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| &rest[..rest.find('"').unwrap_or(0)]).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    assert!(matches!(render(&[]), Err(ReportError::NoRuns)));
}

#[test]
fn images_that_do_not_belong_to_the_test_images_are_left_out() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    run.set_labels(vec![0; 150]);
    let folder = run.write(scratch.path());
    let data = load(&folder).expect("the rest can be read");
    assert!(data.thumbnails.is_none() && data.map.is_none());
    assert_eq!(data.notes[data.notes.len() - 2..], [Note::OtherThumbnails, Note::OtherMap]);
    let outside = std::fs::read_to_string(folder.join("gallery/thumbnails.json")).expect("written above");
    let outside = outside.replace("thumbnails-0.jpg", "../config.toml");
    std::fs::write(Run::ahead().write(scratch.path()).join("gallery/thumbnails.json"), outside)
        .expect("a writable folder");
    let notes = load(&folder).expect("the rest can be read").notes;
    assert!(notes.contains(&Note::Thumbnails { problem: ImageProblem::OutsideGallery }), "{notes:?}");
}

#[test]
fn an_unwritable_page_is_an_error_that_names_it() {
    let scratch = Scratch::new();
    let folder = Run::ahead().write(scratch.path());
    let page = scratch.path().join("absent/report.html");
    let message = write_comparison(&[&folder], &page).expect_err("there is no such folder").to_string();
    assert!(message.contains("failed to write") && message.contains("absent"), "{message}");
    assert!(load(&folder).is_ok());
}
