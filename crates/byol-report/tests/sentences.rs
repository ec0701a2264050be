//! Sentences stand in the folder of their language: outside of it no source of the report, of the live page or of their scripts has a
//! literal of several words; nor has a note about data, or what a program says of its own work, where it is made.

use std::fs;
use std::path::{Path, PathBuf};

/// Literals of several words that are no sentences for readers of the page or the terminal.
const NO_SENTENCES: [&str; 20] = [
    // For browsers.
    "; script-src 'unsafe-inline'; connect-src 'self'",
    "; script-src 'unsafe-inline'",
    "suspects asked",
    "figure[data-image]",
    "default-src 'none'; img-src {own}data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'{script}",
    "width=device-width, initial-scale=1",
    "light dark",
    "\\\"use strict\\\";\\n{{\\n{words}{script}}}\\n",
    "text/html; charset=utf-8",
    "text/plain; charset=utf-8",
    "GET, HEAD",
    "wide figures",
    "header, nav, footer",
    "translate(13 ",
    "(prefers-color-scheme: dark)",
    // Parts of errors, which are English where they are made.
    "it holds no variant that has run",
    "is in use by another program",
    "needs rights that this user does not have",
    "cannot be listened on ({error})",
    "gives no address",
];

/// What a literal of code follows that people do not read: an error's message, or why something cannot happen.
const NOT_SHOWN: [&str; 4] = ["#[error(", ".expect(", "io::Error::other(", "unreachable!("];

/// Rust and JavaScript of the page, those of tests and languages left out.
fn sources() -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![src.join("report"), src.join("review"), src.join("watch")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && name != "language" {
                folders.push(path);
            } else if name != "tests.rs" && name != "testing.rs" && (name.ends_with(".rs") || name.ends_with(".js")) {
                found.push(path);
            }
        }
    }
    found
}

/// The literals of a source with what stands before each, comments and unit tests left out.
fn literals(text: &str, quotes: &[char]) -> Vec<(String, String)> {
    let tests = ["mod tests {", "pub(super) mod tests {"].map(|tests| format!("\n#[cfg(test)]\n{tests}"));
    let code = &text[..tests.iter().filter_map(|tests| text.find(tests)).min().unwrap_or(text.len())];
    let letters: Vec<char> = code.chars().collect();
    let (mut found, mut before, mut at) = (Vec::new(), String::new(), 0);
    while at < letters.len() {
        let rest = &letters[at..];
        let ends = |end: &str| {
            let end: Vec<char> = end.chars().collect();
            rest.windows(end.len()).position(|window| window == end).map_or(rest.len(), |place| place + end.len())
        };
        at += match rest {
            ['/', '/', ..] => ends("\n"),
            ['/', '*', ..] => ends("*/"),
            // A quotation mark as a character, and a lifetime.
            ['\'', '\\', _, '\'', ..] => 4,
            ['\'', _, '\'', ..] if !quotes.contains(&'\'') => 3,
            [quote, ..] if quotes.contains(quote) => {
                let mut length = 1;
                while length < rest.len() && rest[length] != *quote {
                    length += if rest[length] == '\\' { 2 } else { 1 };
                }
                found.push((before.clone(), rest[1..length.min(rest.len())].iter().collect()));
                before.clear();
                length + 1
            }
            [letter, ..] => {
                before.push(*letter);
                1
            }
            [] => 1,
        };
    }
    found
}

/// Without what is put in: `{…}` of Rust, `${…}` of JavaScript.
fn without_values(literal: &str) -> String {
    let mut depth = 0;
    let outside = literal.chars().filter(|letter| {
        depth += i32::from(*letter == '{');
        let is_outside = depth == 0;
        depth -= i32::from(*letter == '}' && depth > 0);
        is_outside
    });
    outside.collect()
}

/// Whether there are two words in turn, the second with a small first letter. Command lines and selectors are no sentences.
fn is_sentence(literal: &str) -> bool {
    let text = without_values(literal);
    let begins = ["byol ", " --", "--", ".", "#", "["];
    if begins.iter().any(|begin| text.starts_with(begin)) || text.contains(" > ") || text.contains('[') {
        return false;
    }
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(|letter: char| ".,;:()`'\"".contains(letter))).collect();
    let is_word = |word: &str| word.len() > 1 && word.chars().all(|letter| letter.is_alphabetic() || letter == '-');
    words.windows(2).any(|pair| is_word(pair[0]) && is_word(pair[1]) && pair[1].starts_with(char::is_lowercase))
}

