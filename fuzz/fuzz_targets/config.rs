//! Any text as a configuration file and as `--set`: a valid experiment, or an error.
#![no_main]

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("my.toml");
    std::fs::write(&path, text).expect("a temporary file can be written");
    let from_file = resolve(Request { file: Some(&path), ..Request::default() });
    let pairs: Vec<String> = text.lines().map(str::to_owned).collect();
    let from_pairs = resolve(Request { set: &pairs, ..Request::default() });
    let from_run = resolve(Request { saved: Some(&path), ..Request::default() });
    let from_text = Experiment::from_toml(text);
    for experiment in [from_file, from_run, from_pairs, from_text].into_iter().flatten() {
        experiment.validate().expect("what is resolved is valid");
        let saved = experiment.to_toml().expect("what is valid can be saved");
        assert_eq!(Experiment::from_toml(&saved).expect("what is saved can be read"), experiment);
    }
});
