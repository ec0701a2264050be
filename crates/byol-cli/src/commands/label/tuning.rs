//! The fine-tuning that the page of `byol label` begins: this program once more, with `finetune`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byol::label::site::{FineTuning, Training};
use byol::report;
use byol::run::RunDirectory;
use byol::run::command::shell_word;
use byol::watch::stands;

/// So many run directories beside each other are tried.
const MOST: usize = 1000;

pub struct Tuning {
    from: PathBuf,
    data: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    out: Option<PathBuf>,
    /// The last line that the child said.
    last: Arc<Mutex<String>>,
    /// How it ended, once it has.
    ended: Option<Ended>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// On request, with a checkpoint.
    Stopped,
    Failed,
}

/// As the program ends that was asked to.
const STOPPED: [i32; 2] = [130, 143];

impl Tuning {
    /// Fine-tunes the encoder of `from` on what `data` names.
    pub fn new(from: &Path, data: &Path) -> Tuning {
        Tuning { from: from.to_owned(), data: data.to_owned(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run directory that is not there yet.
    fn free(&self) -> PathBuf {
        let run = RunDirectory::of(&self.from).map(|run| run.path().to_owned()).unwrap_or_else(|_| self.from.clone());
        let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_else(|| "run".to_owned());
        let named = |number: usize| match number {
            1 => run.with_file_name(format!("{name}-finetuned")),
            number => run.with_file_name(format!("{name}-finetuned-{number}")),
        };
        (1..MOST).map(named).find(|out| !out.exists()).unwrap_or_else(|| named(MOST))
    }

    fn arguments(&self, out: &Path) -> Vec<PathBuf> {
        let words: [&Path; 9] = [
            "finetune".as_ref(),
            "--from".as_ref(),
            &self.from,
            "--data".as_ref(),
            &self.data,
            "--out".as_ref(),
            out,
            "--labels-per-class".as_ref(),
            "all".as_ref(),
        ];
        words.map(Path::to_owned).into()
    }
}

impl State {
    /// Looks whether the child has ended.
    fn look(&mut self) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.ended = Some(match status.code() {
                Some(0) => Ended::Well,
                Some(code) if STOPPED.contains(&code) => Ended::Stopped,
                _ => Ended::Failed,
            });
            self.child = None;
        }
    }
}

impl FineTuning for Tuning {
    fn command(&self) -> String {
        let running = {
            let state = self.state();
            state.out.clone().filter(|_| state.child.is_some())
        };
        let out = running.unwrap_or_else(|| self.free());
        let words: Vec<String> = self.arguments(&out).iter().map(|word| shell_word(word)).collect();
        format!("byol {}", words.join(" "))
    }

    fn start(&self) -> Result<(), String> {
        let mut state = self.state();
        state.look();
        if state.child.is_some() {
            return Err("a fine-tuning is running already".to_owned());
        }
        let out = self.free();
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(self.arguments(&out))
            .arg("--quiet")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("byol finetune cannot be begun ({error})"))?;
        let last = Arc::new(Mutex::new(String::new()));
        if let Some(said) = child.stderr.take() {
            let last = Arc::clone(&last);
            std::thread::spawn(move || {
                for line in BufReader::new(said).lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            });
        }
        *state = State { child: Some(child), out: Some(out), last, ended: None };
        Ok(())
    }

    fn stop(&self) {
        let mut state = self.state();
        state.look();
        if let Some(child) = &mut state.child {
            ask_to_end(child);
        }
    }

    fn standing(&self) -> Training {
        let mut state = self.state();
        state.look();
        let Some(out) = &state.out else { return Training { state: "none", ..Training::default() } };
        let (finished, text) = stands(out);
        let last = state.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (state.child.is_some(), state.ended) {
            (true, _) => Training { state: "running", text, report: false },
            (false, Some(Ended::Stopped)) => Training { state: "stopped", text, report: false },
            (false, Some(Ended::Well)) if finished => {
                Training { state: "finished", text: format!("{text}, {}", out.display()), report: true }
            }
            _ => {
                let text = if last.is_empty() { text } else { last.trim_start_matches("byol: ").to_owned() };
                Training { state: "failed", text, report: false }
            }
        }
    }

    fn report(&self) -> Option<String> {
        let out = self.state().out.clone()?;
        report::page(&[report::load(&out).ok()?]).ok()
    }
}

/// A request to terminate: training then ends with a checkpoint.
#[cfg(unix)]
fn ask_to_end(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
}

#[cfg(not(unix))]
fn ask_to_end(child: &mut Child) {
    let _ = child.kill();
}
