//! What is said of processes before anything is trained: whether they find each other, and how fast they are together.

use serde_json::{Value, json};

use crate::processes::{End, Place, Rank};

/// Two ranks of a command, of which the first alone prints one JSON object.
fn printed(place: &Place, words: &[&str]) -> Value {
    let ends: Vec<End> =
        [0, 1].map(|rank| place.start_as(rank, 2, place.program(words))).into_iter().map(Rank::end).collect();
    assert!(ends.iter().all(|end| end.code == Some(0)), "{ends:?}");
    assert!(ends[1].said.is_empty() && ends[1].printed.is_empty(), "{ends:?}");
    serde_json::from_str(&ends[0].printed).unwrap_or_else(|error| panic!("{error}: {ends:?}"))
}

#[test]
fn doctor_says_what_the_variables_mean_and_tries_a_sum() {
    let place = Place::new();
    let found = printed(&place, &["doctor", "--json", "--device", "cpu", "--threads", "1"]);
    let (launch, trial) = (&found["processes"]["launch"], &found["processes"]["trial"]);
    assert_eq!(json!([launch["launcher"], launch["rank"], launch["processes"]]), json!(["variables", 0, 2]));
    assert_eq!(launch["meeting"], format!("127.0.0.1:{}", place.port));
    assert_eq!(json!([launch["variables"]["WORLD_SIZE"], launch["serves"]]), json!(["2", true]));
    assert_eq!(json!([trial["over"], trial["processes"], trial["hosts"]]), json!(["gloo", 2, 1]));
    assert!(trial["number_ms"].as_f64().unwrap() > 0.0 && trial["gradient_ms"].as_f64().unwrap() > 0.0, "{trial}");
    // One that nobody answers is told so, and what half of the variables mean.
    let lonely = ["doctor", "--device", "cpu", "--threads", "1", "--quiet", "--rank-timeout", "0.05"];
    let end = place.start_as(1, 2, place.program(&lonely)).end();
    assert!(end.code == Some(1) && end.printed.contains("no answer from rank 0 at 127.0.0.1:"), "{end:?}");
    let half = place.program(&lonely).env("RANK", "1").output().unwrap();
    let told = String::from_utf8_lossy(&half.stdout).into_owned();
    assert!(told.contains("RANK is set but WORLD_SIZE is not; set both, or neither"), "{told}");
}

#[test]
fn bench_measures_all_and_one() {
    let place = Place::new();
    let words =
        ["bench", "pretrain", "--json", "--data", "photos", "--steps", "3", "--device", "cpu", "--precision", "fp32"];
    let settings = ["--threads", "1", "--set", "image_size=16", "--set", "width=0.0625", "--set", "batch_size=16"];
    let found = printed(&place, &[&words[..], &settings].concat());
    let number = |name: &str| found["together"][name].as_f64().unwrap();
    assert_eq!(json!([found["together"]["processes"], found["batch_size"]]), json!([2, 16]));
    let efficiency = found["images_per_second"].as_f64().unwrap() / (2.0 * number("images_per_second_of_one"));
    assert!((number("efficiency") - efficiency).abs() < 1e-9, "{found}");
    assert!(number("gradient_ms") > 0.0 && number("gradient_ms") < number("collective_ms"), "{found}");
    assert!(number("collective_ms") > 0.0 && number("collective_ms") <= found["step_ms"].as_f64().unwrap(), "{found}");
}
