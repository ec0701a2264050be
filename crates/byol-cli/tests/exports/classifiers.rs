//! Every classifier of a run, predicted with and exported; and the Python lines of a card against `byol predict`.

use std::path::Path;

use byol::data::Dataset;
use byol::eval::temperature::Temperature;
use byol::inference::calibration;
use byol::trained::model::{Choice, TrainedClassifier};
use tch::Device;

use super::{Stages, byol, data, exported, run_python, tiny, train};

#[test]
fn every_classifier_can_be_used_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    train(&tiny(&["width=0.125", "labels_per_class=[2, 5]"]), &folder.path().join("run"), Stages::All);
    let shared = tiny(&["width=0.125", "labels_per_class=[5]", "validation_share=0.2"]);
    train(&shared, &folder.path().join("shared"), Stages::All);
    run_python("tests/exports/card.py", &[folder.path()]);
    let said = |arguments: &[&str]| {
        let output = byol(arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), output.stdout)
    };
    let (run, images) = (place("run"), place("pictures"));
    let predict =
        |from: &str, extra: &[&str]| said(&[&["predict", "--from", from, &images, "--top", "10"], extra].concat());
    for (name, words) in [("finetuned", "fine-tuned"), ("baseline", "baseline"), ("linear", "linear"), ("knn", "k-NN")]
    {
        let (code, told, answers) = predict(&run, &["--classifier", name, "--labels-per-class", "2"]);
        assert_eq!(code, Some(0), "{told}");
        let line = told.lines().find(|line| line.starts_with("classifier: ")).unwrap();
        assert!(line.starts_with(&format!("classifier: {words} with 2 labels per class, right on ")), "{line}");
        assert!(line.contains("of 40 test images (") && line.contains("; 95% interval "), "{line}");
        assert_eq!(String::from_utf8_lossy(&answers).lines().count(), 7);
    }
    // Nothing was held out of fine-tuning here.
    let (_, told, _) = predict(&run, &[]);
    assert!(
        told.contains("classifier: fine-tuned with 5 labels per class")
            && told.contains(
                "fine-tuning learned from all of its labels, so none are left to choose by, and the default is taken"
            ),
        "{told}"
    );
    let (_, told, _) = predict(&place("shared"), &[]);
    let line = told.lines().find(|line| line.starts_with("classifier: ")).unwrap();
    let (first, compared) = line.split_once("the best on held-out labels: ").unwrap();
    let best = compared.split(' ').next().unwrap();
    assert!(
        first.starts_with(&format!("classifier: {best} ")) && compared.contains("linear") && compared.contains("k-NN"),
        "{line}"
    );

    let (code, told, _) = predict(&run, &["--stage", "pretrain"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("--classifier finetuned, baseline, linear, knn"), "{told}");
    let (code, told, _) = predict(&run, &["--classifier", "linear", "--labels-per-class", "3"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("(there are such with 2, 5)") && told.contains("byol evaluate linear --keep"), "{told}");

    // What an earlier version left is completed by one command; the classifiers are the same.
    let before = std::fs::read(folder.path().join("run/classifiers/knn-5.safetensors")).unwrap();
    let summary = folder.path().join("run/summary.json");
    let text = std::fs::read_to_string(&summary).unwrap();
    let embedded = Dataset::open(Path::new("patterns"), &Default::default()).unwrap();
    std::fs::write(&summary, text.replace(&data().fingerprint, &embedded.fingerprint)).unwrap();
    std::fs::remove_dir_all(folder.path().join("run/classifiers")).unwrap();
    let (code, told, _) = predict(&run, &["--classifier", "knn"]);
    assert!(code == Some(1) && told.contains("byol evaluate knn --keep --from"), "{told}");
    let (code, told, _) = said(&[
        "evaluate",
        "knn",
        "--keep",
        "--from",
        &run,
        "--data",
        "patterns",
        "--labels-per-class",
        "5",
        "--draws",
        "1",
    ]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(std::fs::read(folder.path().join("run/classifiers/knn-5.safetensors")).unwrap().len(), before.len());
    assert_eq!(predict(&run, &["--classifier", "knn"]).0, Some(0));
}

/// Gives the run's classifier a temperature, as `byol predict --calibrate-on` does: its 40 test images give it none.
fn calibrated(run: &Path) {
    let trained = TrainedClassifier::open(run, Choice::default(), Device::Cpu).unwrap();
    assert!(calibration::of(run, &trained.origin).unwrap().in_use().is_none());
    let record = calibration::Record {
        owner: calibration::Owner::of(&trained.origin),
        temperature: Temperature(2.5),
        images: calibration::ENOUGH_IMAGES,
        loss_before: 1.0,
        loss_after: 0.5,
        calibration_error_before: 0.1,
        calibration_error_after: 0.05,
        source: "held-out".to_owned(),
    };
    calibration::keep(run, record).unwrap();
}

/// Trains, exports, and holds the answers of the exports' Python lines against those of `byol predict`.
fn exports_that_answer_as_predict_does(levels: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let settings = ["width=0.125", "labels_per_class=[6]", "supervised.minimum_steps=60", levels];
    train(&tiny(&settings), &folder.path().join("run"), Stages::Supervised);
    run_python("tests/exports/card.py", &[folder.path()]);
    let run = place("run");
    calibrated(&folder.path().join("run"));
    for (out, input) in [("model.onnx", "pictures"), ("normalized.onnx", "normalized")] {
        exported(&["--from", &run, "--out", &place(out), "--input", input]);
    }
    exported(&["--from", &run, "--out", &place("model.safetensors")]);
    let predicted =
        byol(&["predict", "--from", &run, &place("pictures"), "--format", "jsonl", "--top", "10", "--quiet"]);
    assert!(predicted.status.success(), "{predicted:?}");
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let predicted = lines(&String::from_utf8_lossy(&predicted.stdout));
    let said = lines(&run_python("tests/exports/card.py", &[folder.path()]));
    assert_eq!((predicted.len(), said.len()), (6, 6));
    for (own, theirs) in predicted.iter().zip(&said) {
        assert!(own["path"].as_str().unwrap().ends_with(theirs["name"].as_str().unwrap()));
        for answer in own["classes"].as_array().unwrap() {
            let class = theirs["classes"].as_array().unwrap().iter().position(|name| *name == answer["class"]).unwrap();
            for program in ["graph", "normalized", "torch"] {
                let far = (theirs[program][class].as_f64().unwrap() - answer["probability"].as_f64().unwrap()).abs();
                // `byol predict` computes in float32 on a CPU unless told otherwise. A level of an image may round the other
                // way where the graph resizes, and many where other programs do. The card promises both.
                let near = if program == "graph" { 0.005 } else { 0.02 };
                assert!(far < near, "{program}: {own} {theirs}");
            }
        }
    }
    folder
}

#[test]
fn the_lines_of_a_card_answer_as_predict_does_where_levels_are_not_full() {
    let folder = exports_that_answer_as_predict_does("levels=8000..50000");
    let card = std::fs::read_to_string(folder.path().join("model.onnx.md")).unwrap();
    assert!(card.contains("- (8000)) * 255 / 42000"), "{card}");
}

#[test]
fn the_lines_of_a_card_answer_as_predict_does() {
    let folder = exports_that_answer_as_predict_does("levels=full");
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // The example has the same lines.
    let upright = |text: &str| {
        let begin = text.find("def upright(").unwrap();
        text[begin..begin + text[begin..].find("\n\n").unwrap()].to_owned()
    };
    let read = |path: &str| upright(&std::fs::read_to_string(path).unwrap());
    assert_eq!(read("../../examples/python/exported_encoder.py"), read(&place("model.py")));
    assert_eq!(read(&place("model.onnx.md")), read(&place("model.py")));
    // HEIC is read by a package of its own, which is asked for where it is there.
    let heif = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let begin = text.find("try:  # pip install pillow-heif").unwrap_or_else(|| panic!("{path} reads no HEIC"));
        text[begin..begin + text[begin..].find("pass\n").unwrap()].to_owned()
    };
    let lines = heif(&place("model.py"));
    for path in ["../../examples/python/exported_encoder.py", &place("model.onnx.md"), &place("normalized.onnx.md")] {
        assert_eq!(heif(path), lines, "{path}");
    }
    let card = std::fs::read_to_string(place("model.onnx.md")).unwrap();
    assert!(card.contains("pip install onnxruntime pillow pillow-heif"), "{card}");
    assert!(
        card.contains("classes, also an image of something else. `byol predict` gives the same but for rounding"),
        "{card}"
    );
    std::fs::write(place("pillow_heif.py"), "def register_heif_opener():\n    print('registered')\n").unwrap();
    let said = run_python("tests/exports/registered.py", &[folder.path()]);
    assert_eq!(said.lines().filter(|line| *line == "registered").count(), 2, "{said}");
}
