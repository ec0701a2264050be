//! `command.toml`: what a run was asked for, so that `--resume RUN` needs nothing else and the report can say how to
//! repeat it. What it computes is in `config.toml`; no trained number depends on this file.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunError;
use super::directory::RunDirectory;
use crate::files::write_atomically;

/// Name of the file in a run directory.
const FILE: &str = "command.toml";

/// The commands that leave a run directory behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingCommand {
    /// The whole comparison.
    #[default]
    Run,
    /// The whole comparison on the embedded set.
    Demo,
    /// Pre-training alone.
    Pretrain,
    /// The baseline alone.
    Supervised,
    /// Fine-tuning alone, from a pre-trained encoder.
    Finetune,
    /// Self-training alone, from fine-tuned classifiers.
    Selftrain,
}

impl TrainingCommand {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            TrainingCommand::Run => "run",
            TrainingCommand::Demo => "demo",
            TrainingCommand::Pretrain => "pretrain",
            TrainingCommand::Supervised => "supervised",
            TrainingCommand::Finetune => "finetune",
            TrainingCommand::Selftrain => "selftrain",
        }
    }

    /// Whether one goes on with what the other began.
    pub fn continues(self, other: TrainingCommand) -> bool {
        let whole = [TrainingCommand::Run, TrainingCommand::Demo];
        self == other || whole.contains(&self) && whole.contains(&other)
    }
}

/// What a run was asked for. Paths stand as they were typed in `folder`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandRecord {
    /// The command that was typed.
    pub command: TrainingCommand,
    /// The current directory then; absolute.
    pub folder: PathBuf,
    /// The run directory then; absolute.
    pub run: PathBuf,
    /// A path, or the name of the embedded set.
    pub data: PathBuf,
    /// Further folders of images without labels, as paths; empty for none.
    pub unlabeled: Vec<PathBuf>,
    /// The file that says which images are for training and which for testing, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// Whether an image that cannot be read ends the command.
    pub strict: bool,
    /// What training was to begin with (`--weights`): a path, or a known name; absent for random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// What fine-tuning or self-training begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Options that set a key of the configuration, as typed: `--preset`, `--config`, `--set` and their like, with their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Hardware options as typed, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `--precision` as typed: `fp32`, `bf16` or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// `--threads` as typed: CPU threads that compute, 1 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

impl CommandRecord {
    /// Where a recorded path is now, seen from the run directory `run`: where it was, or, where run and data were moved
    /// together, at the same place relative to the run.
    ///
    /// # Errors
    /// It is in neither place; the error names the option that says where it is.
    pub fn find(&self, typed: &Path, run: &Path, option: &'static str) -> Result<PathBuf, RunError> {
        if typed == Path::new(crate::data::PATTERNS) {
            return Ok(typed.to_owned());
        }
        let then = self.folder.join(typed);
        if then.exists() {
            // As it was typed where that means the same: it is what people know.
            let here = typed.is_relative() && std::env::current_dir().is_ok_and(|current| current == self.folder);
            return Ok(if here { typed.to_owned() } else { then });
        }
        let moved = std::path::absolute(run).ok().and_then(|now| beside(&then, &self.run, &now));
        moved.filter(|path| path.exists()).ok_or_else(|| RunError::Moved { run: run.to_owned(), path: then, option })
    }

    /// The command line that repeats the run, typed in the folder where it was typed.
    pub fn repeat(&self) -> String {
        let run = self.run.strip_prefix(&self.folder).unwrap_or(&self.run);
        let mut words = vec!["byol".to_owned(), self.command.name().to_owned()];
        let mut option = |name: &str, value: &Path| words.extend([name.to_owned(), shell_word(value)]);
        if let Some(from) = &self.from {
            option("--from", from);
        }
        if self.command != TrainingCommand::Demo {
            option("--data", &self.data);
        }
        for folder in &self.unlabeled {
            option("--unlabeled", folder);
        }
        if let Some(split) = &self.split {
            option("--split", split);
        }
        if let Some(weights) = &self.weights {
            option("--weights", weights);
        }
        option("--config", &run.join("config.toml"));
        let mut again = run.as_os_str().to_owned();
        again.push("-again");
        option("--out", Path::new(&again));
        words.extend(self.strict.then(|| "--strict".to_owned()));
        words.extend(self.device.iter().map(|device| format!("--device {device}")));
        words.extend(self.precision.iter().map(|precision| format!("--precision {precision}")));
        words.extend(self.threads.map(|threads| format!("--threads {threads}")));
        words.join(" ")
    }
}

