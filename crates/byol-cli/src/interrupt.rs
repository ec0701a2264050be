//! Ctrl-C and requests to terminate: they end what leaves nothing unfinished at once, and ask training for a clean end; a second one
//! ends that too.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::Context;
use byol::run::event::Interrupt;
use byol::run::lock;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::{output, place};

/// How long a last line may take where its reader takes no more.
const PATIENCE: Duration = Duration::from_millis(300);

/// The first signal that came; 0 before it.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// What a signal meets.
enum Phase {
    /// Nothing that could be gone on with: the program ends, with a sentence about what that leaves.
    AtOnce(String),
    /// Training, which can end with a checkpoint.
    Training(Interrupt),
    /// A page for others, which needs no words.
    Serving(Interrupt),
}

static PHASE: Mutex<Option<Phase>> = Mutex::new(None);

fn phase() -> MutexGuard<'static, Option<Phase>> {
    PHASE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal removes files that are being written and ends the program, which says `left`.
pub fn end_at_once(left: impl Into<String>) -> anyhow::Result<()> {
    enter(Phase::AtOnce(left.into()))
}

/// From now on a signal asks the training that has the interrupt to stop.
pub fn ask_training() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    enter(Phase::Training(interrupt.clone()))?;
    Ok(interrupt)
}

/// From now on a signal asks for the end without a word.
pub fn ask_server() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    enter(Phase::Serving(interrupt.clone()))?;
    Ok(interrupt)
}

fn enter(next: Phase) -> anyhow::Result<()> {
    static LISTENING: OnceLock<()> = OnceLock::new();
    *phase() = Some(next);
    if LISTENING.set(()).is_ok() {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
        std::thread::spawn(move || signals.forever().for_each(meet));
    }
    Ok(())
}

fn meet(signal: i32) {
    // The first signal is what the program reports having ended by.
    let _ = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
    match &*phase() {
        Some(Phase::AtOnce(left)) => {
            output::line(&format!("byol: {left}"));
            lock::release_all();
            end();
        }
        Some(Phase::Training(asked)) if asked.requested() => {
            say_and_go_on("byol: stopping at once; what was done since the last checkpoint is lost");
            end();
        }
        // A reader that takes no more holds up the end.
        Some(Phase::Serving(asked)) if asked.requested() => end(),
        Some(Phase::Serving(asked)) => asked.request(),
        Some(Phase::Training(asked)) => {
            asked.request();
            output::line(
                "byol: stopping after this step with a checkpoint; press Ctrl-C again to stop at once, which loses what was \
                 done since the last checkpoint",
            );
        }
        None => end(),
    }
}

/// Says something, but does not wait for long where nobody takes it.
fn say_and_go_on(line: &'static str) {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        output::line(line);
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(PATIENCE);
}

/// Ends the program. Other threads compute; nobody may take from them what they use, so nothing is destructed.
fn end() -> ! {
    place::remove_unfinished();
    low_level::exit(exit_code().into())
}

/// The first signal that came; 0 where none did.
pub fn signal() -> i32 {
    FIRST.load(Ordering::Relaxed)
}

/// Makes a signal that another process of the same training had the one that the program reports having ended by; 0 is none.
pub fn ended_by(signal: i32) {
    let _ = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
}

/// As shells report a program that the first signal ended: 130 for Ctrl-C, 143 for a request to terminate.
pub fn exit_code() -> u8 {
    match FIRST.load(Ordering::Relaxed) {
        SIGTERM => 143,
        _ => 130,
    }
}
