//! Predictions over several fixed views of each image.

use std::process::Command;

use super::{at, byol, images, text};

/// What `predict` writes for these arguments, and says.
fn predicted(arguments: &[&str]) -> (String, String) {
    let output = byol(&[&["predict", "--from", &at("run"), &at("images")], arguments].concat(), "");
    assert!(output.status.success(), "{output:?}");
    (text(&output.stdout), text(&output.stderr))
}

/// Probabilities of the likeliest class, image by image.
fn sure(table: &str) -> Vec<f64> {
    table.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().parse().unwrap()).collect()
}

#[test]
fn one_view_is_what_it_always_was_and_several_are_averaged() {
    let (plain, said) = predicted(&[]);
    assert_eq!(predicted(&["--views", "1"]).0, plain);
    assert!(!said.contains("means over"), "{said}");
    for views in ["2", "10"] {
        let (averaged, said) = predicted(&["--views", views]);
        assert_eq!(averaged.lines().count(), plain.lines().count());
        assert_ne!(sure(&averaged), sure(&plain), "{views} views");
        let note = format!("the probabilities are means over {views} views of each image, each at temperature ");
        assert!(said.contains(&note) && said.contains("which was chosen on single views of the run's 2,000"), "{said}");
        assert!(plain.contains(",true,") && !averaged.contains(",true,") && averaged.contains(",false,"), "{averaged}");
        // Probabilities of all classes still make one.
        let (lines, _) = predicted(&["--views", views, "--format", "jsonl", "--top", "10"]);
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let answers = line["classes"].as_array().unwrap().iter();
            let sum: f64 = answers.map(|answer| answer["probability"].as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9 && line["calibrated"] == false, "{line}");
        }
    }
}

/// The table, the list, the Parquet file and the page have the same answers over ten views.
#[test]
fn every_form_of_predictions_has_the_same_views() {
    let table = sure(&predicted(&["--views", "10", "--top", "1"]).0);
    let page = at("ten.html");
    let (lines, _) = predicted(&["--views", "10", "--top", "1", "--json", "--page", &page]);
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events_sure = events.iter().filter(|event| event["event"] == "prediction");
    for (event, sure) in events_sure.zip(&table) {
        let probability = event["classes"][0]["probability"].as_f64().unwrap();
        assert!((probability - sure).abs() < 1e-6, "{event}");
    }
    assert_eq!(events.last().unwrap()["views"], 10, "{events:?}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<p>The probabilities are means over 10 views of each image, "), "{html}");
    assert!(table.iter().all(|sure| html.contains(&format!("{:.1}%", 100.0 * sure))));
    let list = at("ten.json");
    predicted(&["--views", "10", "--top", "1", "--out", &list]);
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(list).unwrap()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), images().len());
    let (parquet, plain) = (at("ten.parquet"), at("one.parquet"));
    predicted(&["--views", "10", "--top", "1", "--out", &parquet]);
    predicted(&["--top", "1", "--out", &plain]);
    assert_ne!(std::fs::read(parquet).unwrap(), std::fs::read(plain).unwrap());
}

/// The labels of a folder are compared with the averaged answers, and a temperature is chosen on single views whatever is asked for.
#[test]
fn a_calibration_is_of_single_views() {
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(at("run")).arg(copy.path()).status().unwrap().success());
    let (run, held) = (copy.path().join("run"), copy.path().join("held"));
    let [run, data] = [&run, &held].map(|path| path.to_str().unwrap());
    let (first, _) = predicted(&["--top", "2", "--quiet"]);
    for (number, line) in first.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let class = held.join(cells[if number % 3 == 0 { 4 } else { 2 }]);
        std::fs::create_dir_all(&class).unwrap();
        for copy in 0..super::COPIES {
            std::fs::copy(cells[0], class.join(format!("{number}-{copy}.png"))).unwrap();
        }
    }
    let temperature = |views: &str| {
        let output = byol(&["predict", "--from", run, data, "--views", views, "--calibrate-on", data], "");
        assert!(output.status.success(), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("labelled images ("), "{said}");
        assert_eq!(said.contains("which was chosen on single views of "), views != "1", "{said}");
        std::fs::read(copy.path().join("run/calibration.json")).unwrap()
    };
    assert_eq!(temperature("1"), temperature("10"));
}

#[test]
fn other_numbers_of_views_are_refused() {
    for views in ["0", "3", "-2", "ten"] {
        let refused = byol(&["predict", "--from", &at("run"), &at("images"), "--views", views], "");
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("must be 1 (the whole view), 2 (that and its mirror image) or 10 ("), "{said}");
    }
}