/// `path` as seen from `from`, placed at `to`; nothing where they have only a root in common, so that neither can have
/// been moved with the other.
fn beside(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let common = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let named = |component: &Component| matches!(component, Component::Normal(_));
    if !from.components().take(common).any(|component| named(&component)) {
        return None;
    }
    let up = from.components().count() - common;
    let base = to.ancestors().nth(up)?;
    Some(path.components().skip(common).fold(base.to_owned(), |place, component| place.join(component)))
}

/// A path as one word of a shell's command line.
#[doc(hidden)]
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "-_./,=:@%+".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

impl RunDirectory {
    fn command_path(&self) -> PathBuf {
        self.path().join(FILE)
    }

    /// What the run was asked for; nothing where an earlier version made it.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn command(&self) -> Result<Option<CommandRecord>, RunError> {
        let path = self.command_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| RunError::Malformed { path, reason: error.message().replace('\n', ", ") }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunError::Read { path, source }),
        }
    }

    /// # Errors
    /// The file cannot be written, or a path is not Unicode.
    pub fn write_command(&self, record: &CommandRecord) -> Result<(), RunError> {
        let path = self.command_path();
        let text = toml::to_string(record)
            .map_err(|error| RunError::Malformed { path: path.clone(), reason: error.to_string() })?;
        write_atomically(&path, text.as_bytes()).map_err(|source| RunError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> CommandRecord {
        CommandRecord {
            folder: "/home/me".into(),
            run: "/home/me/runs/mine".into(),
            data: "my photos".into(),
            unlabeled: vec!["pool/2019".into(), "/disk/it's".into()],
            weights: Some("resnet18.pth".into()),
            strict: true,
            threads: Some(2),
            ..CommandRecord::default()
        }
    }

    #[test]
    fn a_run_is_repeated_with_everything_that_was_typed() {
        assert_eq!(
            record().repeat(),
            "byol run --data 'my photos' --unlabeled pool/2019 --unlabeled '/disk/it'\\''s' --weights resnet18.pth \
             --config runs/mine/config.toml --out runs/mine-again --strict --threads 2"
        );
        let finetune = CommandRecord {
            command: TrainingCommand::Finetune,
            from: Some("runs/byol".into()),
            run: "/tmp/tuned".into(),
            device: Some("cpu".into()),
            ..CommandRecord::default()
        };
        let text = CommandRecord { data: "d".into(), folder: "/home".into(), ..finetune }.repeat();
        assert_eq!(
            text,
            "byol finetune --from runs/byol --data d --config /tmp/tuned/config.toml --out /tmp/tuned-again --device cpu"
        );
    }

    #[test]
    fn a_record_survives_its_file_and_data_is_found_where_it_was_moved_with_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let home = root.join("home");
        std::fs::create_dir_all(home.join("runs/mine")).unwrap();
        std::fs::create_dir_all(home.join("photos")).unwrap();
        let record =
            CommandRecord { folder: home.clone(), run: home.join("runs/mine"), data: "photos".into(), ..record() };
        std::fs::write(home.join("runs/mine/config.toml"), "").unwrap();
        let run = RunDirectory::existing(&home.join("runs/mine")).unwrap();
        assert_eq!(run.command().unwrap(), None);
        run.write_command(&record).unwrap();
        assert_eq!(run.command().unwrap(), Some(record.clone()));
        assert_eq!(record.find(&record.data, &record.run, "--data").unwrap(), home.join("photos"));

        std::fs::rename(&home, root.join("disk")).unwrap();
        let moved = root.join("disk/runs/mine");
        assert_eq!(record.find(&record.data, &moved, "--data").unwrap(), root.join("disk/photos"));
        std::fs::remove_dir(root.join("disk/photos")).unwrap();
        let message = record.find(&record.data, &moved, "--data").unwrap_err().to_string();
        assert!(message.contains("home/photos") && message.contains("--data"), "{message}");
        assert_eq!(record.find(Path::new("patterns"), &moved, "--data").unwrap(), Path::new("patterns"));
    }
}