#[test]
fn sentences_stand_in_the_folder_of_their_language() {
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for source in sources() {
        let text = fs::read_to_string(&source).unwrap();
        let quotes: &[char] =
            if source.extension().is_some_and(|end| end == "js") { &['"', '\'', '`'] } else { &['"'] };
        let mut shown = true;
        for (before, literal) in literals(&text, quotes) {
            looked += 1;
            // Further literals of one call follow a comma.
            let goes_on =
                before.trim().is_empty() || !shown && before.trim().starts_with(',') && !before.contains('\n');
            shown = if goes_on { shown } else { !NOT_SHOWN.iter().any(|call| before.trim_end().ends_with(call)) };
            if shown && is_sentence(&literal) && !NO_SENTENCES.contains(&literal.as_str()) {
                wrong.push(format!("{}: {literal}", source.display()));
            }
        }
    }
    assert!(looked > 300, "only {looked} literals were found");
    assert!(wrong.is_empty(), "sentences for people belong into report/language/english: {wrong:#?}");
}

/// The Rust files of a folder, those of tests left out.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            match path.is_dir() {
                true => folders.push(path),
                false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// What stands between brackets after each `beginning`: the values of a variant, or the arguments of a call.
fn given<'a>(text: &'a str, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    code.match_indices(beginning).filter_map(move |(place, _)| {
        let after = &code[place + beginning.len()..];
        let after = after.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_').trim_start();
        if !after.starts_with(['{', '(']) {
            return None;
        }
        let (mut depth, mut quoted) = (0, false);
        let end = after.find(|letter: char| {
            quoted ^= letter == '"';
            depth += i32::from(!quoted && "{([".contains(letter)) - i32::from(!quoted && "})]".contains(letter));
            depth == 0
        })?;
        Some(&after[..=end])
    })
}

/// Sentences among what is given after each `beginning` in the sources of a crate, and how many beginnings there are.
fn sentences_given(of: &str, beginning: &str) -> (Vec<String>, usize) {
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for source in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("src")) {
        let text = fs::read_to_string(&source).unwrap();
        for given in given(&text, beginning) {
            looked += 1;
            let literals = literals(given, &['"']).into_iter().map(|(_, literal)| literal);
            wrong.extend(literals.filter(|text| is_sentence(text)).map(|text| format!("{}: {text}", source.display())));
        }
    }
    (wrong, looked)
}

#[test]
fn notes_are_values_where_they_are_made() {
    for (of, beginning, least) in [
        ("byol-images", "DataNote::", 50),
        ("byol-images", "notes.push", 10),
        ("byol-images", "warnings.push", 15),
        ("byol", "Notice::", 10),
        ("byol-cli", "ProgramNote::", 20),
    ] {
        let (wrong, looked) = sentences_given(of, beginning);
        assert!(looked >= least, "only {looked} of {beginning} were found in {of}");
        assert!(wrong.is_empty(), "sentences for people belong into report/language/english: {wrong:#?}");
    }
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../byol-images/src/data");
    let notes = fs::read_to_string(images.join("note.rs")).unwrap();
    assert!(!notes.contains("format!") && literals(&notes, &['"']).iter().all(|(_, text)| !is_sentence(text)));
    // Notes are lists of values, and a list of texts would be another way to make them.
    for source in rust_files(&images) {
        let text = fs::read_to_string(&source).unwrap();
        for list in ["notes: Vec<String>", "warnings: Vec<String>"] {
            assert!(!text.contains(list), "{}: {list}", source.display());
        }
    }
}

#[test]
fn a_method_is_named_in_one_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = rust_files(&root.join("src"));
    sources.extend(rust_files(&root.join("../byol/src/export")));
    let name = "BYOL";
    let mut found = Vec::new();
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        if literals(&text, &['"']).iter().any(|(_, literal)| literal.contains(name)) {
            found.push(source.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert_eq!(found, ["method.rs"], "others ask `method::method_name`");
}

#[test]
fn a_sentence_in_a_note_is_recognised() {
    let source =
        "listing.notes.push(format!(\"{count} images have the label {name}\"));\nnotes.push(DataNote::A { b: 1 });";
    let found: Vec<&str> = given(source, "notes.push").collect();
    assert_eq!(found, ["(format!(\"{count} images have the label {name}\"))", "(DataNote::A { b: 1 })"]);
    let sentence = |given: &str| literals(given, &['"']).iter().any(|(_, text)| is_sentence(text));
    assert!(sentence(found[0]) && !sentence(found[1]));
}

#[test]
fn a_sentence_is_recognised() {
    let source = "let a = \"is behind {against} by {size}\"; // \"not this one\"\nlet b = '\"'; let c = \"data-run\";";
    let found: Vec<String> = literals(source, &['"']).into_iter().map(|(_, literal)| literal).collect();
    assert_eq!(found, ["is behind {against} by {size}", "data-run"]);
    assert!(is_sentence(&found[0]) && !is_sentence(&found[1]));
    assert!(is_sentence("${number} images shown") && is_sentence("Wrong answers, the surest first"));
    for none in
        ["Results", "{name} ± {deviation}", "byol run --data {data}", ".plot > svg", "M{x},{y}h0", "0 0 {width}"]
    {
        assert!(!is_sentence(none), "{none}");
    }
}
