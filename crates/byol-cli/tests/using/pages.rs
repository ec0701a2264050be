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

#[test]
fn the_page_says_how_many_labels_were_met_and_what_the_run_may_have_been_trained_on() {
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(at("run")).arg(copy.path()).status().unwrap().success());
    let (run, page, data) = (copy.path().join("run"), copy.path().join("page.html"), copy.path().join("data"));
    let [run, page] = [&run, &page].map(|path| path.to_str().unwrap());
    // Two of three labels are the run's own answers.
    let first = byol(&["predict", "--from", run, &at("images"), "--top", "2", "--quiet"], "");
    let (mut right, mut images) = (0, 0);
    for (number, line) in text(&first.stdout).lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let is_right = number % 3 > 0;
        let class = data.join(cells[if is_right { 2 } else { 4 }]);
        std::fs::create_dir_all(&class).unwrap();
        std::fs::copy(cells[0], class.join(format!("{number}.png"))).unwrap();
        (right, images) = (right + usize::from(is_right), images + 1);
    }
    let predict = || {
        let arguments = ["predict", "--from", run, data.to_str().unwrap(), "--page", page, "--force"];
        let output = byol(&arguments, "");
        assert!(output.status.success(), "{output:?}");
        (text(&output.stderr), std::fs::read_to_string(page).unwrap())
    };
    let on_labelled = format!("ight on {right} of {images} labelled images (");
    let trained_on = format!("{images} of the {images} images lie in the run's own data and not among its test images");
    let (said, html) = predict();
    assert!(said.contains(&format!("r{on_labelled}")) && html.contains(&format!("<p>R{on_labelled}")), "{said}");
    assert!(!said.contains("the run's own data") && !html.contains("the run's own data"), "{said}");
    let record = format!("data = {data:?}\nfolder = {:?}\n", copy.path());
    std::fs::write(copy.path().join("run/command.toml"), record).unwrap();
    let (said, html) = predict();
    assert!(said.contains(&trained_on) && said.contains(&format!("r{on_labelled}")), "{said}");
    let shown = html.replace("&#39;", "'");
    assert!(shown.contains(&format!("<p class=\"warning\"><strong>{trained_on}")), "{shown}");
}
