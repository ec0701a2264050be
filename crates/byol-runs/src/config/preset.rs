//! The presets that the library carries: whole experiments as TOML, without the recipes that follow `pretrain.views`.

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
