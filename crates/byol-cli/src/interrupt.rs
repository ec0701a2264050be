//! Ctrl-C and requests to terminate: the first asks for a clean end, the second ends the program.

use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::Context;
use byol::run::event::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::{output, place};

/// The first signal that came; 0 before it.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// Listens for interrupts (Ctrl-C) and requests to terminate from now on.
pub fn listen() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if asked.requested() {
                std::process::exit(exit_code().into());
            }
            FIRST.store(signal, Ordering::Relaxed);
            asked.request();
            output::line("byol: stopping after this step with a checkpoint; press Ctrl-C again to stop at once");
        }
    });
    Ok(interrupt)
}

/// As [`listen`], for work that has nothing to finish: the first signal says nothing.
pub fn listen_quietly() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // A reader that takes no more holds up the end.
            if asked.requested() {
                std::process::exit(exit_code().into());
            }
            asked.request();
        }
    });
    Ok(interrupt)
}

/// Removes files that are being written, and ends the program, at the first signal: for work that holds nothing to go on
/// from.
pub fn end_at_once() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            FIRST.store(signal, Ordering::Relaxed);
            place::remove_unfinished();
            // Other threads compute; nobody may take from them what they use.
            low_level::exit(exit_code().into());
        }
    });
    Ok(())
}

/// As shells report a program that the first signal ended: 130 for Ctrl-C, 143 for a request to terminate.
pub fn exit_code() -> u8 {
    match FIRST.load(Ordering::Relaxed) {
        SIGTERM => 143,
        _ => 130,
    }
}
