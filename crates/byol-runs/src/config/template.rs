//! A configuration file for people to change: every key with its value in a preset, what it means, what it may be, and
//! its default. What is said of a key comes from the fields' own documentation and from the validation's own messages.

use std::io::Write;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::resolve::{Request, build, resolve};
use super::{Experiment, Origin, keys, preset};

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new file is not written.
    Keep,
    /// Its content is replaced.
    Replace,
}

/// A configuration file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The preset does not exist.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file is there already.
    #[error("{} exists already; name another file, or replace it with --force", path.display())]
    Exists {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The system refuses the file.
    #[error("configuration file {} cannot be written", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
}

impl TemplateError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, TemplateError::Config(_) | TemplateError::Exists { .. })
    }
}

/// Writes the configuration of a preset, with comments, to a file.
///
/// # Errors
/// There is no such preset, or the file is there already or cannot be written.
pub fn write(path: &Path, preset: &str, existing: Existing) -> Result<(), TemplateError> {
    let text = commented(preset)?;
    let mut options = std::fs::OpenOptions::new();
    match existing {
        Existing::Keep => options.write(true).create_new(true),
        Existing::Replace => options.write(true).create(true).truncate(true),
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => TemplateError::Exists { path: path.to_owned() },
        _ => TemplateError::Write { path: path.to_owned(), source },
    })
}

/// Columns of a comment.
const WIDTH: usize = 100;

/// The configuration of a preset as TOML with comments. It resolves to the preset's own configuration.
///
/// The recipes of the views are commented out: they follow `pretrain.views`, and values that stood in the file would not.
///
/// # Errors
/// There is no such preset.
pub fn commented(preset: &str) -> Result<String, ConfigError> {
    let experiment = resolve(Request { preset: Some(preset), ..Request::default() })?;
    let default = resolve(Request { preset: Some(preset::DEFAULT), ..Request::default() })?;
    let default = keys::flatten(&Table::try_from(&default)?);
    let ranges = Ranges::of(&experiment)?;
    let mut text = format!(
        "# Configuration of byol, with the values of the preset {preset}.\n#\n# Each key has its meaning, then what it may be \
         and its value in the preset {}, the default.\n# A key that is left out has its value of the preset that `preset` \
         names.\n",
        preset::DEFAULT
    );
    let mut section = String::new();
    for line in toml::to_string(&experiment)?.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            text += &format!("\n# {}\n", rule(&section));
            text += &comment(&table_meaning(&section));
            text += &format!("{}[{section}]\n", mark(&section));
        } else if let Some((key, value)) = line.split_once(" = ") {
            let full = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            text += "\n";
            text += &comment(&meaning(&section, key));
            text += &comment(&remark(&full, &ranges, default.get(&full)));
            text += &format!("{}{key} = {value}\n", mark(&section));
        }
    }
    Ok(text)
}

/// What comes before a line of this table: the recipes are commented out.
fn mark(section: &str) -> &'static str {
    if is_recipe(section) { "#" } else { "" }
}

fn is_recipe(section: &str) -> bool {
    matches!(section, "pretrain.t" | "pretrain.t_prime")
}

fn rule(section: &str) -> String {
    "-".repeat(WIDTH - 2 - section.len()) + section
}

/// What a key means, in one sentence.
fn meaning(section: &str, key: &str) -> String {
    if section.is_empty() && key == "preset" {
        return "The preset whose values the keys have that are left out here".to_owned();
    }
    let known = keys::SECTIONS.iter().find(|known| known.name == section);
    sentence(known.map_or("", |known| known.meaning(key)))
}

/// What a table is for.
fn table_meaning(section: &str) -> String {
    let follows = match section {
        "pretrain.t" | "pretrain.t_prime" => ". It follows `views`; take the # away from a key to set it yourself",
        _ => "",
    };
    let (table, name) = section.rsplit_once('.').unwrap_or(("", section));
    meaning(table, name) + follows
}

/// The first sentence of a documentation comment, on one line and without its full stop.
fn sentence(documentation: &str) -> String {
    let line = documentation.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    // A full stop before a capital letter ends a sentence; one in `arXiv 2006.07733` does not.
    let mut end = line.len();
    for (at, _) in line.match_indices(". ") {
        if line[at + 2..].starts_with(|next: char| next.is_uppercase()) {
            end = at;
            break;
        }
    }
    line[..end].trim().trim_end_matches('.').to_owned()
}

/// What a key may be, and its default.
fn remark(key: &str, ranges: &Ranges, default: Option<&Value>) -> String {
    match (key, default) {
        ("preset", _) => format!("one of {}", preset::NAMES.join(", ")),
        _ if key.starts_with("pretrain.t.") || key.starts_with("pretrain.t_prime.") => ranges.allowed(key),
        (_, Some(default)) => format!("{}; default {default}", ranges.allowed(key)),
        (_, None) => ranges.allowed(key),
    }
}

/// Lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines += &line;
            lines += "\n";
            line = String::from("#");
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}

/// What each key may be, as the validation says when it is given something else.
struct Ranges {
    settings: std::collections::BTreeMap<String, (Value, Origin)>,
}

impl Ranges {
    fn of(experiment: &Experiment) -> Result<Ranges, ConfigError> {
        let values = keys::flatten(&Table::try_from(experiment)?).into_iter();
        Ok(Ranges { settings: values.map(|(key, value)| (key, (value, Origin::Complete))).collect() })
    }

