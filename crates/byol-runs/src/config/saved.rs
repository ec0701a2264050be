//! The configurations that runs and checkpoints keep: which version they carry, and how one of an earlier version is read.
//! What a key means today is in `config`.

use toml::Value;

use super::Origin;
use super::error::ConfigError;
use super::resolve::Entry;

/// Version of the configurations that are saved. It grows by one with every change of the keys: what is added is listed
/// in `ADDED`, what gets another name in `RENAMED`.
pub const VERSION: u32 = 4;

/// Version of a saved configuration that states none, as those of before there were versions.
const UNSTATED: u32 = 0;

/// The key that states the version.
const KEY: &str = "version";

/// A key that earlier versions did not have.
struct Added {
    /// The first version that has it.
    since: u32,
    /// As it is called today.
    key: &'static str,
    /// The value, in TOML, with which the program does what it did before there was the key.
    before: &'static str,
}

const fn added(since: u32, key: &'static str, before: &'static str) -> Added {
    Added { since, key, before }
}

/// A key that earlier versions called otherwise.
struct Renamed {
    /// The first version with the new name.
    since: u32,
    from: &'static str,
    to: &'static str,
}

/// What is needed to read configurations of every version up to `version`, each list in the order of `since`.
struct History {
    version: u32,
    added: &'static [Added],
    renamed: &'static [Renamed],
}

const HISTORY: History = History { version: VERSION, added: &ADDED, renamed: &RENAMED };

const ADDED: [Added; 61] = [
    added(1, "checkpoint_minutes", "0.0"),
    added(1, "faults", "[]"),
    added(1, "pretrain.accumulation_steps", "1"),
    added(1, "pretrain.view_size", "0"),
    added(1, "pretrain.predictor", "true"),
    added(1, "pretrain.stop_gradient", "true"),
    added(1, "pretrain.stop_on_collapse", "false"),
    added(1, "pretrain.keep_checkpoints", "2"),
    added(1, "supervised.sweep_learning_rates", "[]"),
    added(1, "supervised.sweep_epochs", "[]"),
    added(1, "finetune.sweep_learning_rates", "[]"),
    added(1, "finetune.sweep_epochs", "[]"),
    added(1, "evaluate.linear_solver", "\"lbfgs\""),
    // Of the solver `sgd`, which there was not.
    added(1, "evaluate.sgd_epochs", "80"),
    added(1, "evaluate.sgd_batch_size", "1024"),
    added(1, "evaluate.sgd_learning_rates", "[0.4, 0.3, 0.2, 0.1, 0.05]"),
    added(1, "evaluate.sgd_views", "10"),
    added(1, "levels", "\"full\""),
    added(2, "supervised.filter_norm", "\"kept\""),
    added(2, "finetune.filter_norm", "\"kept\""),
    added(2, "supervised.head", "\"random\""),
    added(2, "finetune.head", "\"random\""),
    added(2, "supervised.label_smoothing", "0.0"),
    added(2, "finetune.label_smoothing", "0.0"),
    added(2, "supervised.average", "0.0"),
    added(2, "finetune.average", "0.0"),
    added(2, "supervised.cutmix", "0.0"),
    added(2, "finetune.cutmix", "0.0"),
    added(2, "supervised.mixup", "0.0"),
    added(2, "finetune.mixup", "0.0"),
    added(2, "supervised.layer_decay", "1.0"),
    added(2, "finetune.layer_decay", "1.0"),
    added(2, "zero_init_residual", "false"),
    added(2, "pretrain.predictor_learning_rate", "1.0"),
    // Of self-training, which there was not: it is no part of those runs.
    added(2, "selftrain.part_of_run", "false"),
    added(2, "selftrain.judge", "\"every-draw\""),
    added(2, "selftrain.begin", "\"teacher\""),
    added(2, "selftrain.images", "20000"),
    added(2, "selftrain.temperature", "1.0"),
    added(2, "selftrain.align", "true"),
    added(2, "selftrain.threshold", "0.0"),
    added(2, "selftrain.targets", "\"soft\""),
    added(2, "selftrain.weight", "1.0"),
    added(2, "selftrain.steps", "1000"),
    added(2, "selftrain.batch_size", "64"),
    added(2, "selftrain.ratio", "2"),
    added(2, "selftrain.optimizer", "\"adam\""),
    added(2, "selftrain.learning_rate", "0.001"),
    added(2, "selftrain.weight_decay", "0.0"),
    added(2, "selftrain.warmup_steps", "50"),
    added(2, "selftrain.schedule", "\"cosine\""),
    added(3, "pretrain.local_views", "0"),
    added(3, "pretrain.local_size", "0"),
    added(3, "pretrain.local_area", "[0.05, 0.25]"),
    added(3, "pretrain.patches", "1"),
    added(3, "pretrain.method", "\"byol\""),
    added(3, "pretrain.temperature", "0.2"),
    added(3, "evaluation_crop", "1.0"),
    added(4, "pretrain.first_size", "0"),
    added(4, "supervised.first_size", "0"),
    added(4, "finetune.first_size", "0"),
];

