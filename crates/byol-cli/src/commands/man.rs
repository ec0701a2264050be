//! `byol man`: manual pages, made from the same commands as the help.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{self, Output};
use crate::exit::{EXIT_CODES, Ending};
use crate::{examples, output};

#[derive(Args)]
pub struct Man {
    /// Write a page for the program and one for each command into a folder, instead of the program's to standard output
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub fn man(options: &Man, output: Output) -> anyhow::Result<Ending> {
    let pages = pages()?;
    let Some(folder) = &options.out else {
        // Whoever closed standard output does not want the rest.
        let _ = std::io::stdout().lock().write_all(&pages[0].text);
        return Ok(Ending::Done);
    };
    write(&pages, folder)?;
    if output.json {
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        output::json(&serde_json::json!({ "event": "ended", "folder": folder, "pages": names }));
    } else if !output.quiet {
        output::text(&format!("{} pages are in {}", pages.len(), folder.display()));
    }
    Ok(Ending::Done)
}

struct Page {
    /// `byol-data-info.1`.
    name: String,
    text: Vec<u8>,
}

/// The program's page, then those of its commands and theirs.
fn pages() -> anyhow::Result<Vec<Page>> {
    fn descend(command: &Command, path: &[&str], pages: &mut Vec<Page>) -> std::io::Result<()> {
        pages.push(page(command, path)?);
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            descend(inner, &[path, &[inner.get_name()]].concat(), pages)?;
        }
        Ok(())
    }
    let mut command = args::command();
    // Gives every command its full name, and the options that all have.
    command.build();
    let mut pages = Vec::new();
    descend(&command, &[], &mut pages).context("a manual page cannot be made")?;
    Ok(pages)
}

fn page(command: &Command, path: &[&str]) -> std::io::Result<Page> {
    let name = [&["byol"], path].concat().join("-");
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    rest.control("SH", ["EXAMPLES"]);
    for example in examples::of(path) {
        rest.control("TP", []);
        rest.text([bold(example.command)]);
        rest.text([roman(example.does)]);
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        rest.control("TP", []);
        rest.text([bold(code.to_string())]);
        rest.text([roman(meaning)]);
    }
    rest.to_writer(&mut text)?;
    if command.get_version().is_some() {
        man.render_version_section(&mut text)?;
    }
    Ok(Page { name: format!("{name}.1"), text })
}

fn write(pages: &[Page], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("folder {} cannot be made", folder.display()))?;
    for page in pages {
        let path = folder.join(&page.name);
        std::fs::write(&path, &page.text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
