//! `byol run --seeds N` from outside: how it begins, what it tells, how it goes on, and what is refused.

use super::{byol, said};

const BEGIN: &str = "run --data patterns --preset demo --out runs/two --seeds 2 --seed 3 --device cpu --precision fp32 --threads 1 \
                     --labels-per-class 2 --draws 1 --set image_size=16 --set width=0.0625 --set pretrain.epochs=1 \
                     --set pretrain.batch_size=512 --set supervised.epochs=1 --set supervised.minimum_steps=4 \
                     --set finetune.epochs=1 --set finetune.minimum_steps=4 --set pretrain.stop_on_collapse=false";

#[test]
fn two_seeds_are_two_runs_with_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let begin: Vec<&str> = BEGIN.split_whitespace().collect();
    let output = byol(home, &[&begin[..], &["--json"]].concat());
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let plans = events.iter().filter(|event| event["event"] == "planned").count();
    assert_eq!(plans, 1, "it is planned once");
    let noted = |about: &str| events.iter().any(|event| event.to_string().contains(about));
    assert!(noted("\"about\":\"seeds\"") && noted("\"seeds\":[3,4]"), "{text}");
    let last = events.last().unwrap();
    let summary = &last["summary"];
    assert_eq!(last["event"], "ended");
    assert_eq!((&summary["seeds"], &summary["finished"]), (&serde_json::json!([3, 4]), &serde_json::json!(true)));
    let of = |list: &str| {
        let found = summary[list].as_array().unwrap().iter().find(|one| one["name"] == "byol_finetuned");
        found.unwrap_or_else(|| panic!("{list}: {summary}")).clone()
    };
    assert_eq!(of("results")["test_accuracy"]["runs"].as_array().unwrap().len(), 2);
    let difference = of("differences");
    assert_eq!((&difference["against"], difference["interval"].as_array().unwrap().len()), (&"supervised".into(), 2));
    for seed in ["seed-3", "seed-4"] {
        let run = home.join("runs/two").join(seed);
        assert!(run.join("report.html").is_file() && run.join("plan.json").is_file());
        let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
        assert!(config.contains(&format!("seed = {}\n", seed.trim_start_matches("seed-"))), "{config}");
    }
    assert!(home.join("runs/two/report.html").is_file() && home.join("runs/two/seeds.json").is_file());

    // It goes on by its name, with what it was begun with.
    assert!(said(home, &["run", "--resume", "runs/two"], 0).contains("runs/two was finished before"));
    assert!(said(home, &["run", "--resume", "runs/two", "--seeds", "2"], 0).contains("was finished before"));
    let other = said(home, &["run", "--resume", "runs/two", "--seeds", "3"], 2);
    assert!(other.contains("runs/two was begun with --seeds 2; resume it without --seeds"), "{other}");
    let single = said(home, &["run", "--resume", "runs/two/seed-4", "--seeds", "2"], 2);
    assert!(single.contains("was begun with a single seed"), "{single}");
    assert!(said(home, &["run", "--resume", "runs/two/seed-4"], 0).contains("was finished before"));
    let longer = said(home, &["run", "--resume", "runs/two", "--more-epochs", "1"], 2);
    assert!(longer.contains("byol run --resume runs/two/seed-3 --more-epochs 1"), "{longer}");
    let hours = said(home, &["run", "--resume", "runs/two", "--hours", "3"], 2);
    assert!(hours.contains("runs/two was planned without --hours"), "{hours}");
    assert!(said(home, &begin, 2).contains("runs/two holds another run already"), "it is begun once");
    for seeds in ["0", "101", "two"] {
        let refused = said(home, &["run", "--data", "patterns", "--out", "runs/none", "--seeds", seeds], 2);
        assert!(refused.contains("must be a whole number from 1 to 100"), "{refused}");
    }
    assert!(!home.join("runs/none").exists());

    // Whoever needs one run is told to name one; the report is over all of them.
    for command in [
        &["predict", "--from", "runs/two", "runs/two/seed-3/gallery"][..],
        &["export", "--from", "runs/two", "--out", "a.onnx"],
        &["embed", "--from", "runs/two", "runs/two/seed-3/gallery", "--out", "a.npy"],
        &["pretrain", "--resume", "runs/two"],
    ] {
        let refused = said(home, command, 2);
        let told = "runs/two holds a run for each of 2 seeds; name one of them, as in runs/two/seed-3";
        assert!(refused.contains(told), "{command:?}: {refused}");
    }
    let report = byol(home, &["report", "runs/two"]);
    let table = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(
        table.contains("| Seeds ") && table.contains("95% interval") && table.contains("Two seeds tell little"),
        "{table}"
    );
    let both = byol(home, &["report", "runs/two", "--out", "both.html"]);
    assert!(both.status.success() && home.join("both.html").is_file());
}

#[test]
fn one_seed_is_a_run_as_without_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let begin = BEGIN.replace("--seeds 2", "--seeds 1");
    said(home, &begin.split_whitespace().collect::<Vec<_>>(), 0);
    assert!(home.join("runs/two/config.toml").is_file() && !home.join("runs/two/seeds.json").exists());
    assert!(!home.join("runs/two/seed-3").exists());
}
