use super::*;
use crate::config::{Augmentation, EncoderKind, FilterNorm, FirstHead, OptimizerKind, ScheduleKind};
use crate::data::Levels;
use crate::stage::{LabelBudget, Method};

fn with(set: &[&str]) -> Result<Experiment, ConfigError> {
    staged(None, set)
}

fn staged(stage: Option<Stage>, set: &[&str]) -> Result<Experiment, ConfigError> {
    let set: Vec<String> = set.iter().map(|pair| (*pair).to_owned()).collect();
    resolve(Request { preset: Some("lab"), set: &set, stage, ..Request::default() })
}

fn message(result: Result<Experiment, ConfigError>) -> String {
    result.expect_err("this configuration is wrong").to_string()
}

/// Resolves the saved configuration of a run.
fn from_run(text: &str) -> Result<Experiment, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    resolve(Request { saved: Some(&path), ..Request::default() })
}

/// Resolves a file of this text over the preset that it names.
fn from_file(text: &str, set: &[&str]) -> Result<Experiment, ConfigError> {
    let folder = std::env::temp_dir().join(format!("byol-resolve-{:?}", std::thread::current().id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("my.toml");
    std::fs::write(&path, text).unwrap();
    let set: Vec<String> = set.iter().map(|pair| (*pair).to_owned()).collect();
    let resolved = resolve(Request { file: Some(&path), set: &set, ..Request::default() });
    std::fs::remove_dir_all(&folder).unwrap();
    resolved
}

#[test]
fn every_preset_is_complete_and_valid() {
    for name in preset::NAMES {
        let experiment = resolve(Request { preset: Some(name), ..Request::default() }).unwrap();
        assert_eq!(experiment.preset, name);
        let text = preset::text(name).unwrap();
        for word in ["# Command:", "# Hardware:", "# Time:", "# Result:"] {
            assert!(text.contains(word), "{name} does not say its {word}");
        }
        let stated = preset::values(name).unwrap();
        for key in keys::flatten(&Table::try_from(&experiment).unwrap()).keys() {
            let of_recipe = key.starts_with("pretrain.t.") || key.starts_with("pretrain.t_prime.");
            assert!(of_recipe != stated.contains_key(key), "{name} leaves {key} open, or sets a key of a recipe");
        }
    }
}

/// The values that every preset had before presets could name the one that they change, as configurations that were saved
/// then: keys that came later are as before. A value that is changed on purpose is changed there too.
#[test]
fn presets_have_the_values_that_they_had() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/presets");
    for name in preset::NAMES {
        let then = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let mut expected = Experiment::from_toml(&then).unwrap();
        // Changed on 2026-11-28.
        if matches!(name, "demo" | "hour") {
            expected.pretrain.method = Method::MocoV3;
        }
        if name == "demo" {
            let settings = &mut expected.pretrain;
            (settings.patches, settings.temperature) = (2, 0.5);
        }
        // Changed on 2026-11-30.
        if name == "demo" {
            expected.pretrain.epochs = 13;
        }
        if name == "hour" {
            (expected.image_size, expected.pretrain.view_size) = (96, 64);
            for settings in [&mut expected.supervised, &mut expected.finetune] {
                (settings.epochs, settings.minimum_steps, settings.batch_size) = (30, 1200, 64);
                (settings.mixup, settings.cutmix) = (0.2, 1.0);
            }
        }
        assert_eq!(Experiment::preset(name).unwrap(), expected, "{name}");
    }
}

#[test]
fn the_known_keys_are_those_of_an_experiment() {
    let experiment = resolve(Request::default()).unwrap();
    let keys: Vec<String> = keys::flatten(&Table::try_from(&experiment).unwrap()).into_keys().collect();
    assert_eq!(keys, keys::known().collect::<Vec<_>>());
}

#[test]
fn the_lab_preset_has_the_labs_numbers() {
    let lab = with(&[]).unwrap();
    assert_eq!((lab.encoder, lab.image_size, lab.validation_share), (EncoderKind::Resnet18, 96, 0.0));
    for stage in [&lab.supervised, &lab.finetune] {
        assert_eq!((stage.optimizer, stage.learning_rate, stage.weight_decay), (OptimizerKind::Adam, 1e-3, 0.0));
        assert_eq!((stage.epochs, stage.batch_size, stage.schedule), (10, 128, ScheduleKind::Constant));
        assert_eq!(stage.augmentation, Augmentation::None);
    }
    let pretrain = &lab.pretrain;
    assert_eq!((pretrain.tau, pretrain.tau_schedule), (0.99, ScheduleKind::Constant));
    assert_eq!((pretrain.projector_hidden, pretrain.projection_size, pretrain.batch_size), (1024, 256, 128));
    assert_eq!((&pretrain.t, &pretrain.t_prime), (&Recipe::lab(), &Recipe::lab()));
}

#[test]
fn later_parts_win() {
    let text = "preset = \"paper-100\"\nseed = 5\n[pretrain]\nepochs = 7\ntau = 1\nwarmup_epochs = 0\n";
    let experiment = from_file(text, &["pretrain.epochs=9", "pretrain.epochs = 11"]).unwrap();
    assert_eq!((experiment.preset.as_str(), experiment.seed), ("paper-100", 5));
    assert_eq!((experiment.pretrain.epochs, experiment.pretrain.tau, experiment.image_size), (11, 1.0, 224));
}

/// By hand: `hour` trains on views of 64 px and answers for images of 96.
#[test]
fn views_follow_the_image_size_that_a_later_part_changes() {
    let sizes = |over_preset: &[&str], set: &[&str]| {
        let (over_preset, set): (Vec<String>, Vec<String>) =
            (over_preset.iter().map(|&pair| pair.into()).collect(), set.iter().map(|&pair| pair.into()).collect());
        let request = Request { preset: Some("hour"), over_preset: &over_preset, set: &set, ..Request::default() };
        let experiment = resolve(request).unwrap();
        (experiment.image_size, experiment.pretrain.view_size)
    };
    assert_eq!(sizes(&[], &[]), (96, 64));
    assert_eq!(sizes(&[], &["image_size=96"]), (96, 64));
    assert_eq!(sizes(&[], &["image_size=32"]), (32, 0));
    assert_eq!(sizes(&[], &["pretrain.view_size=48", "image_size=32"]), (32, 48));
    assert_eq!(sizes(&["image_size=128"], &[]), (128, 0));
    assert_eq!(sizes(&["image_size=128", "pretrain.view_size=80"], &[]), (128, 80));
    assert_eq!(sizes(&["image_size=128", "pretrain.view_size=80"], &["image_size=32"]), (32, 0));
    assert_eq!(sizes(&["image_size=32"], &["image_size=96"]), (96, 0));
    // What was chosen for the time stands before what was typed.
    assert_eq!(sizes(&[], &["image_size=128", "pretrain.view_size=80", "image_size=32"]), (32, 0));
    assert_eq!(sizes(&[], &["image_size=128", "pretrain.view_size=80", "image_size=128"]), (128, 80));
    let file = |set: &[&str]| {
        let experiment = from_file("image_size = 128\n[pretrain]\nview_size = 80\n", set).unwrap();
        (experiment.image_size, experiment.pretrain.view_size)
    };
    assert_eq!((file(&[]), file(&["image_size=32"])), ((128, 80), (32, 0)));
}

#[test]
fn values_are_toml_or_else_text() {
    let set =
        ["pretrain.optimizer=sgd", "stem=\"small-stride2\"", "width=.5", "mean=[0, 0.5, 1]", "pretrain.t={hue=0.2}"];
    let experiment = with(&set).unwrap();
    assert_eq!(experiment.pretrain.optimizer, OptimizerKind::Sgd);
    assert_eq!((experiment.width, experiment.mean), (0.5, [0.0, 0.5, 1.0]));
    assert_eq!((experiment.pretrain.t.hue, experiment.pretrain.t_prime.hue), (0.2, 0.1));
}

#[test]
fn the_only_stage_needs_no_prefix() {
    let experiment = staged(Some(Stage::Pretrain), &["epochs=3", "seed=4", "t.hue=0", "finetune.epochs=2"]).unwrap();
    assert_eq!((experiment.pretrain.epochs, experiment.supervised.epochs, experiment.finetune.epochs), (3, 10, 2));
    assert_eq!((experiment.seed, experiment.pretrain.t.hue), (4, 0.0));
    let message = message(with(&["epochs=3"]));
    let hint = "did you mean 'finetune.epochs', 'pretrain.epochs' or 'supervised.epochs'?";
    assert_eq!(message, format!("unknown key 'epochs' (command line); {hint}"));
}

#[test]
fn recipes_follow_the_views() {
    let experiment = with(&["pretrain.views=paper", "pretrain.t.hue=0.3"]).unwrap();
    assert_eq!(experiment.pretrain.t, Recipe { hue: 0.3, ..Recipe::paper_t() });
    assert_eq!(experiment.pretrain.t_prime, Recipe::paper_t_prime());
    let symmetric = with(&["pretrain.views=symmetric"]).unwrap().pretrain;
    let recipe = Recipe::paper_symmetric();
    assert_eq!((&symmetric.t, &symmetric.t_prime), (&recipe, &recipe));

    let changed = from_file("preset = \"stl10\"", &["pretrain.views=lab"]).unwrap().pretrain;
    assert_eq!((&changed.t, &changed.t_prime), (&Recipe::lab(), &Recipe::lab()));
    let text = "preset = \"stl10\"\npretrain.t.hue = 0.25";
    let kept = from_file(text, &["pretrain.views=lab"]).unwrap().pretrain;
    assert_eq!((&kept.t, &kept.t_prime), (&Recipe { hue: 0.25, ..Recipe::lab() }, &Recipe::lab()));
}

#[test]
fn a_saved_configuration_comes_back_exactly_and_can_be_changed() {
    let set = ["pretrain.t.hue=0.123456789", "pretrain.learning_rate=0.1", "evaluate.linear_l2=[1e-7, 3]"];
    let experiment = with(&set).unwrap();
    let text = experiment.to_toml().unwrap();
    assert_eq!(Experiment::from_toml(&text).unwrap(), experiment);
    assert_eq!(from_file(&text, &[]).unwrap(), experiment);
    let symmetric = from_file(&text, &["pretrain.views=symmetric"]).unwrap();
    assert_eq!(symmetric.pretrain.t, Recipe { hue: 0.123456789, ..Recipe::paper_symmetric() });
    assert_eq!(symmetric.pretrain.t_prime, Recipe::paper_symmetric());

    let incomplete = text.replace("batch_size = 128\n", "");
    let message = message(Experiment::from_toml(&incomplete));
    assert_eq!(message, "key 'finetune.batch_size' is missing (complete configuration)");
}

/// A run of before there were versions goes on as it was; a file that somebody wrote leaves to the preset what it leaves out.
#[test]
fn what_a_run_did_not_say_is_as_it_was_and_what_a_file_leaves_out_as_in_the_preset() {
    let then = "preset = \"demo\"\nwidth = 0.25\n[pretrain]\nepochs = 3\n";
    let (run, file) = (from_run(then).unwrap(), from_file(then, &[]).unwrap());
    let demo = Experiment::preset("demo").unwrap();
    assert_eq!((run.checkpoint_minutes, file.checkpoint_minutes), (0.0, demo.checkpoint_minutes));
    assert_eq!((run.width, run.pretrain.epochs, file.pretrain.epochs), (0.25, 3, 3));
    assert_ne!(demo.checkpoint_minutes, 0.0);
    let saved = demo.to_toml().unwrap();
    assert_eq!((from_run(&saved).unwrap(), from_file(&saved, &[]).unwrap()), (demo.clone(), demo));
    let newer = saved.replace("version = ", "version = 9");
    for refused in [from_run(&newer), from_file(&newer, &[])] {
        let text = message(refused);
        assert!(text.starts_with("the configuration has version 9") && text.contains(".toml, line 1)"), "{text}");
    }
    let unknown = message(from_run(&format!("{saved}many_views = 3\n")));
    assert!(unknown.ends_with("a newer byol may have written it, and reads it"), "{unknown}");
}

#[test]
fn differences_name_key_and_values() {
    let (a, b) = (with(&[]).unwrap(), with(&["pretrain.epochs=2", "pretrain.t.crop_area=[0.5, 1.0]"]).unwrap());
    let found = differences(&a, &b).unwrap();
    let found: Vec<_> = found.iter().map(|d| (d.key.as_str(), d.a.as_str(), d.b.as_str())).collect();
    let expected = [("pretrain.epochs", "1", "2"), ("pretrain.t.crop_area", "[0.2, 1.0]", "[0.5, 1.0]")];
    assert_eq!(found, expected);
    assert_eq!(differences(&a, &a).unwrap(), []);
}

#[test]
fn unknown_keys_suggest_the_nearest() {
    let hint = |set: &str| message(with(&[set]));
    assert_eq!(
        hint("pretrain.epoch=1"),
        "unknown key 'pretrain.epoch' (command line); did you mean 'pretrain.epochs'?"
    );
    assert_eq!(hint("image_sise=1"), "unknown key 'image_sise' (command line); did you mean 'image_size'?");
    assert_eq!(hint("xyzzy=1"), "unknown key 'xyzzy' (command line)");
    assert_eq!(hint("seed.x=1"), "unknown key 'seed.x' (command line); did you mean 'seed'?");
    assert_eq!(hint("preset=lab"), "unknown key 'preset' (command line); choose a preset with --preset");
    let staged = message(staged(Some(Stage::Finetune), &["epoch=1"]));
    assert_eq!(staged, "unknown key 'epoch' (command line); did you mean 'epochs'?");
    let filed = message(from_file("seed = 1\n\n[pretrain]\ntua = 0.9\n", &[]));
    assert!(filed.contains("my.toml, line 4); did you mean 'pretrain.tau'?"), "{filed}");
    let empty = message(from_file("seed = 1\n[pretrian]\n", &[]));
    assert!(empty.starts_with("unknown key 'pretrian'") && empty.contains("line 2"), "{empty}");
}

/// What the type itself says of its names: "one of `adam`, `sgd`, ...".
fn allowed<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> String {
    let error = T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new("no name"));
    let error = error.unwrap_err().to_string();
    error.split_once("expected ").unwrap().1.to_owned()
}

