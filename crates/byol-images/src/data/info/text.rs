//! An inventory as people read it: tables, then a sentence for everything that is odd.

use std::fmt;

use super::{Damage, DataInfo, Pool, Sizes};
use crate::data::findings::{Contradiction, Repeated, Straddling, relation};
use crate::data::format::Format;
use crate::data::words::{counted, verb};

impl fmt::Display for Sizes {
    /// `96 x 96`, or `64-4000 x 48-3000 (median 500 x 375)`.
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let range = |min: usize, max: usize| {
            if min == max { min.to_string() } else { format!("{min}-{max}") }
        };
        let width = range(self.min_width, self.max_width);
        write!(formatter, "{width} x {}", range(self.min_height, self.max_height))?;
        if self.min_width < self.max_width || self.min_height < self.max_height {
            write!(formatter, " (median {} x {})", self.median_width, self.median_height)?;
        }
        Ok(())
    }
}

impl fmt::Display for DataInfo {
    /// Tables of splits and classes, then folds, missing files and damaged ones.
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.kind {
            Format::Stl10 => writeln!(out, "STL-10 files in {}", self.path.display())?,
            Format::Folder => writeln!(out, "images without labels in {}", self.path.display())?,
            Format::Cifar10 => writeln!(out, "CIFAR-10 files in {}", self.path.display())?,
            Format::Csv => writeln!(out, "images in the table {}", self.path.display())?,
            Format::Parquet => writeln!(out, "Parquet files of images in {}", self.path.display())?,
            Format::WebDataset => writeln!(out, "tar files of images (WebDataset) in {}", self.path.display())?,
            Format::ClassFolders => writeln!(out, "folders by class in {}", self.path.display())?,
            Format::Pack => writeln!(out, "a packed data set, {}", self.path.display())?,
            Format::Patterns => writeln!(out, "patterns, the embedded set")?,
        }
        if !self.splits.is_empty() {
            writeln!(out, "\n{:<12}{:>9}   pixels", "split", "images")?;
        }
        for split in &self.splits {
            writeln!(out, "{:<12}{:>9}   {}", split.name, split.images, split.sizes)?;
        }
        self.fmt_pools(out)?;
        if !self.extensions.is_empty() {
            let kinds: Vec<String> = self.extensions.iter().map(|(kind, count)| format!("{count} .{kind}")).collect();
            writeln!(out, "\nfiles: {}", kinds.join(", "))?;
        }
        for text in self.passed_over.sentences() {
            writeln!(out, "\n{text}")?;
        }
        self.fmt_classes(out)?;
        self.fmt_straddling(out)?;
        if let Some(folds) = &self.fold_sizes {
            let (least, most) = (folds.iter().min().unwrap_or(&0), folds.iter().max().unwrap_or(&0));
            let size = if least == most { least.to_string() } else { format!("{least}-{most}") };
            writeln!(out, "\n{} folds of {size} training images", folds.len())?;
        }
        if !self.missing.is_empty() {
            writeln!(out, "\nmissing: {}", self.missing.join(", "))?;
        }
        for text in &self.notes {
            writeln!(out, "\n{text}")?;
        }
        for text in &self.warnings {
            writeln!(out, "\nwarning: {text}")?;
        }
        if let Some(refused) = &self.refused {
            writeln!(out, "\nas --data, `byol run` refuses it: {refused}")?;
        }
        if let Some(images) = self.as_unlabeled.filter(|_| self.takes_no_labels() && self.pools.is_empty()) {
            writeln!(out, "\nas --unlabeled, it gives {} without labels to pre-training", counted(images, "image"))?;
        }
        let (missing, damaged): (Vec<&Damage>, Vec<&Damage>) = self.damaged.iter().partition(|damage| damage.missing);
        for (title, files) in [("not there", missing), ("damaged", damaged)] {
            if !files.is_empty() {
                writeln!(out, "\n{title}: {}", files.len())?;
            }
            for Damage { path, problem, .. } in files {
                let path = path.display().to_string();
                // Most messages name the file themselves, or the line that does.
                match problem.contains(&path) || problem.starts_with("line ") {
                    true => writeln!(out, "  {problem}")?,
                    false => writeln!(out, "  {path}: {problem}")?,
                }
            }
        }
        Ok(())
    }
}

