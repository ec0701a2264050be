//! Known keys with the values that usually matter, as `--set`: a valid experiment, or an error. Each pair of bytes is the
//! number of a key and of a value.
#![no_main]

use std::sync::LazyLock;

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use libfuzzer_sys::fuzz_target;

/// Every key of the default preset, as `--set` names it.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = resolve(Request::default()).and_then(|experiment| experiment.to_toml()).expect("the default is valid");
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| *key != "version") {
            keys.push(format!("{section}{key}"));
        }
    }
    keys
});

const VALUES: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "100",
    "0.5",
    "1e308",
    "nan",
    "inf",
    "9223372036854775807",
    "true",
    "[]",
    "[0]",
    "\"\"",
    "\"all\"",
];

fuzz_target!(|bytes: &[u8]| {
    let pair = |pair: &[u8; 2]| {
        let [key, value] = pair.map(usize::from);
        format!("{}={}", KEYS[key % KEYS.len()], VALUES[value % VALUES.len()])
    };
    let pairs: Vec<String> = bytes.as_chunks().0.iter().take(8).map(pair).collect();
    if let Ok(experiment) = resolve(Request { set: &pairs, ..Request::default() }) {
        experiment.validate().expect("what is resolved is valid");
        let saved = experiment.to_toml().expect("what is valid can be saved");
        assert_eq!(Experiment::from_toml(&saved).expect("what is saved can be read"), experiment);
    }
});