#[test]
fn wrong_values_name_what_is_allowed() {
    let cases = [
        ("pretrain.optimizer=3", format!("3 (command line): allowed is {}", allowed::<OptimizerKind>())),
        ("encoder=[]", format!("[] (command line): allowed is {}", allowed::<EncoderKind>())),
    ];
    for (set, expected) in cases {
        let key = set.split('=').next().unwrap();
        assert_eq!(message(with(&[set])), format!("key '{key}' cannot be {expected}"));
    }
    let near = message(with(&["pretrain.optimizer=adma"]));
    assert!(near.starts_with("key 'pretrain.optimizer' cannot be \"adma\" (command line): allowed is one of `adam`, "));
    assert!(near.ends_with("; did you mean 'adam'?"), "{near}");
    let cases = [
        ("pretrain.epochs=1.5", "1.5 (command line): allowed is a whole number, 0 or more"),
        ("pretrain.epochs=-1", "-1 (command line): allowed is a whole number, 0 or more"),
        ("pretrain.epochs=0", "0 (command line): allowed is 1 to 1000000"),
        ("pretrain.tau=\"high\"", "\"high\" (command line): allowed is a number"),
        ("pretrain.tau=nan", "NaN (command line): allowed is 0 to 1"),
        ("pretrain.t.solarize_threshold=256", "256 (command line): allowed is a whole number from 0 to 255"),
        ("pretrain.batch_size=1", "1 (command line): allowed is 2 to 1048576"),
        ("pretrain.warmup_epochs=-1", "-1 (command line): allowed is 0 or more"),
        ("pretrain=3", "3 (command line): allowed is a table of keys, as in pretrain.KEY=VALUE"),
        ("finetune.patience=2", "2 (command line): allowed is 0, because validation_share is 0"),
        (
            "pretrain.views=labs",
            "\"labs\" (command line): allowed is one of `paper`, `symmetric`, `crop`, `no-color`, `lab`; did you mean 'lab'?",
        ),
    ];
    for (set, expected) in cases {
        let key = set.split('=').next().unwrap();
        assert_eq!(message(with(&[set])), format!("key '{key}' cannot be {expected}"));
    }
    for set in
        ["labels_per_class=some", "labels_per_class=[0]", "labels_per_class=[]", "labels_per_class=[1, \"some\"]"]
    {
        let message = message(with(&[set]));
        assert!(
            message.ends_with("allowed is a list of numbers above 0, \"all\" and \"folds\", as in [10, 100, \"all\"]"),
            "{message}"
        );
    }
    let twice = message(with(&["labels_per_class=[10, \"all\", 10]"]));
    assert_eq!(
        twice,
        "key 'labels_per_class' cannot be [10, all, 10] (command line): allowed is each label budget once"
    );
    let list = message(with(&["mean=[0.5, 2, 0.5]"]));
    assert_eq!(list, "key 'mean[1]' cannot be 2 (command line): allowed is 0 to 1");
    let short = message(with(&["mean=[0.5]"]));
    assert_eq!(short, "key 'mean' cannot be [0.5] (command line): allowed is an array of length 3");
    let crop = message(with(&["pretrain.t.crop_area=[0.5, 0.2]"]));
    assert!(crop.starts_with("key 'pretrain.t.crop_area' cannot be [0.5, 0.2] (command line)"), "{crop}");
    let filed = message(from_file("preset = \"lab\"\nsupervised.epochs = 0\n", &[]));
    assert!(filed.ends_with("my.toml, line 2): allowed is 1 to 1000000"), "{filed}");
}

