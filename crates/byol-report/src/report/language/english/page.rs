//! The page of runs: its frame, its sections, and what stands where a section has nothing to show.

use std::path::Path;

use maud::{Markup, html};

use super::numbers::{count, list};
use crate::report::explain::Pool;
use crate::report::html::Section;

/// Above the heading: what the page is of.
pub fn over(run: &str, data: Option<&str>) -> String {
    let data = data.map_or_else(String::new, |data| format!(" · {data}"));
    format!("byol report · {run}{data}")
}

/// Above the heading of several runs.
pub const OVER_SEVERAL: &str = "byol report";
/// Above the heading of a page that waits.
pub const OVER_WAITING: &str = "byol watch";

/// The heading of a run.
pub fn heading(pool: Pool) -> &'static str {
    match pool {
        Pool::Unlabeled => "What the unlabelled images were worth",
        Pool::Training => "What pre-training was worth",
    }
}

/// The title of a run's page.
pub fn title(run: &str, pool: Pool) -> String {
    format!("{run}: {}", super::numbers::uncapital(heading(pool)))
}

/// Title and heading of a page of several runs.
pub fn runs_compared(runs: usize) -> String {
    format!("{runs} runs compared")
}

pub fn made_from(run: &str) -> Markup {
    html! { "Made by byol from the run directory " code { (run) } " and nothing else." }
}

pub fn made_from_several(runs: usize) -> String {
    format!("Made by byol from {runs} run directories and nothing else.")
}

/// Of the list of links to sections, for readers who do not see it.
pub const SECTIONS: &str = "Sections";

pub fn section(section: Section) -> &'static str {
    match section {
        Section::Results => "Results",
        Section::Explanation => "Explanation",
        Section::Mistakes => "Wrong answers",
        Section::Pretraining => "Pre-training",
        Section::Training => "Baseline and fine-tuning",
        Section::Confusion => "Confusions",
        Section::Map => "Map of test images",
        Section::Views => "Views",
        Section::Neighbours => "Neighbours",
        Section::Suspects => "Suspicious labels",
        Section::Facts => "Data and settings",
        Section::Next => "What next",
    }
}

/// The sections that have nothing yet.
pub fn not_yet(sections: &[Section]) -> String {
    let names: Vec<String> = sections.iter().map(|&of| section(of).to_owned()).collect();
    format!("Not recorded yet: {}.", list(&names))
}

/// Of the notes, for readers who do not see them; and above them.
pub const NOTES: &str = "Notes";
pub fn notes_of(finished: bool) -> &'static str {
    if finished { "Note" } else { "Unfinished run" }
}

/// How charts are asked.
pub const CHART_KEYS: &str = "Drag across part of a chart to zoom in, or click the chart and use the wheel. On the keyboard, + and − zoom, \
     arrow keys step through the points, and 0 shows everything. A legend entry hides or shows its curve.";

/// Why a section has nothing to show.
pub mod nothing {
    use crate::report::language::english::names::{classifier, fine_tuned};
    use crate::run::record::{Method, ResultName};

    pub const ANSWERS: &str = "No answers for individual test images are recorded.";
    pub const PRETRAINING: &str = "No epoch of pre-training is recorded.";
    pub const TRAINING: &str = "No epoch of the baseline or of fine-tuning is recorded.";
    pub const MAP: &str = "No map of test images is recorded.";
    pub const MAP_OF_SO_FEW: &str = "A map of so few test images would show nothing.";
    pub const VIEWS: &str = "The gallery holds no views.";
    pub const SUSPECTS: &str = "The labels of the training images were not looked at.";
    pub const NEIGHBOURS: &str = "The gallery holds no nearest neighbours.";
    pub const SUMMARY: &str = "Data and machine are not recorded yet: the run has no summary.json.";
    pub const IMAGE: &str = "missing";

    pub fn too_many_classes(classes: usize) -> String {
        format!("{classes} classes are too many for a matrix.")
    }

    pub fn confusions(method: Method) -> String {
        format!("No individual predictions of the baseline or of {} are recorded.", fine_tuned(&[method]))
    }

    /// Of a classifier of a run that has finished or not.
    pub fn predictions(name: ResultName, finished: bool) -> String {
        let yet = if finished { "" } else { " yet" };
        format!("No predictions of {}{yet}.", classifier(name))
    }
}

/// A test image without a name.
pub fn test_image(number: usize) -> String {
    format!("test image {number}")
}