const RENAMED: [Renamed; 0] = [];

/// Who wrote a configuration that states no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// This program, before there were versions.
    Program,
    /// Somebody who means today's keys, and the preset's values for what is left out.
    Person,
}

/// The entries of a configuration of any version as those of today's. Values of today's version are not looked at.
///
/// # Errors
/// The configuration is of a newer version, or its version is no number.
pub(super) fn upgrade(entries: Vec<Entry>, writer: Writer) -> Result<Vec<Entry>, ConfigError> {
    HISTORY.upgrade(entries, writer)
}

impl History {
    fn upgrade(&self, mut entries: Vec<Entry>, writer: Writer) -> Result<Vec<Entry>, ConfigError> {
        let stated = entries.iter().position(|entry| entry.key == KEY).map(|place| entries.remove(place));
        let version = match (stated, writer) {
            (Some(entry), _) => self.stated(entry)?,
            (None, Writer::Program) => UNSTATED,
            (None, Writer::Person) => return Ok(entries),
        };
        for Renamed { from, to, .. } in self.renamed.iter().filter(|renamed| renamed.since > version) {
            for entry in entries.iter_mut().filter(|entry| entry.key == *from) {
                entry.key = (*to).to_owned();
            }
        }
        for Added { key, before, .. } in self.added.iter().filter(|added| added.since > version) {
            if !entries.iter().any(|entry| entry.key == *key) {
                let value = before.parse().unwrap_or_else(|_| Value::String((*before).to_owned()));
                entries.push(Entry { key: (*key).to_owned(), value, origin: Origin::Complete });
            }
        }
        Ok(entries)
    }

    fn stated(&self, entry: Entry) -> Result<u32, ConfigError> {
        let Entry { key, value, origin } = entry;
        match value.as_integer().and_then(|version| u32::try_from(version).ok()) {
            Some(found) if found > self.version => {
                Err(ConfigError::NewerVersion { found, known: self.version, origin })
            }
            Some(version) => Ok(version),
            None => Err(ConfigError::WrongValue {
                key,
                value: value.to_string(),
                origin,
                allowed: "a whole number, 0 or more".to_owned(),
            }),
        }
    }
}

/// A configuration as TOML, with its version.
pub(super) fn stamped(text: &str) -> String {
    format!("{KEY} = {VERSION}\n{text}")
}