impl DataInfo {
    /// Whether the classes that were found, if any, are no reason against giving it as `--unlabeled`: folders may be years.
    fn takes_no_labels(&self) -> bool {
        matches!(self.kind, Format::Folder | Format::ClassFolders)
    }

    fn fmt_pools(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let width = self.pools.iter().map(|pool| pool.path.display().to_string().chars().count()).max().unwrap_or(0);
        let width = width.max("--unlabeled".len());
        if !self.pools.is_empty() {
            writeln!(out, "\n{:<width$}{:>9}{:>12}   pixels", "--unlabeled", "images", "left out")?;
        }
        for Pool { path, images, sizes, test_files, left_out } in &self.pools {
            let (path, left_out) = (path.display().to_string(), test_files + left_out.total());
            writeln!(out, "{path:<width$}{images:>9}{left_out:>12}   {sizes}")?;
        }
        if !self.pretraining.is_empty() {
            let all = self.pretraining.iter().map(|seen| seen.images).sum();
            let each: Vec<String> =
                self.pretraining.iter().map(|seen| format!("{} of {}", seen.images, seen.pool)).collect();
            writeln!(out, "\npre-training would see {}: {}", counted(all, "image"), each.join(", "))?;
        }
        Ok(())
    }

    fn fmt_classes(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let labeled: Vec<_> = self.splits.iter().filter_map(|split| Some((split, split.per_class.as_ref()?))).collect();
        if labeled.is_empty() {
            return Ok(());
        }
        write!(out, "\n{:<12}", "class")?;
        for (split, _) in &labeled {
            write!(out, "{:>9}", split.name)?;
        }
        for (class, name) in self.class_names.iter().enumerate() {
            write!(out, "\n{name:<12}")?;
            for (_, per_class) in &labeled {
                write!(out, "{:>9}", per_class[class])?;
            }
        }
        writeln!(out)?;
        if let Some(imbalance) = self.imbalance() {
            writeln!(out, "\n{imbalance}")?;
        }
        Ok(())
    }

    /// A sentence, where one class has at least twice the training images of another.
    fn imbalance(&self) -> Option<String> {
        let per_class = self.splits.iter().find(|split| split.name == "train")?.per_class.as_ref()?;
        let named = || per_class.iter().copied().zip(&self.class_names).filter(|&(count, _)| count > 0);
        let (most, largest) = named().max_by_key(|&(count, _)| count)?;
        let (least, smallest) = named().min_by_key(|&(count, _)| count)?;
        (most >= 2 * least).then(|| {
            let times = most as f64 / least as f64;
            format!(
                "imbalance: `{largest}` has {most} training images, `{smallest}` {least} ({times:.1} times as many); \
                 accuracy favours the large classes"
            )
        })
    }

    fn fmt_straddling(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for Straddling { other, exact, near, examples } in &self.straddling {
            let (exact, are) = (counted(*exact, "test image"), verb(*exact, "is", "are"));
            writeln!(
                out,
                "\nduplicates: {exact} {are} in {other} also, {near} {} like one there",
                verb(*near, "looks", "look")
            )?;
            for twins in examples {
                writeln!(out, "  {} {} {}", twins.test, relation(twins.exact), twins.other)?;
            }
        }
        if !self.straddling.is_empty() {
            writeln!(
                out,
                "  accuracies come out too high where test images are trained on: remove these files from one of the two, \
                 or correct the split so that copies lie on one side; `byol run` leaves them out of pre-training"
            )?;
        }
        self.fmt_labelled_copies(out)
    }

    fn fmt_labelled_copies(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for text in Contradiction::sentences(&self.contradictions) {
            writeln!(out, "\nlabels: {text}")?;
        }
        for Contradiction { images, .. } in &self.contradictions {
            let named: Vec<String> =
                images.iter().map(|named| format!("{} (`{}`)", named.image, named.class)).collect();
            writeln!(out, "  {}", named.join(", "))?;
        }
        for Repeated { class, exact, near, examples } in &self.repeated {
            let first = examples.first().map_or_else(String::new, |[one, other]| format!(": {other} repeats {one}"));
            writeln!(
                out,
                "\ncopies: in class `{class}`, {exact} exact and {near} that {} alike{first}",
                verb(*near, "looks", "look")
            )?;
        }
        Ok(())
    }
}
