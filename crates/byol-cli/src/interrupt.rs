//! Ctrl-C: the first time it asks for a clean end, the second time it ends the program.

use anyhow::Context;
use byol::run::event::Interrupt;

use crate::exit::INTERRUPTED;

/// Listens for interrupts (Ctrl-C, and a request to terminate) from now on.
pub fn listen() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let handler = move || {
        if asked.requested() {
            std::process::exit(INTERRUPTED.into());
        }
        asked.request();
        eprintln!("byol: stopping after this step with a checkpoint; press Ctrl-C again to stop at once");
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
    Ok(interrupt)
}