/// The section on data and settings.
pub mod facts {
    use super::*;
    use crate::report::language::english::names::LABELLED_POOL;
    use crate::report::language::english::numbers::{capital, duration, plural};
    use crate::run::record::{PoolRecord, Summary};

    pub const REPEAT: &str = "How to repeat it";
    pub const CONFIGURATION: &str = "Configuration";
    pub const CHOSEN: &str = "Chosen within each label budget";

    /// Each fact with its name.
    pub fn of(summary: &Summary, seconds: f64) -> Vec<(String, String)> {
        let data = &summary.data;
        let of = |pool: &PoolRecord| match pool.name.as_str() {
            LABELLED_POOL => format!("the {}", plural(pool.images as u64, "labelled training image")),
            name => format!("{} of {name}", count(pool.images as u64)),
        };
        let pools: Vec<String> = data.unlabeled.iter().map(of).collect();
        let hardware = match summary.processes {
            Some(processes) => format!("{processes} processes, each {}", summary.hardware),
            None => summary.hardware.clone(),
        };
        let facts = [
            ("data", data.name.clone()),
            ("fingerprint", data.fingerprint.clone()),
            ("classes", format!("{}: {}", data.class_names.len(), data.class_names.join(", "))),
            ("labelled training images", count(data.train_images as u64)),
            ("test images", count(data.test_images as u64)),
            ("images for pre-training", if pools.is_empty() { "none".to_owned() } else { list(&pools) }),
            ("unreadable files left out", count(data.skipped as u64)),
            ("seed", summary.seed.to_string()),
            ("version", summary.version.clone()),
            ("hardware", hardware),
            ("total time", duration(seconds)),
        ];
        facts.into_iter().map(|(name, value)| (capital(name), value)).collect()
    }

    /// Above the command as it was typed.
    pub fn repeat_in(folder: &Path) -> Markup {
        html! { "With the same version, in the folder " code { (folder.display()) } ", where the run was started:" }
    }

    /// Above a command in which names stand for what is not recorded.
    pub const REPEAT_SOMEWHERE: &str = "With the same version and the run's own configuration; the words in capitals stand for the \
         locations of the data and of the run, which are not recorded:";

    /// The heads of the table of what was chosen.
    pub const COLUMNS: [&str; 5] = ["classifier", "labels", "draw", "labelled images", "chosen"];
}

/// Views and neighbours.
pub mod gallery {
    use crate::report::language::english::numbers::{count, plural};

    /// The heads of the table of views.
    pub const COLUMNS: [&str; 3] = ["original", "views with t", "views with t\u{2032}"];

    /// What a view shows.
    pub fn view(image: &str, nth: usize, with: &str) -> String {
        format!("{image}, view {nth} with {with}")
    }

    pub fn neighbours(same: usize, all: usize) -> String {
        let are = if same == 1 { "is" } else { "are" };
        format!(
            "Some test images, each followed by the labelled training images nearest to it in the pre-trained encoder's \
             representation (cosine similarity below). {same} of these {all} neighbours {are} of the same class (✓, solid frame); \
             the others are marked ✗ with a dashed frame."
        )
    }

    /// How many labels are suspicious.
    pub fn suspects(suspicious: usize, looked_at: usize) -> String {
        let labels = plural(looked_at as u64, "training image");
        match suspicious {
            0 => format!("By the pre-trained encoder no label of {labels} is suspicious."),
            1 => format!("By the pre-trained encoder one label of {labels} is probably wrong."),
            _ => format!(
                "By the pre-trained encoder {} labels of {labels} are suspicious; the most suspicious come first. A weak encoder \
                 suspects many right ones: look before you change a label.",
                count(suspicious as u64)
            ),
        }
    }

    /// Below a suspicious image.
    pub fn probably(likely: &str, own: f64, probability: f64) -> String {
        format!("{:.0}%; probably {likely}, {:.0}%", 100.0 * own, 100.0 * probability)
    }

    pub const ALL_SUSPECTS: &str = "All of them, with copies and outliers, to keep, change or drop:";

    pub const TEST_IMAGE: &str = "test image";

    /// What an image shows.
    pub fn test_image_of(class: &str) -> String {
        format!("test image of class {class}")
    }

    pub fn training_image_of(class: &str) -> String {
        format!("training image of class {class}")
    }

    /// The sign of a neighbour, for readers who do not see it.
    pub fn sign(same: bool) -> &'static str {
        if same { "same class" } else { "other class" }
    }
}
