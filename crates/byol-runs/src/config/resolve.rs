//! From an embedded preset, a file and `key=value` pairs to one validated [`Experiment`]. The ranges of values are in
//! `validate`, the keys in `keys`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::error::{ConfigError, Origin};
use super::keys::{self, Meaning};
use super::keys::{EXTENDED, INITIAL_WEIGHTS};
use super::saved::{self, Writer};
use super::validate::BUDGETS;
use super::{Experiment, ViewSet, preset};
use crate::augment::Recipe;
use crate::data::levels::LevelsError;
use crate::nearest::hint;
use crate::stage::Stage;

/// What was asked for. Later parts win over earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// An embedded preset; without one, the preset that the file names, else [`preset::DEFAULT`].
    pub preset: Option<&'a str>,
    /// `key=value` pairs that replace those of the preset, and that a file replaces: what goes with given weights.
    pub over_preset: &'a [String],
    /// A TOML file with some or all keys of [`Experiment`], which somebody wrote.
    pub file: Option<&'a Path>,
    /// The saved configuration of a run, of this version or an earlier one, in place of `file`.
    pub saved: Option<&'a Path>,
    /// `key=value` pairs. A value that is not TOML is taken as text: `pretrain.optimizer=sgd`.
    pub set: &'a [String],
    /// The only stage there is, whose keys then need no prefix: `epochs=3`.
    pub stage: Option<Stage>,
}

/// Resolves and validates a configuration.
///
/// The recipes `pretrain.t` and `pretrain.t_prime` follow `pretrain.views`, except for keys of them that the file or a
/// pair sets; presets set none. A recipe key in a file that only repeats what the file's `views` stands for (as in the
/// saved configuration of a run) counts as not set. `pretrain.view_size` belongs to the `image_size` that was stated before
/// it: where a later part changes that and says nothing of views, they have the size of the images (0).
///
/// # Errors
/// The preset does not exist, the file cannot be read, a key is unknown, a value has the wrong type or range.
pub fn resolve(request: Request<'_>) -> Result<Experiment, ConfigError> {
    Ok(resolve_typed(request)?.0)
}

/// The keys that somebody stated in a file or as a pair, rather than a preset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed(BTreeSet<String>);

impl Typed {
    /// Whether the key, with the names of its tables (`pretrain.epochs`), was stated.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}

/// As [`resolve`], with the keys that do not come from the preset.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_typed(request: Request<'_>) -> Result<(Experiment, Typed), ConfigError> {
    let (mut user, extended) = stated(request)?;
    let named = user.iter().find(|entry| entry.key == "preset").and_then(|entry| entry.value.as_str());
    let name = request.preset.or(named).unwrap_or(preset::DEFAULT).to_owned();
    user.retain(|entry| entry.key != "preset");
    let pairs = request.set.iter().map(|text| parse_pair(text)).collect::<Result<Vec<_>, _>>()?;
    for entry in meant(pairs.into_iter().flatten().collect(), request.stage)? {
        if entry.key == "preset" {
            let hint = "; choose a preset with --preset".to_owned();
            return Err(ConfigError::UnknownKey { key: entry.key, origin: entry.origin, hint });
        }
        user.push(entry);
    }

    let preset = preset::values(&name)?;
    let origin = Origin::Preset(name);
    let mut settings: BTreeMap<String, (Value, Origin)> =
        preset.into_iter().map(|(key, value)| (key, (value, origin.clone()))).collect();
    let over_preset = request.over_preset.iter().map(|text| parse_pair(text)).collect::<Result<Vec<_>, _>>()?;
    let over_preset = over_preset.into_iter().flatten().map(|entry| Entry { origin: Origin::Weights, ..entry });
    let typed = user.iter().map(|entry| entry.key.clone()).collect();
    replace(&mut settings, over_preset.chain(user).chain(extended));
    if let Some((value, _)) = settings.get_mut(BUDGETS_KEY) {
        *value = listed(value);
    }
    // An unknown name of views is reported with every other wrong value, below.
    let views = settings.get(VIEWS).and_then(|(value, _)| view_set(value)).unwrap_or(ViewSet::Paper);
    for (key, value) in recipe_values(views) {
        settings.entry(key).or_insert_with(|| (value, origin.clone()));
    }
    Ok((build(&settings)?, Typed(typed)))
}