    fn allowed(&self, key: &str) -> String {
        let Some((value, _)) = self.settings.get(key) else { return String::new() };
        // Of the wrong type first, then too small, then too large: the last refusal says most.
        let attempts: Vec<Value> = match value {
            Value::Boolean(_) => return "true or false".to_owned(),
            Value::String(_) => vec![Value::String(String::new())],
            Value::Integer(_) => vec![Value::Integer(-1), Value::Integer(0), Value::Integer(i64::MAX)],
            Value::Float(_) => vec![Value::String(String::new()), Value::Float(f64::NAN), Value::Float(1e300)],
            Value::Array(elements) => self.wrong_lists(key, elements),
            Value::Datetime(_) | Value::Table(_) => return String::new(),
        };
        attempts.into_iter().rev().find_map(|attempt| self.refusal(key, attempt)).unwrap_or_default()
    }

    fn wrong_lists(&self, key: &str, elements: &[Value]) -> Vec<Value> {
        let list = |element: Value| Value::Array(vec![element; elements.len().max(1)]);
        let number =
            if matches!(elements.first(), Some(Value::Float(_))) { Value::Float(-1.0) } else { Value::Integer(-1) };
        match key {
            "labels_per_class" => vec![list(Value::Integer(0))],
            "faults" => vec![list(Value::String(String::new()))],
            _ => vec![list(number)],
        }
    }

    /// What the key may be, where the validation refuses `value`.
    fn refusal(&self, key: &str, value: Value) -> Option<String> {
        let list = matches!(value, Value::Array(_));
        let mut settings = self.settings.clone();
        settings.get_mut(key)?.0 = value;
        match build(&settings) {
            // An element is named with its index.
            Err(ConfigError::WrongValue { key: element, allowed, .. }) if element.ends_with(']') => {
                Some(format!("a list, each {}", listed(&allowed)))
            }
            // The deserialiser names the whole list for one of its elements.
            Err(ConfigError::WrongValue { allowed, .. })
                if list && ["one of ", "a whole number"].iter().any(|one| allowed.starts_with(one)) =>
            {
                Some(format!("a list, each {}", listed(&allowed)))
            }
            Err(ConfigError::WrongValue { allowed, .. }) => Some(listed(&allowed)),
            _ => None,
        }
    }
}

/// Names that stand in backticks, as they are written in a file.
fn listed(allowed: &str) -> String {
    let names: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
    match names.as_slice() {
        [] => allowed.to_owned(),
        names => format!("one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file with the lines of the recipes made active.
    fn with_recipes(text: &str) -> String {
        let active = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '\n']) && !rest.is_empty() => rest.to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(|line| active(line) + "\n").collect()
    }

    #[test]
    fn every_preset_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        for name in preset::NAMES {
            let path = folder.path().join(name);
            write(&path, name, Existing::Keep).unwrap();
            let expected = resolve(Request { preset: Some(name), ..Request::default() }).unwrap();
            let found = resolve(Request { file: Some(&path), ..Request::default() }).unwrap();
            assert_eq!(found, expected);
            let text = with_recipes(&std::fs::read_to_string(&path).unwrap());
            std::fs::write(&path, &text).unwrap();
            assert_eq!(resolve(Request { file: Some(&path), ..Request::default() }).unwrap(), expected);
            let table: Table = text.parse().unwrap();
            let found: Vec<String> = keys::flatten(&table).into_keys().collect();
            assert_eq!(found, keys::known().collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_key_says_what_it_means_and_may_be() {
        let text = commented("hour").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut keys = 0;
        for (at, line) in lines.iter().enumerate() {
            let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with("# ")) else { continue };
            let comments: Vec<&str> =
                lines[..at].iter().rev().take_while(|line| line.starts_with("# ")).copied().collect();
            assert!(comments.len() >= 2, "{key} has no comment");
            assert!(comments.iter().all(|line| line.len() > 3 && line.len() <= WIDTH), "{comments:?}");
            keys += 1;
        }
        assert_eq!(keys, keys::known().count());
        for excerpt in [
            "# Side of the square images that the encoder sees, in pixels\n# 8 to 1024; default 96\nimage_size = 96\n",
            "# one of adam, ",
            "; default \"adam\"\noptimizer = \"adam\"\n",
            "#solarize_probability = 0.2\n",
            "# a list, each one of unpaired-views, online-target, unnormalized, lab-heads, evaluation-mode;",
            "# a list, each 0 to 1; default [0.485, 0.456, 0.406]\n",
            "# a whole number from 0 to 255\n",
        ] {
            assert!(text.contains(excerpt), "{excerpt} is not in\n{text}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("byol.toml");
        std::fs::write(&path, "mine").unwrap();
        let error = write(&path, "hour", Existing::Keep).unwrap_err();
        assert!(error.to_string().ends_with("byol.toml exists already; name another file, or replace it with --force"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        write(&path, "hour", Existing::Replace).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("image_size = 96"));
        let missing = folder.path().join("missing/byol.toml");
        assert!(matches!(write(&missing, "hour", Existing::Keep), Err(TemplateError::Write { .. })));
    }

    #[test]
    fn sentences_end_where_they_do() {
        assert_eq!(sentence("Passes over the\nlabelled images."), "Passes over the labelled images");
        assert_eq!(sentence("BYOL (arXiv 2006.07733, section 3.1). More."), "BYOL (arXiv 2006.07733, section 3.1)");
    }
}
