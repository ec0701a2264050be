//! `--resume RUN` from outside: it needs nothing else, wherever it is typed, and says what is missing.

use std::path::Path;

use super::{image, said};

const SETTINGS: [&str; 6] = [
    "image_size=16",
    "width=0.0625",
    "pretrain.epochs=2",
    "pretrain.batch_size=8",
    "pretrain.checkpoint_every=1",
    "pretrain.monitor_every=1",
];

/// Six images of two classes each, and a dozen without labels.
fn images(home: &Path) {
    for number in 0..12u8 {
        image(
            &home.join(format!("my photos/{}/{number}.bmp", ["cat", "dog"][usize::from(number % 2)])),
            [9 * number, 80, 200],
        );
        image(&home.join(format!("pool/{number}.bmp")), [200, 9 * number, 40]);
    }
}

#[test]
fn a_run_is_planned_for_its_time_and_keeps_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    images(home);
    let begin = |out: &'static str, hours: &'static str| {
        let mut begin = vec!["run", "--data", "my photos", "--unlabeled", "pool", "--out", out, "--hours"];
        begin.extend([hours, "--device", "cpu", "--threads", "1", "--draws", "1"]);
        for pair in
            ["pretrain.epochs=2", "supervised.epochs=2", "supervised.minimum_steps=1", "finetune.minimum_steps=2"]
        {
            begin.extend(["--set", pair]);
        }
        begin
    };
    // Less time than anything takes: the shortest run, and a warning.
    let few = said(home, &begin("runs/short", "0.00001"), 0);
    assert!(
        few.contains("at the speed that this machine has now") && few.contains("longer than --hours 0.00001"),
        "{few}"
    );

    let text = said(home, &begin("runs/planned", "0.1"), 0);
    assert!(!text.contains("longer than --hours"), "{text}");
    let plan: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("plan: ")).collect();
    assert!(plan[0].contains(" steps, about ") && plan[0].contains("; the first accuracy after "), "{text}");
    assert!(plan.iter().any(|line| line.starts_with("chosen for --hours 0.1 ")), "{text}");
    assert!(text.contains("step 1 of 8, "), "{text}");
    let read = |name: &str| std::fs::read_to_string(home.join("runs/planned").join(name)).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&read("plan.json")).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!((plan["hours"].as_f64(), steps.len()), (Some(0.1), 8));
    assert!(steps.iter().all(|step| step["ended"] == true && step["seconds"].as_f64() > Some(0.0)), "{plan}");
    let config = byol::config::Experiment::from_toml(&read("config.toml")).unwrap();
    assert_eq!((config.pretrain.epochs, config.supervised.minimum_steps, config.draws), (2, 1, 1), "what was typed");
    assert_eq!(config.image_size, 32, "what was chosen");
    assert!(plan["chosen"].to_string().contains("image_size=32"), "{plan}");

    assert!(said(home, &["run", "--resume", "runs/planned"], 0).contains("was finished before"));
    assert!(said(home, &["run", "--resume", "runs/planned", "--hours", "0.1"], 0).contains("was finished before"));
    let other = said(home, &["run", "--resume", "runs/planned", "--hours", "3"], 2);
    assert!(other.contains("was planned for --hours 0.1, and its lengths stay"), "{other}");
    let longer = said(home, &["run", "--resume", "runs/planned", "--more-epochs", "1"], 0);
    assert!(longer.contains("step 3 of 8, "), "{longer}");
    // Two baselines and the judgement of the random encoder are kept.
    assert!(longer.contains("plan: 5 of 8 steps are left, about "), "{longer}");
}