/// Replaces settings by later ones, in their order. Views of a size of their own belong to the image size that was stated
/// before them: where a later one changes it, and nothing else is said of views, they have the size of the images.
fn replace(settings: &mut BTreeMap<String, (Value, Origin)>, entries: impl Iterator<Item = Entry>) {
    let mut sized = false;
    let mut belongs = true;
    for Entry { key, value, origin } in entries {
        if key == IMAGE_SIZE {
            let changed = settings.get(IMAGE_SIZE).is_none_or(|(size, _)| *size != value);
            if changed && belongs {
                settings.insert(VIEW_SIZE.to_owned(), (Value::Integer(0), origin.clone()));
            }
            sized = true;
        }
        if key == VIEW_SIZE {
            belongs = sized;
        }
        settings.insert(key, (value, origin));
    }
}

/// What a file or a saved configuration states, and how a run was extended.
fn stated(request: Request<'_>) -> Result<(Vec<Entry>, Option<Entry>), ConfigError> {
    let (mut entries, writer) = match (request.saved, request.file) {
        (Some(saved), _) => (read_file(saved)?, Writer::Program),
        (None, Some(file)) => (read_file(file)?, Writer::Person),
        (None, None) => (Vec::new(), Writer::Person),
    };
    entries = saved::upgrade(entries, writer)?;
    // The saved configuration of a run names its initial weights, which no other run begins with for that.
    entries.retain(|entry| entry.key != INITIAL_WEIGHTS);
    // How a run was extended belongs to its length, and goes on with it.
    let extended = entries.iter().position(|entry| entry.key == EXTENDED).map(|place| entries.remove(place));
    let entries = match writer {
        Writer::Program => meant(entries, None).map_err(saved::explained)?,
        Writer::Person => meant(entries, request.stage)?,
    };
    Ok((follow_views(entries), extended))
}

const IMAGE_SIZE: &str = "image_size";
const VIEW_SIZE: &str = "pretrain.view_size";
const VIEWS: &str = "pretrain.views";
const BUDGETS_KEY: &str = "labels_per_class";
const LEVELS: &str = "levels";

/// Label budgets that were typed without brackets, `all` or `10,all`, as the list that they are.
fn listed(value: &Value) -> Value {
    let budget = |text: &str| match text.trim().parse() {
        Ok(number) => Value::Integer(number),
        Err(_) => Value::String(text.trim().to_owned()),
    };
    match value {
        Value::String(text) => Value::Array(text.split(',').map(budget).collect()),
        Value::Integer(_) => Value::Array(vec![value.clone()]),
        other => other.clone(),
    }
}

/// A key with its value as somebody stated it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

fn view_set(value: &Value) -> Option<ViewSet> {
    ViewSet::deserialize(value.clone()).ok()
}

/// The keys of `pretrain.t` and `pretrain.t_prime` with the values that `views` stands for.
fn recipe_values(views: ViewSet) -> BTreeMap<String, Value> {
    let (t, t_prime) = views.recipes();
    let mut values = BTreeMap::new();
    for (name, recipe) in [("t", t), ("t_prime", t_prime)] {
        // A recipe holds numbers and arrays of numbers, which TOML can always express.
        for (key, value) in keys::flatten(&Table::try_from(recipe).unwrap_or_default()) {
            values.insert(format!("pretrain.{name}.{key}"), value);
        }
    }
    values
}

impl ViewSet {
    /// The recipes of the two views, t and t'.
    pub fn recipes(self) -> (Recipe, Recipe) {
        match self {
            ViewSet::Paper => (Recipe::paper_t(), Recipe::paper_t_prime()),
            ViewSet::Symmetric => (Recipe::paper_symmetric(), Recipe::paper_symmetric()),
            ViewSet::Crop => (Recipe::paper_t().only_crop(), Recipe::paper_t_prime().only_crop()),
            ViewSet::NoColor => (Recipe::paper_t().without_color(), Recipe::paper_t_prime().without_color()),
            ViewSet::Lab => (Recipe::lab(), Recipe::lab()),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

pub(super) fn parse_table(text: &str, origin_at: impl Fn(usize) -> Origin) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| ConfigError::Syntax {
        origin: origin_at(line_of(text, error.span().map_or(0, |span| span.start))),
        message: error.message().replace('\n', ", "),
    })
}

fn read_file(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let origin_at = |line| Origin::File { path: path.to_owned(), line };
    let table = parse_table(&text, origin_at)?;
    let mut lines = BTreeMap::new();
    if let Ok(spanned) = DeTable::parse(&text) {
        collect_lines(&text, "", spanned.get_ref(), &mut lines);
    }
    let entries = keys::flatten(&table).into_iter().map(|(key, value)| {
        let origin = origin_at(lines.get(&key).copied().unwrap_or(1));
        Entry { key, value, origin }
    });
    Ok(entries.collect())
}

fn collect_lines(text: &str, prefix: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            collect_lines(text, &format!("{key}."), inner, lines);
        }
        lines.insert(key, line_of(text, name.span().start));
    }
}