#[test]
fn what_is_no_configuration_at_all_is_refused() {
    assert_eq!(message(with(&["epochs"])), "'epochs' is not of the form key=value, as in pretrain.epochs=3");
    let unknown = message(resolve(Request { preset: Some("labs"), ..Request::default() }));
    let presets = "demo, hour, lab, stl10, paper-40, paper-100, paper-300, paper-1000";
    assert_eq!(unknown, format!("preset 'labs' does not exist; the presets are {presets}; did you mean 'lab'?"));
    let syntax = message(from_file("seed = 1\nwidth = = 2\n", &[]));
    assert!(syntax.contains("my.toml, line 2 is not valid TOML"), "{syntax}");
    let missing = resolve(Request { file: Some(Path::new("no/such.toml")), ..Request::default() });
    let missing = message(missing);
    assert!(missing.starts_with("configuration file no/such.toml cannot be read: No such file"), "{missing}");
}

#[test]
fn budgets_need_no_brackets() {
    let budgets = |set: &str| with(&[set]).unwrap().labels_per_class;
    assert_eq!(budgets("labels_per_class=all"), [LabelBudget::All]);
    assert_eq!(budgets("labels_per_class=10"), [LabelBudget::PerClass(10)]);
    assert_eq!(budgets("labels_per_class=10,all"), [LabelBudget::PerClass(10), LabelBudget::All]);
}