#[test]
fn a_run_goes_on_by_its_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    images(&home);
    let mut begin = vec!["pretrain", "--data", "my photos", "--unlabeled", "pool", "--out", "runs/mine"];
    begin.extend(["--preset", "demo", "--device", "cpu", "--precision", "fp32", "--threads", "1"]);
    begin.extend(SETTINGS.iter().flat_map(|&pair| ["--set", pair]));
    said(&home, &begin, 0);
    let record = std::fs::read_to_string(home.join("runs/mine/command.toml")).unwrap();
    assert!(record.contains("data = \"my photos\"") && record.contains("threads = 1"), "{record}");

    // From where it was begun, from elsewhere, in the old form, and after everything was moved.
    assert!(said(&home, &["pretrain", "--resume", "runs/mine"], 0).contains("was finished before"));
    assert!(said(folder.path(), &["pretrain", "--resume", "home/runs/mine"], 0).contains("was finished before"));
    let old = ["pretrain", "--resume", "--data", "my photos", "--unlabeled", "pool", "--out", "runs/mine"];
    assert!(said(&home, &old, 0).contains("was finished before"));
    // Options that contradict what it was begun with are refused, and change nothing.
    let other = said(&home, &["pretrain", "--resume", "runs/mine", "--data", "pool"], 2);
    assert!(other.contains("was started on other data"), "{other}");
    let mut tuned =
        vec!["finetune", "--from", "runs/mine", "--data", "my photos", "--out", "runs/tuned", "--draws", "1"];
    tuned.extend(["--device", "cpu", "--threads", "1", "--labels-per-class", "all"]);
    tuned.extend(["--set", "finetune.epochs=1", "--set", "finetune.minimum_steps=1"]);
    said(&home, &tuned, 0);
    let other = said(&home, &["finetune", "--resume", "runs/tuned", "--from", "pool"], 2);
    assert!(other.contains("runs/tuned was begun with --from runs/mine; resume it without --from"), "{other}");
    said(&home, &["finetune", "--resume", "runs/tuned", "--from", "./runs/mine"], 0);
    assert_eq!(std::fs::read_to_string(home.join("runs/mine/command.toml")).unwrap(), record);
    let disk = folder.path().join("disk");
    std::fs::rename(&home, &disk).unwrap();
    assert!(said(&disk, &["pretrain", "--resume", "runs/mine"], 0).contains("was finished before"));

    // What the directory says of itself is enough to go on, and longer.
    let longer = said(&disk, &["pretrain", "--resume", "runs/mine", "--more-epochs", "1"], 0);
    assert!(longer.contains("pre-training goes on from epoch 2 to 3"), "{longer}");
    assert!(longer.contains("cpu, 1 thread"), "{longer}");

    // What cannot be is said before any image is looked at.
    let other = said(&disk, &["run", "--resume", "runs/mine"], 2);
    assert!(other.contains("byol pretrain --resume runs/mine continues it"), "{other}");
    let changed = said(&disk, &["pretrain", "--resume", "runs/mine", "--set", "tau=0.5"], 2);
    assert!(changed.contains("pretrain.tau was 0.97, is 0.5"), "{changed}");
    let occupied = said(&disk, &["pretrain", "--data", "my photos", "--out", "runs/mine"], 2);
    assert!(occupied.contains("holds another run already; continue it with --resume runs/mine"), "{occupied}");
    assert!(!occupied.contains("hardware:"), "{occupied}");
    assert!(said(&disk, &["pretrain", "--resume", "runs/other"], 2).contains("runs/other does not exist"));
    let missing = said(&disk, &["pretrain", "--data", "my photos", "--unlabeled", "pol", "--out", "runs/b"], 2);
    assert!(missing.contains("pol does not exist") && !missing.contains("hardware:"), "{missing}");
    let two = said(&disk, &["pretrain", "--resume", "runs/mine", "--out", "runs/other"], 2);
    assert!(two.contains("name two runs"), "{two}");

    // Data that are elsewhere are asked for by the option that names them, and remembered.
    std::fs::rename(disk.join("my photos"), folder.path().join("photos")).unwrap();
    let moved = said(&disk, &["pretrain", "--resume", "runs/mine"], 2);
    assert!(moved.contains("my photos; name its new place with --data"), "{moved}");
    said(&disk, &["pretrain", "--resume", "runs/mine", "--data", "../photos"], 0);
    assert!(said(&disk, &["pretrain", "--resume", "runs/mine", "--more-epochs", "1"], 0).contains("from epoch 3 to 4"));
}
