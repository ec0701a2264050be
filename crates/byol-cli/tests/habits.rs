//! How the program behaves among others: completions, manual pages, a configuration to begin with, what `doctor` says,
//! and colour.

use std::process::{Command, Output, Stdio};

fn byol() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "TERM", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command
}

fn run(arguments: &[&str]) -> Output {
    byol().args(arguments).output().expect("the program can be started")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a command of that name can be started.
fn there(name: &str) -> bool {
    let started = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    started.is_ok_and(|status| status.success())
}

#[test]
fn bash_completes_commands_options_and_presets() {
    if !there("bash") {
        eprintln!("SKIPPED: bash is not on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("byol.bash");
    std::fs::write(&script, run(&["completions", "bash"]).stdout).unwrap();
    let completions = |words: &[&str]| {
        let typed: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let text = format!(
            "set -u; source '{}'; COMP_WORDS=({}); COMP_CWORD={}; \
             function=$(complete -p byol | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             $function byol \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            typed.join(" "),
            words.len() - 1,
        );
        let output = Command::new("bash").args(["--norc", "-c", &text]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        stdout(&output).trim().to_owned()
    };
    assert_eq!(completions(&["byol", "pret"]), "pretrain");
    assert_eq!(completions(&["byol", "pretrain", "--unl"]), "--unlabeled");
    assert_eq!(completions(&["byol", "data", "inf"]), "info");
    let presets = completions(&["byol", "run", "--preset", ""]);
    assert!(presets.contains("hour") && presets.contains("paper-1000"), "{presets}");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        let text = stdout(&output);
        assert!(output.status.success() && text.contains("pretrain") && text.contains("unlabeled"), "{shell}");
    }
}

/// The names after `Commands:` in a help text.
fn commands(path: &[&str]) -> Vec<String> {
    let help = stdout(&run(&[path, &["--help"]].concat()));
    let Some((_, rest)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = rest.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    let output = run(&["man", "--out", out.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{output:?}");
    let mut names = vec!["byol".to_owned()];
    for name in commands(&[]) {
        names.push(format!("byol-{name}"));
        names.extend(commands(&[&name]).iter().map(|inner| format!("byol-{name}-{inner}")));
    }
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let path = out.join(format!("{name}.1"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLES", ".SH \"EXIT STATUS\""] {
            assert!(text.contains(section), "{name} has no {section}:\n{text}");
        }
        if there("groff") {
            let rendered = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(&path).output().unwrap();
            assert!(rendered.stderr.is_empty() && !rendered.stdout.is_empty(), "{name}: {rendered:?}");
        }
    }
    assert!(stdout(&run(&["man"])).contains(".TH BYOL"));
    if !there("groff") {
        eprintln!("SKIPPED: groff, which renders the pages, is not on this machine");
    }
}

#[test]
fn a_configuration_to_begin_with_is_the_presets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |arguments: &[&str]| byol().args(arguments).current_dir(folder.path()).output().unwrap();
    let output = at(&["init", "--preset", "demo"]);
    assert!(output.status.success() && stdout(&output).contains("--config byol.toml"), "{output:?}");
    let text = std::fs::read_to_string(folder.path().join("byol.toml")).unwrap();
    assert!(text.contains("# Side of the square images") && text.contains("image_size = 32"));
    let again = at(&["init"]);
    assert_eq!(again.status.code(), Some(2));
    let expected = "byol: byol.toml exists already; name another file, or replace it with --force\n";
    assert_eq!(String::from_utf8_lossy(&again.stderr), expected);
    assert!(at(&["init", "--force"]).status.success());
    assert!(std::fs::read_to_string(folder.path().join("byol.toml")).unwrap().contains("image_size = 96"));
    let views = at(&["views", "--data", "patterns", "--count", "1", "--out", "views", "--config", "byol.toml"]);
    assert!(views.status.success(), "{views:?}");
}

#[test]
fn the_doctor_says_what_is_there_and_whether_training_works() {
    let folder = tempfile::tempdir().unwrap();
    let at = |arguments: &[&str]| byol().args(arguments).current_dir(folder.path()).output().unwrap();
    let output = at(&["doctor", "--device", "cpu"]);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    for word in ["processor", "libtorch", "cache", "free on its disk", "training works here"] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    let output = at(&["doctor", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&found["works"], &found["uses"]["precision"]), (&true.into(), &"fp32".into()));
    assert_eq!(found["uses"]["threads"], 1);
    let output = at(&["doctor", "--device", "cuda:999"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("remedy: ") && stdout(&output).contains("training does not work here"));
    let output = at(&["doctor", "--device", "cpu", "--out", "missing"]);
    assert_eq!(output.status.code(), Some(1));
}

const ESCAPE: char = '\u{1b}';

/// Texts for people, on either stream.
const TEXTS: [&[&str]; 4] =
    [&["--help"], &["run", "--ou", "x"], &["doctor", "--device", "cpu"], &["report", "missing"]];

#[test]
fn there_is_no_colour_off_a_terminal() {
    for arguments in TEXTS {
        let output = run(arguments);
        let all = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        assert!(!all.is_empty() && !all.contains(ESCAPE), "{all}");
    }
}

#[test]
fn colour_can_be_forced_but_not_on_programs() {
    for arguments in TEXTS {
        let output = byol().args(arguments).env("CLICOLOR_FORCE", "1").output().unwrap();
        let all = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        assert!(all.contains(ESCAPE), "{arguments:?}: {all}");
    }
    let output = byol().args(["doctor", "--device", "cpu", "--json"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!stdout(&output).contains(ESCAPE));
    let output = byol().args(["completions", "bash"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!stdout(&output).contains(ESCAPE));
}

/// What a terminal shows of a command: both streams are one.
#[cfg(target_os = "linux")]
fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::{FromRawFd, OwnedFd};

    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call writes to the two numbers alone; the rest is null or lives through it.
    let opened = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    assert_eq!(opened, 0, "a pseudo-terminal can be opened");
    // SAFETY: both were just opened, and are nobody else's.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let mut command = byol();
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut program = command.spawn().unwrap();
    // The terminal ends for us when nobody writes to it any more.
    drop(command);
    let mut shown = Vec::new();
    let mut terminal = File::from(ours);
    let mut piece = [0; 4096];
    // Linux reports an error, not an end, when the other side is closed.
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        shown.extend_from_slice(&piece[..count]);
    }
    program.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

/// Escape sequences that set colours or weights; those that move the cursor are none.
#[cfg(target_os = "linux")]
fn colours(shown: &str) -> usize {
    let sequences = shown.split(ESCAPE).skip(1).filter_map(|rest| rest.strip_prefix('['));
    sequences.filter(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_colour_unless_it_is_unwanted() {
    for arguments in TEXTS {
        let shown = on_a_terminal(arguments, &[]);
        assert!(colours(&shown) > 0, "{arguments:?}: {shown}");
        let shown = on_a_terminal(arguments, &[("NO_COLOR", "1")]);
        assert!(!shown.is_empty() && !shown.contains(ESCAPE), "{arguments:?}: {shown}");
        let shown = on_a_terminal(arguments, &[("TERM", "dumb")]);
        assert!(!shown.is_empty() && !shown.contains(ESCAPE), "{arguments:?}: {shown}");
    }
}

/// Training that takes a second.
const SHORT: [&str; 16] = [
    "supervised",
    "--data",
    "patterns",
    "--preset",
    "demo",
    "--set",
    "image_size=8",
    "--set",
    "width=0.0625",
    "--set",
    "epochs=3",
    "--set",
    "minimum_steps=300",
    "--draws",
    "1",
    "--out",
];

#[cfg(target_os = "linux")]
#[test]
fn bars_are_drawn_on_a_terminal_alone_and_without_colour_where_it_is_unwanted() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let shown = on_a_terminal(&[&SHORT[..], &[&out("bar")]].concat(), &[("NO_COLOR", "1")]);
    // The cursor moves, because a bar is redrawn.
    assert!(shown.contains("baseline") && shown.contains(ESCAPE), "{shown}");
    assert_eq!(colours(&shown), 0, "{shown}");
    let output = run(&[&SHORT[..], &[&out("plain")]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains(ESCAPE));
}