#[test]
fn a_warm_up_may_be_longer_than_its_training() {
    assert_eq!(with(&["supervised.epochs=1"]).unwrap().supervised.epochs, 1);
}

#[test]
fn what_only_fine_tuning_may_have_is_refused_of_the_baseline() {
    let begun = with(&["finetune.filter_norm=initial"]).unwrap();
    assert_eq!(begun.finetune.filter_norm, FilterNorm::Initial);
    assert_eq!(Experiment::from_toml(&begun.to_toml().unwrap()).unwrap(), begun);
    assert_eq!(
        message(with(&["supervised.filter_norm=initial"])),
        "key 'supervised.filter_norm' cannot be initial (command line): allowed is kept: random filters have their initial norm"
    );
    assert_eq!(with(&["finetune.head=linear"]).unwrap().finetune.head, FirstHead::Linear);
    assert!(message(with(&["supervised.head=linear"])).contains("allowed is random"));
    let on_logits = with(&["finetune.head=linear", "faults=[\"lab-heads\"]"]);
    assert!(message(on_logits).ends_with("allowed is random, because faults has lab-heads"));
}

/// How a run was extended stands in its configuration, and goes with it wherever that is read.
#[test]
fn an_extended_configuration_is_read_back() {
    let mut experiment = with(&[]).unwrap();
    experiment.pretrain.extended = vec![experiment.pretrain.epochs];
    experiment.pretrain.epochs += 7;
    let text = experiment.to_toml().unwrap();
    assert_eq!(Experiment::from_toml(&text).unwrap(), experiment);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let read = resolve(Request { file: Some(&file), ..Request::default() }).unwrap();
    assert_eq!(read.pretrain, experiment.pretrain);
    let key: Vec<String> = differences(&with(&[]).unwrap(), &experiment).unwrap().into_iter().map(|d| d.key).collect();
    assert_eq!(key, ["pretrain.epochs", "pretrain.extended"]);
    experiment.pretrain.epochs = experiment.pretrain.extended[0];
    assert!(experiment.validate().unwrap_err().to_string().contains("pretrain.extended"));
}

#[test]
fn levels_are_read() {
    let set = |pair: &str| resolve(Request { set: &[pair.to_owned()], ..Request::default() });
    let twelve = set("levels=12bit").unwrap();
    assert_eq!(twelve.levels, Levels::Bits(12));
    assert_eq!(set("levels=-5..4095").unwrap().levels, Levels::Between { black: -5.0, white: 4095.0 });
    let text = twelve.to_toml().unwrap();
    assert_eq!(Experiment::from_toml(&text).unwrap(), twelve);
    for pair in ["levels=12", "levels=bright"] {
        let message = set(pair).unwrap_err().to_string();
        assert!(message.contains("levels") && message.contains("12bit") && message.contains("0..4095"), "{message}");
    }
}
