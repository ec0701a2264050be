//! The presets that the library carries: experiments as TOML, without the recipes that follow `pretrain.views`. One that says
//! `base = "NAME"` has the values of that one wherever it has none of its own; what none of them says, all have from `common.toml`.

use std::collections::BTreeMap;

use toml::Value;

use super::error::{ConfigError, Origin};
use super::{keys, resolve};

/// Every preset, in the order in which people are told of them.
pub const NAMES: [&str; 8] = ["demo", "hour", "lab", "stl10", "paper-40", "paper-100", "paper-300", "paper-1000"];

/// The preset of whoever names none.
pub const DEFAULT: &str = "hour";

/// The TOML text of a preset; its opening comment says its command, hardware, time and measured result.
pub fn text(name: &str) -> Option<&'static str> {
    Some(match name {
        "demo" => include_str!("../../presets/demo.toml"),
        "hour" => include_str!("../../presets/hour.toml"),
        "lab" => include_str!("../../presets/lab.toml"),
        "stl10" => include_str!("../../presets/stl10.toml"),
        "paper-40" => include_str!("../../presets/paper-40.toml"),
        "paper-100" => include_str!("../../presets/paper-100.toml"),
        "paper-300" => include_str!("../../presets/paper-300.toml"),
        "paper-1000" => include_str!("../../presets/paper-1000.toml"),
        _ => return None,
    })
}

/// The values that all presets have in common.
const COMMON: &str = include_str!("../../presets/common.toml");

/// The key of a preset that names the one it changes.
const BASE: &str = "base";

/// Every value of a preset by its dotted key, those of its base and the common ones included.
pub(super) fn values(name: &str) -> Result<BTreeMap<String, Value>, ConfigError> {
    let mut values = BTreeMap::new();
    let mut next = Some(name.to_owned());
    // None of them is based on itself, so that there are at most as many as there are presets.
    for _ in NAMES {
        let Some(name) = next.take() else { break };
        let Some(text) = text(&name) else { return Err(ConfigError::UnknownPreset { name }) };
        let mut table = resolve::parse_table(text, |_| Origin::Preset(name.clone()))?;
        next = table.remove(BASE).and_then(|base| base.as_str().map(str::to_owned));
        for (key, value) in keys::flatten(&table) {
            values.entry(key).or_insert(value);
        }
    }
    for (key, value) in keys::flatten(&resolve::parse_table(COMMON, |_| Origin::Complete)?) {
        values.entry(key).or_insert(value);
    }
    Ok(values)
}
