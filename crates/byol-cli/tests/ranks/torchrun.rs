//! Ranks as torchrun starts them, from the tests' own Python environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::processes::{Place, Rank, free_port, run, wait_for_a_checkpoint};

/// The Python that has torchrun.
fn python() -> PathBuf {
    let named = std::env::var_os("BYOL_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python/bin/python"));
    assert!(python.exists(), "{} is not there; `make python` makes it", python.display());
    python
}

/// Two ranks of a pre-training, with a few words for torchrun.
fn torchrun(place: &Place, words: &[&str], out: &str, epochs: &str) -> Rank {
    let (port, program) = (free_port().to_string(), env!("CARGO_BIN_EXE_byol"));
    let mut torchrun = place.prepared(Command::new(python()), &["-m", "torch.distributed.run", "--no-python"]);
    torchrun.args(["--nproc-per-node", "2", "--master-port", &port]).args(words).arg(program);
    torchrun.args(place.command(&run(out, epochs)).get_args());
    torchrun.stdout(Stdio::null());
    Rank(Some(torchrun.spawn().expect("torchrun starts")))
}

/// The process of a rank that a launcher has started.
fn process_of(launcher: &Rank, rank: usize) -> u32 {
    let parent = launcher.0.as_ref().unwrap().id();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap().flatten();
    let all = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let all: String = all.chain([children]).collect::<Vec<_>>().join(" ");
    let ranks = all.split_whitespace().filter_map(|id| id.parse().ok());
    let wanted = format!("RANK={rank}").into_bytes();
    let is_it = |id: &u32| {
        let variables = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == wanted)
    };
    ranks.into_iter().find(is_it).expect("the rank is at work")
}

#[test]
fn torchrun_starts_ranks() {
    let place = Place::new();
    let end = torchrun(&place, &[], "torchrun", "pretrain.epochs=3").end();
    assert_eq!(end.code, Some(0), "{end:?}");
    place.finish(2, || place.command(&run("by-hand", "pretrain.epochs=3")));
    assert!(place.last("torchrun") == place.last("by-hand"), "the launcher changes what is computed");
}

/// With `--max-restarts` a training goes on by itself where a rank is killed, and ends as if it never was.
#[cfg(target_os = "linux")]
#[test]
fn torchrun_starts_killed_ranks_anew() {
    let place = Place::new();
    let launcher = torchrun(&place, &["--max-restarts", "1"], "killed", "pretrain.epochs=60");
    wait_for_a_checkpoint(&place.path("killed"));
    let rank = process_of(&launcher, 1).to_string();
    assert!(Command::new("kill").args(["-KILL", &rank]).status().unwrap().success());
    let end = launcher.end();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(
        end.said.contains("byol: another process of this training has ended") || !end.said.contains("byol: "),
        "{end:?}"
    );
    place.finish(2, || place.command(&run("whole", "pretrain.epochs=60")));
    assert!(place.last("killed") == place.last("whole"), "starting anew has changed what is computed");
    assert_eq!(place.losses("killed"), place.losses("whole"));
}
