//! The commands: each turns its options into one call of the library and prints what came back.

mod ablate;
mod beginning;
mod bench;
pub mod check;
pub mod completions;
mod data;
pub mod doctor;
pub mod embed;
mod evaluate;
pub mod export;
mod images;
pub mod init;
pub mod label;
pub mod man;
pub mod neighbors;
mod next;
pub mod pack;
pub mod predict;
mod report;
mod representations;
mod resume;
mod seeds;
pub mod selftrain;
mod together;
mod train;
mod views;
pub mod watch;

use crate::args::{Arguments, Command, Data};
use crate::exit::Ending;
use crate::{progress, waiting};

/// Does what was asked for.
pub fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    if computes(&arguments.command) {
        waiting::give_way();
    }
    let output = arguments.output;
    let reporter = &mut *progress::reporter(output);
    match &arguments.command {
        Command::Demo(demo) => train::demo(demo, output, reporter),
        Command::Data(Data::Fetch(fetch)) => data::fetch(fetch, output, reporter),
        Command::Data(Data::Info(info)) => data::info(info, output),
        Command::Data(Data::Check(options)) => check::check(options, output, reporter),
        Command::Data(Data::Pack(options)) => pack::pack(options, output, reporter),
        Command::Views(views) => views::views(views, output, reporter),
        Command::Supervised(supervised) => train::supervised(supervised, output, reporter),
        Command::Pretrain(pretrain) => train::pretrain(pretrain, output, reporter),
        Command::Finetune(finetune) => train::finetune(finetune, output, reporter),
        Command::Selftrain(options) => selftrain::selftrain(options, output, reporter),
        Command::Evaluate(evaluate) => evaluate::evaluate(evaluate, output, reporter),
        Command::Export(export) => export::export(export, output, reporter),
        Command::Run(run) => train::run(run, output, reporter),
        Command::Predict(options) => predict::predict(options, output, reporter),
        Command::Embed(options) => embed::embed(options, output, reporter),
        Command::Label(options) => label::label(options, output, reporter),
        Command::Neighbors(options) => neighbors::neighbors(options, output, reporter),
        Command::Ablate(ablate) => ablate::ablate(ablate, output, reporter),
        Command::Report(report) => report::report(report, output),
        Command::Watch(options) => watch::watch(options, output, reporter),
        Command::Bench(bench) => bench::bench(bench, output, reporter),
        Command::Doctor(doctor) => doctor::doctor(doctor, output),
        Command::Init(init) => init::init(init, output),
        Command::Completions(completions) => completions::completions(completions),
        Command::Man(man) => man::man(man, output),
    }
}

/// Whether libtorch's threads compute for it, for longer than it takes to begin anew.
fn computes(command: &Command) -> bool {
    match command {
        Command::Demo(_)
        | Command::Supervised(_)
        | Command::Pretrain(_)
        | Command::Finetune(_)
        | Command::Selftrain(_)
        | Command::Evaluate(_)
        | Command::Run(_)
        | Command::Predict(_)
        | Command::Embed(_)
        | Command::Label(_)
        | Command::Data(Data::Check(_))
        | Command::Ablate(_)
        | Command::Bench(_) => true,
        Command::Data(Data::Fetch(_) | Data::Info(_) | Data::Pack(_))
        | Command::Views(_)
        | Command::Export(_)
        | Command::Neighbors(_)
        | Command::Report(_)
        | Command::Watch(_)
        | Command::Doctor(_)
        | Command::Init(_)
        | Command::Completions(_)
        | Command::Man(_) => false,
    }
}
