//! Which keys a configuration has, and which known one a mistyped key was probably meant to be. No values are judged
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use documented::DocumentedFields;
use toml::{Table, Value};

use super::{Evaluate, Experiment, Pretrain, Selftrain, Supervised};
use crate::augment::Recipe;
use crate::stage::Stage;

/// A table of a configuration, as its type describes it.
pub(super) struct Section {
    /// Dotted from the top; empty for the top itself.
    pub name: &'static str,
    keys: &'static [&'static str],
    /// The documentation of each key.
    meanings: &'static [&'static str],
}

const fn section<T: DocumentedFields>(name: &'static str) -> Section {
    Section { name, keys: T::FIELD_NAMES, meanings: T::FIELD_DOCS }
}

/// Every table of a configuration.
pub(super) const SECTIONS: [Section; 8] = [
    section::<Experiment>(""),
    section::<Pretrain>("pretrain"),
    section::<Recipe>("pretrain.t"),
    section::<Recipe>("pretrain.t_prime"),
    section::<Supervised>("supervised"),
    section::<Supervised>("finetune"),
    section::<Selftrain>("selftrain"),
    section::<Evaluate>("evaluate"),
];

/// Keys that the program sets where something has happened, and no configuration may.
pub(super) const OWN: [&str; 2] = [INITIAL_WEIGHTS, EXTENDED];
pub(super) const INITIAL_WEIGHTS: &str = "initial_weights";
pub(super) const EXTENDED: &str = "pretrain.extended";

impl Section {
    /// The documentation of one of its keys; empty where it has no such key.
    pub fn meaning(&self, key: &str) -> &'static str {
        let of_key = self.keys.iter().zip(self.meanings).find(|(own, _)| **own == key);
        of_key.map_or("", |(_, meaning)| *meaning)
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Every key that holds a value and may be set, dotted from the top: `pretrain.t.hue`.
static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let all = SECTIONS.iter().flat_map(|section| section.keys.iter().map(|key| section.dotted(key)));
    let is_table = |key: &String| SECTIONS.iter().any(|section| section.name == key);
    all.filter(|key| !is_table(key) && !OWN.contains(&key.as_str())).collect()
});

/// Every key that holds a value and may be set.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(String::as_str)
}

/// The values of a table by dotted key. An empty table counts as a value, so that its name is checked too.
pub(super) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    fn descend(prefix: &str, table: &Table, found: &mut BTreeMap<String, Value>) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(inner) if !inner.is_empty() => descend(&format!("{key}."), inner, found),
                _ => {
                    found.insert(key, value.clone());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    descend("", table, &mut found);
    found
}

/// The inverse of [`flatten`].
pub(super) fn nest<'a>(values: impl IntoIterator<Item = (&'a str, Value)>) -> Table {
    let mut table = Table::new();
    for (key, value) in values {
        insert(&mut table, key, value);
    }
    table
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// What a key as it was typed stands for.
pub(super) enum Meaning {
    Key(String),
    /// The name of a table of keys.
    Table,
    /// Unknown, with a hint that is empty or begins with `; `.
    Unknown(String),
}

/// The key that `typed` stands for. Within one stage, a key without prefix that is not a top-level one is the stage's.
pub(super) fn meaning(typed: &str, stage: Option<Stage>) -> Meaning {
    let prefixed = stage.map(|stage| format!("{}.{typed}", table_of(stage)));
    for key in [Some(typed.to_owned()), prefixed].into_iter().flatten() {
        if KNOWN.contains(&key) {
            return Meaning::Key(key);
        }
        let inside = format!("{key}.");
        if known().any(|known| known.starts_with(&inside)) {
            return Meaning::Table;
        }
    }
    Meaning::Unknown(hint(typed, stage))
}

fn table_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Pretrain => "pretrain",
        Stage::Supervised => "supervised",
        Stage::Finetune => "finetune",
        Stage::Selftrain => "selftrain",
    }
}

/// Similarity below which a known key is no plausible reading of an unknown one.
const PLAUSIBLE: f64 = 0.6;

fn hint(typed: &str, stage: Option<Stage>) -> String {
    let suffix = format!(".{typed}");
    let of_stages: Vec<String> =
        known().filter(|known| known.ends_with(&suffix)).map(|known| format!("'{known}'")).collect();
    match of_stages.as_slice() {
        [] => {}
        [one] => return format!("; did you mean {one}?"),
        [first @ .., last] => return format!("; did you mean {} or {last}?", first.join(", ")),
    }
    // A key typed without its table is compared with keys without theirs.
    let prefix = stage.map(|stage| format!("{}.", table_of(stage)));
    let scored = known().map(|key| {
        let own = prefix.as_deref().and_then(|prefix| key.strip_prefix(prefix));
        let last = key.rsplit_once('.').map_or(key, |(_, last)| last);
        let whole = strsim::normalized_damerau_levenshtein(typed, key);
        let score = match own {
            Some(own) => strsim::normalized_damerau_levenshtein(typed, own).max(whole),
            None if typed.contains('.') => whole,
            None => strsim::normalized_damerau_levenshtein(typed, last).max(whole),
        };
        (score, own.unwrap_or(key))
    });
    // Of equally near keys the first one in the order of the keys is named, a stage's own before those of others.
    let best = scored.fold(None, |best: Option<(f64, &str)>, (score, key)| match best {
        Some((top, held)) if top > score || (top == score && held.len() <= key.len()) => best,
        _ => Some((score, key)),
    });
    match best {
        Some((score, key)) if score >= PLAUSIBLE => format!("; did you mean '{key}'?"),
        _ => String::new(),
    }
}
