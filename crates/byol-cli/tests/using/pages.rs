//! The pages of images that commands write.

use std::process::Command;

use super::{PLACE, at, byol, images, text};

#[test]
fn pages_show_the_images_and_the_least_sure_come_first() {
    let (run, folder) = (at("run"), at("images"));
    let page = at("predictions.html");
    let output = byol(&["predict", "--from", &run, &folder, "--top", "1", "--sort", "unsure", "--page", &page], "");
    assert!(output.status.success(), "{output:?}");
    let sure: Vec<f64> =
        text(&output.stdout).lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert!(sure.len() == images().len() && sure.is_sorted() && sure.first() < sure.last());
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), images().len());
    assert!(html.contains("less than 60% sure") && html.contains("default-src 'none'"));
    // How good the classifier is, in the words of the terminal.
    let said = text(&output.stderr);
    assert_eq!(html.contains("do not rely"), said.contains("do not rely"));
    let told = said.lines().find_map(|line| line.strip_prefix("classifier: ")).unwrap();
    assert!(told.contains(" of 2,000 test images (") && told.contains("; 95% interval "), "{told}");
    assert!(html.contains(&format!("<p>Classifier: {told}.</p>")), "{told}");

    let image = images()[3].to_str().unwrap().to_owned();
    let page = at("neighbors.html");
    let output = byol(&["neighbors", &image, "--in", &folder, "--from", &run, "--top", "4", "--page", &page], "");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(&page).unwrap().matches("data:image/jpeg;base64,").count(), 5);
    let views = std::fs::read_to_string(PLACE.path().join("images/views.html")).unwrap();
    assert_eq!(views.matches("data:image/jpeg;base64,").count(), images().len());
}

#[test]
fn the_page_says_not_to_rely_on_a_classifier_that_only_guesses() {
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(at("run")).arg(copy.path()).status().unwrap().success());
    let (run, page) = (copy.path().join("run"), copy.path().join("predictions.html"));
    let records = std::fs::read_to_string(run.join("predictions.jsonl")).unwrap();
    let guessed = records.lines().map(|line| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["test_accuracy"] = 0.1.into();
        format!("{record}\n")
    });
    std::fs::write(run.join("predictions.jsonl"), guessed.collect::<String>()).unwrap();
    let [run, page] = [&run, &page].map(|path| path.to_str().unwrap());
    let image = images()[0].to_str().unwrap().to_owned();
    let output = byol(&["predict", "--from", run, &image, "--page", page], "");
    assert!(output.status.success(), "{output:?}");
    let warning = "he classifier is right on 200 of 2,000 test images (10.0%; 95% interval 8.8% to 11.4%); that is no better than \
                   guessing among 10 classes (10.0%), so do not rely on its answers";
    assert!(text(&output.stderr).contains(warning), "{output:?}");
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains(&format!("<p class=\"warning\"><strong>T{warning}.</strong></p>")), "{html}");
}
