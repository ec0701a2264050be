//! The commands: each turns its options into one call of the library and prints what came back.

mod ablate;
mod bench;
mod data;
mod evaluate;
mod report;
mod train;
mod views;

use crate::args::{Arguments, Command, Data};
use crate::exit::Ending;
use crate::progress;

/// Does what was asked for.
pub fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let output = arguments.output;
    let reporter = &mut *progress::reporter(output);
    match &arguments.command {
        Command::Demo(demo) => train::demo(demo, output, reporter),
        Command::Data(Data::Fetch(fetch)) => data::fetch(fetch, output, reporter),
        Command::Data(Data::Info(info)) => data::info(info, output),
        Command::Views(views) => views::views(views, output, reporter),
        Command::Supervised(supervised) => train::supervised(supervised, output, reporter),
        Command::Pretrain(pretrain) => train::pretrain(pretrain, output, reporter),
        Command::Finetune(finetune) => train::finetune(finetune, output, reporter),
        Command::Evaluate(evaluate) => evaluate::evaluate(evaluate, output, reporter),
        Command::Run(run) => train::run(run, output, reporter),
        Command::Ablate(ablate) => ablate::ablate(ablate, output, reporter),
        Command::Report(report) => report::report(report, output),
        Command::Bench(bench) => bench::bench(bench, output, reporter),
    }
}
