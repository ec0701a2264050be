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
    for experiment in [from_file.ok(), from_pairs.ok(), Experiment::from_toml(text).ok()].into_iter().flatten() {
        experiment.validate().expect("what is resolved is valid");
        let saved = experiment.to_toml().expect("what is valid can be saved");
        assert_eq!(Experiment::from_toml(&saved).expect("what is saved can be read"), experiment);
    }
});