fn parse_pair(text: &str) -> Result<Vec<Entry>, ConfigError> {
    let not_a_pair = || ConfigError::NotAnAssignment { text: text.to_owned() };
    let (key, value) = text.split_once('=').ok_or_else(not_a_pair)?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() {
        return Err(not_a_pair());
    }
    let parsed = value.parse::<Value>().ok();
    // TOML wants a digit before the point.
    let parsed = parsed.or_else(|| value.parse::<f64>().ok().map(Value::Float));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    let values = keys::flatten(&keys::nest([(key, value)]));
    Ok(values.into_iter().map(|(key, value)| Entry { key, value, origin: Origin::Set }).collect())
}

/// Replaces every key as typed by the key that it stands for.
fn meant(entries: Vec<Entry>, stage: Option<Stage>) -> Result<Vec<Entry>, ConfigError> {
    let mut meant = Vec::with_capacity(entries.len());
    for Entry { key, value, origin } in entries {
        match keys::meaning(&key, stage) {
            Meaning::Key(key) => meant.push(Entry { key, value, origin }),
            Meaning::Table if matches!(&value, Value::Table(table) if table.is_empty()) => {}
            Meaning::Table => {
                let allowed = format!("a table of keys, as in {key}.KEY=VALUE");
                return Err(ConfigError::WrongValue { key, value: value.to_string(), origin, allowed });
            }
            Meaning::Unknown(hint) => return Err(ConfigError::UnknownKey { key, origin, hint }),
        }
    }
    Ok(meant)
}

/// Leaves out the recipe keys of a file that only repeat what its `views` stands for.
fn follow_views(mut entries: Vec<Entry>) -> Vec<Entry> {
    let views = entries.iter().find(|entry| entry.key == VIEWS).and_then(|entry| view_set(&entry.value));
    if let Some(views) = views {
        let base = recipe_values(views);
        entries.retain(|entry| base.get(&entry.key) != Some(&entry.value));
    }
    entries
}

/// Deserialises and validates settings by dotted key.
pub(super) fn build(settings: &BTreeMap<String, (Value, Origin)>) -> Result<Experiment, ConfigError> {
    // An element of a list, `mean[1]`, stands where its list does.
    let list = |key: &str| key.split('[').next().unwrap_or_default().to_owned();
    let origin = |key: &str| settings.get(&list(key)).map_or(Origin::Complete, |(_, origin)| origin.clone());
    let table = keys::nest(settings.iter().map(|(key, (value, _))| (key.as_str(), value.clone())));
    let experiment: Experiment = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let key = list(&error.path().to_string());
        let value = settings.get(&key).map(|(value, _)| value.to_string()).unwrap_or_default();
        let allowed = allowed(settings, &key, error.inner().message());
        let allowed = suggested(settings.get(&key).map(|(value, _)| value), &allowed);
        ConfigError::WrongValue { value, origin: origin(&key), allowed, key }
    })?;
    experiment.validate().map_err(|error| match error {
        ConfigError::WrongValue { key, value, allowed, .. } => {
            ConfigError::WrongValue { origin: origin(&key), key, value, allowed }
        }
        other => other,
    })?;
    Ok(experiment)
}

/// What is allowed, and which of the names in it was probably meant.
fn suggested(value: Option<&Value>, allowed: &str) -> String {
    let mut typed: Vec<&Value> = match value {
        Some(Value::Array(elements)) => elements.iter().collect(),
        other => other.into_iter().collect(),
    };
    let names: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
    typed.retain(|value| value.as_str().is_some_and(|text| !names.contains(&text)));
    let unknown = typed.first().and_then(|value| value.as_str()).unwrap_or_default();
    format!("{allowed}{}", hint(unknown, names))
}