/// The error of a saved configuration with a key that no version has: nobody mistyped it.
pub(super) fn explained(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::UnknownKey { key, origin, .. } => {
            let hint = "; a newer byol may have written it, and reads it".to_owned();
            ConfigError::UnknownKey { key, origin, hint }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::super::{Experiment, keys};
    use super::*;

    fn message(text: &str) -> String {
        Experiment::from_toml(text).expect_err("this configuration is refused").to_string()
    }

    /// Versions 1 to 3 of a program that once had two keys.
    const MADE_UP: History = History {
        version: 3,
        added: &[added(1, "edges", "4"), added(2, "views.many", "2"), added(3, "method", "\"byol\"")],
        renamed: &[Renamed { since: 2, from: "seeds", to: "seed" }, Renamed { since: 3, from: "sides", to: "edges" }],
    };

    fn read(text: &str, writer: Writer) -> Result<String, String> {
        let table: Table = text.parse().unwrap();
        let entry = |(key, value)| Entry { key, value, origin: Origin::Complete };
        let entries = keys::flatten(&table).into_iter().map(entry).collect();
        let read = MADE_UP.upgrade(entries, writer).map_err(|error| error.to_string())?;
        let mut pairs: Vec<String> = read.iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect();
        pairs.sort();
        Ok(pairs.join(" "))
    }

    #[test]
    fn what_a_version_did_not_have_is_filled_in_and_what_it_called_otherwise_renamed() {
        let saved = |text| read(text, Writer::Program);
        let old = saved("seeds = 7\nwidth = 1");
        assert_eq!(old.unwrap(), "edges=4 method=\"byol\" seed=7 views.many=2 width=1");
        let second = saved("version = 2\nseed = 7\nsides = 5\nviews = { many = 8 }");
        assert_eq!(second.unwrap(), "edges=5 method=\"byol\" seed=7 views.many=8");
        // Of today's version nothing is filled in: it is damaged where a key is missing.
        assert_eq!(saved("version = 3\nseeds = 7").unwrap(), "seeds=7");
        // What somebody writes means today's keys, unless it says otherwise.
        assert_eq!(read("seeds = 7", Writer::Person).unwrap(), "seeds=7");
        assert_eq!(read("version = 2\nseed = 7", Writer::Person).unwrap(), "method=\"byol\" seed=7");
    }

    #[test]
    fn the_first_configurations_are_read_as_they_were_meant() {
        let saved: Table = Experiment::preset("hour").unwrap().to_toml().unwrap().parse().unwrap();
        assert_eq!(saved[KEY].as_integer(), Some(i64::from(VERSION)));
        let mut flat = keys::flatten(&saved);
        flat.remove(KEY);
        for Added { key, since, .. } in &ADDED {
            assert!((1..=VERSION).contains(since) && flat.remove(*key).is_some(), "{key} is no key of today");
        }
        assert!(ADDED.is_sorted_by_key(|added| added.since) && RENAMED.is_sorted_by_key(|renamed| renamed.since));
        let first = keys::nest(flat.iter().map(|(key, value)| (key.as_str(), value.clone()))).to_string();
        let read = Experiment::from_toml(&first).unwrap();
        let read = keys::flatten(&Table::try_from(&read).unwrap());
        for Added { key, before, .. } in &ADDED {
            assert_eq!(read[*key], before.parse().unwrap(), "{key}");
        }
        assert!(flat.iter().all(|(key, value)| read[key] == *value), "what it says stays");
    }

    #[test]
    fn what_a_newer_program_saved_is_refused_and_says_so() {
        let today = Experiment::preset("hour").unwrap().to_toml().unwrap();
        let newer = today.replace(&format!("version = {VERSION}\n"), &format!("version = {}\n", VERSION + 1));
        let expected = format!(
            "the configuration has version {} (complete configuration), and this program reads up to version {VERSION}: a newer \
             byol wrote it, and reads it",
            VERSION + 1
        );
        assert_eq!(message(&newer), expected);
        let unknown = message(&format!("{today}many_views = 3\n"));
        assert_eq!(
            unknown,
            "unknown key 'evaluate.many_views' (complete configuration); a newer byol may have written it, and reads it"
        );
        let odd = message(&today.replace(&format!("version = {VERSION}\n"), "version = \"one\"\n"));
        assert_eq!(
            odd,
            "key 'version' cannot be \"one\" (complete configuration): allowed is a whole number, 0 or more"
        );
        // Of today's version nothing may be missing.
        let missing = message(&today.replace("levels = \"full\"\n", ""));
        assert_eq!(missing, "key 'levels' is missing (complete configuration)");
    }
}
