//! The `byol` program. Everything that it does is in the library `byol`; here are arguments, printing and exit codes.

mod args;
mod commands;
mod counting;
mod examples;
mod exit;
mod interrupt;
mod memory;
mod output;
mod paint;
mod place;
mod progress;
mod request;
mod sweep;
mod transfer;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::keep_large_blocks();
    byol::built_from(env!("BYOL_COMMIT"));
    match args::parse() {
        Ok(arguments) => exit::code(commands::run(&arguments)),
        Err(error) => exit::arguments(&error),
    }
}
