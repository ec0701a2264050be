//! Examples of every command, for its help and its manual page. A test parses each of them, and fails for a command that
//! has none.

use clap::Command;

/// A command line that works, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    pub command: &'static str,
    pub does: &'static str,
}

const fn example(command: &'static str, does: &'static str) -> Example {
    Example { command, does }
}

/// By the names of command and subcommand.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "demo",
        &[
            example("byol demo", "everything on synthetic images, with a report in byol-demo"),
            example(
                "byol demo --out runs/demo --labels-per-class 1,5 --draws 1",
                "with other label budgets, once each",
            ),
        ],
    ),
    (
        "data fetch",
        &[
            example("byol data fetch stl10", "into the folder data; goes on where it was cut off"),
            example("byol data fetch stl10 --dir /data --url https://example.org/stl10_binary.tar.gz", "from a mirror"),
        ],
    ),
    (
        "data info",
        &[
            example("byol data info photos", "images per split and class, and damaged files"),
            example(
                "byol data info photos --unlabeled unlabeled",
                "and what a pre-training would have, without copies of test images",
            ),
            example(
                "byol data info photos --split mine.csv --json",
                "for a program, by a split kept elsewhere; the exit code is 1 if a file is damaged",
            ),
        ],
    ),
    (
        "data check",
        &[
            example("byol data check photos --from runs/all", "a line for each suspicion, the worst first"),
            example(
                "byol data check photos --from runs/all --page check.html --csv check.csv",
                "with the images on a page, and as a table",
            ),
            example(
                "byol data check photos --from runs/all --serve --open",
                "with a page where labels are kept, changed and dropped",
            ),
        ],
    ),
    (
        "data pack",
        &[
            example(
                "byol data pack photos --out photos.byolpack",
                "decoded and made small once; then --data photos.byolpack",
            ),
            example("byol data pack photos --out small.byolpack --size 112", "smaller, for training at 96 pixels"),
            example(
                "byol data pack photos --out photos.byolpack --split mine.csv --strict",
                "divided by a split kept elsewhere; a file that cannot be read is an error",
            ),
        ],
    ),
    (
        "views",
        &[
            example(
                "byol views --data photos --out views --force",
                "what the two recipes make of eight images; replaces earlier ones",
            ),
            example("byol views --data patterns --out views --count 2 --set views=lab", "of another set of recipes"),
        ],
    ),
    (
        "supervised",
        &[
            example(
                "byol supervised --data data --out runs/baseline",
                "with the labels and settings of the preset hour",
            ),
            example(
                "byol supervised --data data --out runs/folds --preset lab --labels-per-class folds",
                "on each of STL-10's ten folds",
            ),
            example(
                "byol supervised --data photos --out runs/strict --split mine.csv --strict",
                "divided by a split kept elsewhere; an image that cannot be read is an error",
            ),
            example("byol supervised --resume runs/baseline", "goes on where it was stopped"),
        ],
    ),
    (
        "pretrain",
        &[
            example("byol pretrain --data photos --unlabeled unlabeled --out runs/byol", "on both sets of images"),
            example("byol pretrain --resume runs/byol", "goes on where it was stopped"),
            example("byol pretrain --resume runs/byol --more-epochs 50", "pre-trains longer"),
            example(
                "byol pretrain --data data --out runs/short --set epochs=5 --set batch_size=128",
                "with other settings",
            ),
        ],
    ),
    (
        "finetune",
        &[
            example(
                "byol finetune --from runs/byol --data data --out runs/tuned",
                "with the settings of that pre-training",
            ),
            example(
                "byol finetune --from runs/byol --data data --out runs/few --labels-per-class 10,25 --draws 5",
                "with few labels, five times",
            ),
            example(
                "byol finetune --from runs/byol --data photos --out runs/strict --split mine.csv --strict",
                "divided by a split kept elsewhere; an image that cannot be read is an error",
            ),
            example("byol finetune --resume runs/tuned", "goes on where it was stopped"),
        ],
    ),
    (
        "selftrain",
        &[
            example(
                "byol selftrain --from runs/all --data photos --unlabeled unlabeled --out runs/self",
                "with the labels of that run",
            ),
            example(
                "byol selftrain --from runs/all --data photos --out runs/sure --labels-per-class 10 --set threshold=0.9",
                "on images that the teacher is sure of",
            ),
            example("byol selftrain --resume runs/self", "goes on where it was stopped"),
        ],
    ),
    (
        "evaluate",
        &[
            example(
                "byol evaluate linear --from runs/byol --data data",
                "a linear classifier, beside a random encoder",
            ),
            example(
                "byol evaluate knn --from runs/byol --data data --labels-per-class 10,all --draws 3 --keep",
                "votes of the nearest; kept for predict and export",
            ),
            example("byol evaluate folds --from runs/byol --data data", "both, by STL-10's plan"),
        ],
    ),
    (
        "run",
        &[
            example("byol run --data data --out runs/all", "the whole comparison, in an hour or less"),
            example(
                "byol run --data data --unlabeled photos --out runs/night --hours 8",
                "with what fits into a night on this machine",
            ),
            example(
                "byol run --data photos --unlabeled unlabeled --out runs/mine",
                "with images of one's own, at label budgets that they allow",
            ),
            example(
                "byol run --data photos --unlabeled unlabeled --out runs/few --labels-per-class 5,all --draws 5",
                "at two label budgets, the smaller one with five draws of labels",
            ),
            example(
                "byol run --data photos --unlabeled more --weights imagenet --out runs/given",
                "begins with weights of ImageNet, and asks what BYOL adds to them",
            ),
            example("byol run --resume runs/all", "goes on where it was stopped"),
            example("byol run --resume runs/all --more-epochs 50", "pre-trains longer, without losing the baseline"),
            example(
                "byol run --data photos --unlabeled unlabeled --out runs/five --seeds 5 --hours 10",
                "five times with different seeds, two hours each: what a gain is worth beside how much pre-trainings differ",
            ),
            example("byol run --config byol.toml --data data --out runs/own", "with the file that byol init wrote"),
        ],
    ),
    (
        "export",
        &[
            example("byol export --from runs/all --out classifier.onnx", "a classifier that takes images of any size"),
            example(
                "byol export --from runs/all --out classifier.safetensors",
                "for torchvision, with the Python that loads it",
            ),
            example("byol export --from runs/all --out encoder.onnx --encoder-only", "gives representations"),
            example(
                "byol export --from runs/all --classifier linear --labels-per-class 10 --out linear.onnx",
                "another classifier of the run",
            ),
            example(
                "byol export --from runs/all --out normalized.onnx --input normalized --force",
                "takes images that are resized and normalised already; replaces files",
            ),
        ],
    ),
    (
        "predict",
        &[
            example(
                "byol predict --from runs/all photos --out predictions.csv",
                "the five likeliest classes of each image",
            ),
            example("byol predict --from runs/all photos --format jsonl --top 1", "a JSON object a line"),
            example(
                "byol predict --from runs/all photos --page predictions.html --sort unsure",
                "a page of the images, those to look at first",
            ),
            example(
                "byol predict --from runs/all held-out --views 10 --out averaged.csv",
                "averaged over ten views of each image; of a folder with labels it says how many are right",
            ),
            example(
                "byol predict --from runs/all photos --classifier baseline --labels-per-class 10 --out p.csv --force",
                "by another classifier of the run, replacing a file",
            ),
            example(
                "byol predict --from runs/all photos --calibrate-on held-out",
                "probabilities that keep their word",
            ),
        ],
    ),
    (
        "embed",
        &[
            example("byol embed --from runs/all photos --out photos.npy", "for numpy.load, with the paths beside it"),
            example("byol embed --from runs/all photos --out photos.parquet", "for pandas, the paths in it"),
            example(
                "byol embed --from runs/all photos --stage finetune --labels-per-class all --out tuned.npy --force",
                "by the encoder that labels have tuned",
            ),
        ],
    ),
    (
        "neighbors",
        &[
            example("byol neighbors photo.jpg --in photos.npy --from runs/all", "the ten most like it"),
            example("byol neighbors photo.jpg --in photos --from runs/all --top 3", "in a folder, embedded first"),
            example(
                "byol neighbors photo.jpg --in photos --from runs/all --stage finetune --page near.html",
                "those of the same class, on a page",
            ),
        ],
    ),
    (
        "label",
        &[
            example(
                "byol label --images photos --from runs/pretrained --open",
                "label by hand; answers go to photos/labels.csv, and the page says when it is enough",
            ),
            example(
                "byol label --simulate --data photos --from runs/all",
                "accuracy with 40, 100 and 250 labels, by how their images were chosen",
            ),
            example(
                "byol label --simulate --data photos --from runs/all --budgets 20,50 --strategies auto --seeds 10 --page curves.html",
                "one strategy beside random images, with curves",
            ),
            example(
                "byol label --simulate --data photos --from runs/all --test-share 0.1 --json",
                "a tenth of the labels measures, for a program",
            ),
        ],
    ),
    (
        "ablate",
        &[
            example("byol ablate --out ablation --seeds 3", "every variant three times, on synthetic images"),
            example("byol ablate --out ablation --only full,no-predictor", "two variants alone"),
            example("byol ablate --out ablation --seeds 5 --resume", "further seeds beside those there"),
            example("byol ablate --lab --out lab", "the faults of the university lab's program"),
        ],
    ),
    (
        "report",
        &[
            example("byol report runs/all", "its table, and report.html anew"),
            example("byol report runs/a runs/b --out compared.html", "several runs on one page"),
        ],
    ),
    (
        "watch",
        &[
            example("byol watch runs/all --open", "in the browser, while it trains"),
            example("byol watch runs/a runs/b --port 0", "two runs overlaid, on any free port"),
        ],
    ),
    (
        "bench",
        &[
            example("byol bench pretrain --preset hour", "images per second, and where a step's time goes"),
            example("byol bench pretrain --sweep batch_size=64,256 --json", "at two batch sizes, for a program"),
            example("byol bench decode --data photos --steps 100", "opening one's own photographs"),
            example("byol bench label --set-size 1000000", "choosing images to label in a pool of a million"),
            example("byol bench augment --data photos --set-size 1000 --steps 100", "views alone, of one's own images"),
        ],
    ),
    (
        "init",
        &[
            example("byol init", "byol.toml with the settings of the preset hour"),
            example("byol init quick.toml --preset demo --force", "another preset, replacing the file"),
        ],
    ),
    (
        "doctor",
        &[
            example("byol doctor", "exit code 1 where training would not work"),
            example("byol doctor --device cuda --json", "asks for a GPU, for a program"),
        ],
    ),
    (
        "completions",
        &[
            example("byol completions bash > ~/.local/share/bash-completion/completions/byol", "for new shells"),
            example("byol completions zsh > ~/.zfunc/_byol", "in a folder of zsh's fpath"),
        ],
    ),
    (
        "man",
        &[
            example("byol man --out ~/.local/share/man/man1", "then man byol-run, and so on"),
            example("byol man | man -l -", "the page of the program"),
        ],
    ),
];