/// What a value of the wrong type should have been, from the deserialiser's message.
fn allowed(settings: &BTreeMap<String, (Value, Origin)>, key: &str, message: &str) -> String {
    let expected = message.rsplit_once("expected ").map_or(message, |(_, expected)| expected);
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        _ if key == "labels_per_class" => BUDGETS.to_owned(),
        _ if key == LEVELS => LevelsError.to_string(),
        _ if message.contains("unknown variant") => expected.to_owned(),
        // A name was expected, but the value is not text: a text that is no name makes the deserialiser list the names.
        _ if !matches!(settings.get(key), Some((Value::String(_), _))) => {
            let probe = settings.iter().map(|(at, (value, _))| {
                let value = if at == key { Value::String(String::new()) } else { value.clone() };
                (at.as_str(), value)
            });
            match Value::Table(keys::nest(probe)).try_into::<Experiment>() {
                Err(error) if error.message().contains("unknown variant") => {
                    error.message().rsplit_once("expected ").map_or(message, |(_, names)| names).to_owned()
                }
                _ => expected.to_owned(),
            }
        }
        _ => expected.to_owned(),
    }
}

impl Experiment {
    /// Reads a complete configuration, as [`Experiment::to_toml`] of this version or an earlier one wrote it. A key that there
    /// was not yet has the value with which the program does what it did then; nothing else is filled in.
    ///
    /// # Errors
    /// Not TOML, of a newer version, a key is missing or unknown, a value has the wrong type or range.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table = parse_table(text, |line| Origin::File { path: "config.toml".into(), line })?;
        let entries = keys::flatten(&table).into_iter();
        let entries = entries.map(|(key, value)| Entry { key, value, origin: Origin::Complete }).collect();
        let entries = saved::upgrade(entries, Writer::Program)?;
        let (own, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| keys::OWN.contains(&entry.key.as_str()));
        let entries = meant(entries, None).map_err(saved::explained)?;
        let settings: BTreeMap<String, (Value, Origin)> =
            entries.into_iter().chain(own).map(|entry| (entry.key, (entry.value, entry.origin))).collect();
        if let Some(key) = keys::known().find(|key| !settings.contains_key(*key)) {
            return Err(ConfigError::MissingKey { key: key.to_owned(), origin: Origin::Complete });
        }
        build(&settings)
    }

    /// The complete configuration with its [`VERSION`](super::VERSION); [`Experiment::from_toml`] reads exactly the same one
    /// back.
    ///
    /// # Errors
    /// A whole number is too large for TOML (2^63 or more), which [`Experiment::validate`] forbids.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        Ok(saved::stamped(&toml::to_string(self)?))
    }
}

/// A key that two configurations disagree on, with both values as TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The key, with the names of its tables: `pretrain.epochs`.
    pub key: String,
    /// Its value in the first configuration, as TOML.
    pub a: String,
    /// Its value in the second configuration, as TOML.
    pub b: String,
}

/// Every key whose value differs between two configurations, in alphabetical order; `preset` is only a name and is left
/// out.
///
/// # Errors
/// As [`Experiment::to_toml`].
pub fn differences(a: &Experiment, b: &Experiment) -> Result<Vec<Difference>, ConfigError> {
    let flat = |experiment: &Experiment| -> Result<_, ConfigError> {
        let mut flat = keys::flatten(&Table::try_from(experiment)?);
        flat.entry(INITIAL_WEIGHTS.to_owned()).or_insert_with(|| Value::String(String::new()));
        flat.entry(EXTENDED.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
        Ok(flat)
    };
    let (a, mut b) = (flat(a)?, flat(b)?);
    let pairs = a.into_iter().filter_map(|(key, a)| b.remove(&key).map(|b| (key, a, b)));
    let differing = pairs.filter(|(key, a, b)| key != "preset" && a != b);
    Ok(differing.map(|(key, a, b)| Difference { key, a: a.to_string(), b: b.to_string() }).collect())
}

/// Whether a key only says what is looked at and kept while training, so that a run may go on with another value: no
/// trained number depends on it. How often is looked counts where patience goes by what is seen.
pub(crate) fn only_watches(key: &str, experiment: &Experiment) -> bool {
    match key {
        "pretrain.monitor_every" => !experiment.pretrain.is_patient_by_knn(),
        "checkpoint_minutes"
        | "pretrain.stop_on_collapse"
        | "pretrain.checkpoint_every"
        | "pretrain.keep_checkpoints" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
