//! What ARCHITECTURE.md says, held against the sources: a module uses modules of lower layers alone, as it draws them, so that nothing
//! in the library is a circle; and functions are where it says. Each crate is whole by itself, as `cargo package` takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The lines of the drawing: each crate with its layers, lowest first.
fn drawn() -> Vec<(String, Vec<Vec<String>>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("```layers\n").expect("ARCHITECTURE.md draws the layers");
    let (block, _) = after.split_once("```").unwrap();
    let words = |layer: &str| layer.split_whitespace().map(str::to_owned).collect();
    let crates = block.lines().map(|line| {
        let (name, layers) = line.split_once(':').unwrap();
        (name.trim().to_owned(), layers.split('<').map(words).collect())
    });
    crates.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files of a module, those of its tests left out.
fn sources(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut found = vec![src.join(format!("{module}.rs"))];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "rs") => found.push(path),
                _ => {}
            }
        }
    }
    found.retain(|path| {
        path.is_file() && path.file_name().is_some_and(|name| name != "tests.rs" && name != "testing.rs")
    });
    found
}

/// The modules that a file uses by `crate::`: comments and unit tests are left out.
fn used(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.map(|line| format!("{line}\n")).collect();
    let mut modules = Vec::new();
    for (place, _) in code.match_indices("crate::") {
        if code[..place].ends_with(|before: char| before.is_alphanumeric() || before == '$') {
            continue;
        }
        let after = &code[place + "crate::".len()..];
        match after.strip_prefix('{') {
            None => modules.push(word(after)),
            Some(list) => {
                let mut depth = 1;
                let ends = list.find(|letter| {
                    depth += match letter {
                        '{' => 1,
                        '}' => -1,
                        _ => 0,
                    };
                    depth == 0
                });
                let mut depth = 0;
                for part in list[..ends.unwrap()].split_inclusive(['{', '}', ',']) {
                    if depth == 0 {
                        modules.push(word(part.trim_start()));
                    }
                    depth += part.matches('{').count() as i32 - part.matches('}').count() as i32;
                }
            }
        }
    }
    modules.retain(|module| !module.is_empty());
    modules
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[test]
fn modules_use_lower_layers_alone() {
    let mut wrong = Vec::new();
    for (name, layers) in drawn() {
        let src = root().join("crates").join(&name).join("src");
        let heights: BTreeMap<&str, usize> = layers
            .iter()
            .enumerate()
            .flat_map(|(height, layer)| layer.iter().map(move |module| (module.as_str(), height)))
            .collect();
        let library = fs::read_to_string(src.join("lib.rs")).unwrap();
        let declared: Vec<&str> = library
            .lines()
            .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
            .collect();
        let drawn: Vec<&str> = heights.keys().copied().collect();
        let mut sorted = declared.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, drawn, "the modules of {name}, and those that ARCHITECTURE.md draws");
        for module in declared {
            for file in sources(&src, module) {
                for other in used(&file) {
                    // What is not drawn here is an item of the crate's root, or comes from a lower crate.
                    if heights.get(other.as_str()).is_some_and(|height| other != module && *height >= heights[module]) {
                        wrong.push(format!("{}: {module} uses {other}", file.strip_prefix(root()).unwrap().display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a source has a function or type of that name.
fn defines(source: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait"].iter().any(|kind| {
        let begin = format!("{kind} {name}");
        let after = |place: usize| source[place + begin.len()..].chars().next();
        let goes_on = |letter: char| letter.is_alphanumeric() || letter == '_';
        source.match_indices(&begin).any(|(place, _)| !after(place).is_some_and(goes_on))
    })
}

#[test]
fn questions_are_answered_by_at_most_three_files_that_have_what_is_named() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("## Questions, and the functions that answer them\n").expect("the section");
    let section = after.split("\n## ").next().unwrap();
    let (mut questions, mut named) = (0, 0);
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")) {
        questions += 1;
        let (mut files, mut source) = (0, String::new());
        for code in row.split('`').skip(1).step_by(2) {
            if code.contains('/') {
                files += 1;
                source = fs::read_to_string(root().join(code)).unwrap_or_else(|error| panic!("{code}: {error}"));
            } else if code.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
                named += 1;
                assert!(defines(&source, code), "`{code}` is not where it is said to be: {row}");
            }
        }
        assert!((1..=3).contains(&files), "{files} files: {row}");
    }
    assert!(questions >= 10 && named >= 20, "{questions} questions, {named} names");
}

#[test]
fn only_the_last_crate_needs_libtorch() {
    let crates: Vec<String> = drawn().into_iter().map(|(name, _)| name).collect();
    let (last, free) = crates.split_last().unwrap();
    assert_eq!(last, "byol");
    for (number, name) in free.iter().enumerate() {
        let manifest = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let own = manifest.lines().filter_map(|line| line.split_once(" = ")).map(|(dependency, _)| dependency.trim());
        for dependency in own.filter(|dependency| dependency.starts_with("byol") || *dependency == "tch") {
            assert!(free[..number].iter().any(|lower| lower == dependency), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn crates_take_in_no_file_from_outside() {
    let mut taken = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let home = entry.unwrap().path().canonicalize().unwrap();
        let mut files = Vec::new();
        let mut folders = vec![home.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            for (_, after) in ["include_str!(\"", "include_bytes!(\""]
                .iter()
                .flat_map(|by| text.match_indices(by).map(|(at, by)| (at, &text[at + by.len()..])))
            {
                let name = after.split('"').next().unwrap();
                let mut path = file.parent().unwrap().to_path_buf();
                for part in Path::new(name).components() {
                    match part {
                        std::path::Component::ParentDir => drop(path.pop()),
                        other => path.push(other),
                    }
                }
                assert!(path.starts_with(&home) && path.exists(), "{}: {name}", file.display());
                taken += 1;
            }
        }
        let manifest = fs::read_to_string(home.join("Cargo.toml")).unwrap();
        for line in manifest.lines().filter(|line| line.contains("path = \"../")) {
            assert!(line.contains("version = "), "{}: {line}", home.display());
        }
    }
    assert!(taken > 20, "{taken}");
}