/// The examples of the program.
const PROGRAM: &[Example] = &[
    example("byol demo", "everything on synthetic images, in minutes"),
    example(
        "byol run --data photos --unlabeled unlabeled --out runs/mine",
        "the whole comparison with images of one's own",
    ),
    example("byol doctor", "what this machine has and what will be used"),
];

/// The examples of the command that these names lead to; those of the program without any. A command of commands has the
/// first example of each.
pub fn of(path: &[&str]) -> Vec<Example> {
    if path.is_empty() {
        return PROGRAM.to_vec();
    }
    let name = path.join(" ");
    if let Some((_, examples)) = EXAMPLES.iter().find(|(command, _)| *command == name) {
        return examples.to_vec();
    }
    let inside = format!("{name} ");
    let inner = EXAMPLES.iter().filter(|(command, _)| command.starts_with(&inside));
    inner.filter_map(|(_, examples)| examples.first().copied()).collect()
}

/// Adds to the help of every command its examples.
pub fn attach(command: Command) -> Command {
    fn descend(command: Command, path: &[String]) -> Command {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let help = [Some(text(&of(&names))), command.get_after_help().map(ToString::to_string)];
        let help: Vec<String> = help.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        let command = if help.is_empty() { command } else { command.after_help(help.join("\n\n")) };
        command.mut_subcommands(|inner| {
            let path = [path, &[inner.get_name().to_owned()]].concat();
            descend(inner, &path)
        })
    }
    descend(command, &[])
}

fn text(examples: &[Example]) -> String {
    if examples.is_empty() {
        return String::new();
    }
    let lines = examples.iter().map(|Example { command, does }| format!("\n  {command}\n      {does}"));
    format!("Examples:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{self, Arguments};
    use crate::request::{self, Basis};

    /// Every command that does something, with its path.
    fn leaves(command: &Command, path: &[String], found: &mut Vec<(Vec<String>, Command)>) {
        if !command.has_subcommands() {
            found.push((path.to_vec(), command.clone()));
        }
        for inner in command.get_subcommands() {
            leaves(inner, &[path, &[inner.get_name().to_owned()]].concat(), found);
        }
    }

    /// The command lines in a help text, without what the shell makes of their ends.
    fn lines(help: &str) -> Vec<Vec<String>> {
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
        let examples = examples.lines().take_while(|line| !line.is_empty());
        let typed = examples.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
        let parts = typed.map(|line| line.split(['>', '|']).next().unwrap_or_default());
        parts.map(|line| line.split_whitespace().map(ToOwned::to_owned).collect()).collect()
    }

    #[test]
    fn every_command_has_examples_that_its_parser_reads() {
        let mut commands = Vec::new();
        leaves(&args::command(), &[], &mut commands);
        for (path, mut command) in commands {
            let help = command.render_help().to_string();
            let lines = lines(&help);
            assert!(!lines.is_empty(), "byol {} has no example; add one to EXAMPLES", path.join(" "));
            for line in lines {
                let begins = line[0] == "byol" && line[1..].starts_with(&path);
                assert!(begins, "{line:?} stands in the help of byol {}", path.join(" "));
                assert!(line.len() < 20, "{line:?} is long");
                let parsed = Arguments::try_parse_from(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
                resolves(&parsed.command).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            }
        }
    }

    #[test]
    fn the_program_and_groups_have_examples_too() {
        assert_eq!(lines(&args::command().render_help().to_string()).len(), PROGRAM.len());
        let command = args::command();
        for group in command.get_subcommands().filter(|command| command.has_subcommands()) {
            assert_eq!(of(&[group.get_name()]).len(), group.get_subcommands().count(), "{}", group.get_name());
        }
    }

    #[test]
    fn no_example_is_of_a_command_that_is_gone() {
        let mut commands = Vec::new();
        leaves(&args::command(), &[], &mut commands);
        let paths: Vec<String> = commands.iter().map(|(path, _)| path.join(" ")).collect();
        for (name, _) in EXAMPLES {
            assert!(paths.iter().any(|path| path == name), "there is no command {name}");
        }
    }

    /// Settings of an example are known keys with values in range.
    fn resolves(command: &args::Command) -> anyhow::Result<()> {
        use args::Command;
        use byol::run::record::Stage;
        let of = |stage| Basis { stage: Some(stage), ..Basis::default() };
        let (config, labels, basis) = match command {
            Command::Demo(demo) => (&demo.config, Some(&demo.labels), Basis::default()),
            Command::Views(views) => (&views.config, None, of(Stage::Pretrain)),
            Command::Supervised(supervised) => (&supervised.config, Some(&supervised.labels), of(Stage::Supervised)),
            Command::Pretrain(pretrain) => (&pretrain.config, None, of(Stage::Pretrain)),
            Command::Finetune(finetune) => (&finetune.config, Some(&finetune.labels), of(Stage::Finetune)),
            Command::Selftrain(options) => (&options.config, None, of(Stage::Selftrain)),
            Command::Run(run) if run.config.config.is_none() => (&run.config, Some(&run.labels), Basis::default()),
            Command::Ablate(ablate) => (&ablate.config, Some(&ablate.labels), Basis::default()),
            _ => return Ok(()),
        };
        request::experiment(config, labels, basis).map(|_| ())
    }
}
