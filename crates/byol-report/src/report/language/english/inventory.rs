//! What `byol data info` says of a data set: tables, then a sentence for everything that is odd.

use std::fmt::Write;

use super::data::{counted, data_note, exact_and_near, relation, shared};
use crate::data::findings::{Contradiction, Repeated, Straddling};
use crate::data::format::Format;
use crate::data::info::{Damage, DataInfo, Imbalance, Pool, Sizes};

/// Tables of splits and classes, then folds, missing files and damaged ones: lines, each ended.
pub fn inventory(info: &DataInfo) -> String {
    let mut text = format!("{}\n", title(info));
    // Nothing else that is said of the labels would be true.
    if info.unread_table.is_some() {
        refusal(&mut text, info);
    }
    if !info.splits.is_empty() {
        line(&mut text, format!("\n{:<12}{:>9}   pixels", "split", "images"));
    }
    for split in &info.splits {
        line(&mut text, format!("{:<12}{:>9}   {}", split.name, split.images, sizes(&split.sizes)));
    }
    pools(&mut text, info);
    if !info.extensions.is_empty() {
        let kinds: Vec<String> = info.extensions.iter().map(|(kind, count)| format!("{count} .{kind}")).collect();
        line(&mut text, format!("\nfiles: {}", kinds.join(", ")));
    }
    for note in info.passed_over.notes() {
        line(&mut text, format!("\n{}", data_note(&note)));
    }
    classes(&mut text, info);
    copies(&mut text, info);
    if let Some(folds) = &info.fold_sizes {
        let (least, most) = (folds.iter().min().unwrap_or(&0), folds.iter().max().unwrap_or(&0));
        let size = if least == most { least.to_string() } else { format!("{least}-{most}") };
        line(&mut text, format!("\n{} folds of {size} training images", folds.len()));
    }
    if !info.missing.is_empty() {
        line(&mut text, format!("\nmissing: {}", info.missing.join(", ")));
    }
    for note in &info.notes {
        line(&mut text, format!("\n{}", data_note(note)));
    }
    for note in &info.warnings {
        line(&mut text, format!("\nwarning: {}", data_note(note)));
    }
    if info.unread_table.is_none() {
        refusal(&mut text, info);
    }
    if let Some(images) = info.as_unlabeled.filter(|_| info.takes_no_labels() && info.pools.is_empty()) {
        let images = counted(images, "image");
        line(&mut text, format!("\nas --unlabeled, it gives {images} without labels to pre-training"));
    }
    damage(&mut text, &info.damaged);
    text
}

fn refusal(text: &mut String, info: &DataInfo) {
    if let Some(refused) = &info.refused {
        line(text, format!("\nas --data, `byol run` refuses it: {refused}"));
    }
}

fn line(text: &mut String, line: String) {
    text.push_str(&line);
    text.push('\n');
}

fn title(info: &DataInfo) -> String {
    let path = info.path.display();
    if let Some(table) = &info.unread_table {
        return format!("images in {path}, whose table of labels cannot be read: {}", table.display());
    }
    match info.kind {
        Format::Stl10 => format!("STL-10 files in {path}"),
        Format::Folder => format!("images without labels in {path}"),
        Format::Cifar10 => format!("CIFAR-10 files in {path}"),
        Format::Csv => format!("images in the table {path}"),
        Format::Parquet => format!("Parquet files of images in {path}"),
        Format::WebDataset => format!("tar files of images (WebDataset) in {path}"),
        Format::ClassFolders => format!("folders by class in {path}"),
        Format::Pack => format!("a packed data set, {path}"),
        Format::Patterns => "patterns, the embedded set".to_owned(),
    }
}

/// `96 x 96`, or `64-4000 x 48-3000 (median 500 x 375)`.
fn sizes(sizes: &Sizes) -> String {
    let range = |min: usize, max: usize| if min == max { min.to_string() } else { format!("{min}-{max}") };
    let (width, height) = (range(sizes.min_width, sizes.max_width), range(sizes.min_height, sizes.max_height));
    match sizes.min_width < sizes.max_width || sizes.min_height < sizes.max_height {
        true => format!("{width} x {height} (median {} x {})", sizes.median_width, sizes.median_height),
        false => format!("{width} x {height}"),
    }
}

fn pools(text: &mut String, info: &DataInfo) {
    let width = info.pools.iter().map(|pool| pool.path.display().to_string().chars().count()).max().unwrap_or(0);
    let width = width.max("--unlabeled".len());
    if !info.pools.is_empty() {
        line(text, format!("\n{:<width$}{:>9}{:>12}   pixels", "--unlabeled", "images", "left out"));
    }
    for Pool { path, images, sizes: of, test_files, left_out } in &info.pools {
        let (path, left_out) = (path.display().to_string(), test_files + left_out.total());
        line(text, format!("{path:<width$}{images:>9}{left_out:>12}   {}", sizes(of)));
    }
    if !info.pretraining.is_empty() {
        let all = info.pretraining.iter().map(|seen| seen.images).sum();
        let each: Vec<String> =
            info.pretraining.iter().map(|seen| format!("{} of {}", seen.images, seen.pool)).collect();
        line(text, format!("\npre-training would see {}: {}", counted(all, "image"), each.join(", ")));
    }
}

fn classes(text: &mut String, info: &DataInfo) {
    let labeled: Vec<_> = info.splits.iter().filter_map(|split| Some((split, split.per_class.as_ref()?))).collect();
    if labeled.is_empty() {
        return;
    }
    let mut table = format!("\n{:<12}", "class");
    for (split, _) in &labeled {
        let _ = write!(table, "{:>9}", split.name);
    }
    for (class, name) in info.class_names.iter().enumerate() {
        let _ = write!(table, "\n{name:<12}");
        for (_, per_class) in &labeled {
            let _ = write!(table, "{:>9}", per_class[class]);
        }
    }
    line(text, table);
    if let Some(Imbalance { largest, most, smallest, least }) = info.imbalance() {
        let times = most as f64 / least as f64;
        line(
            text,
            format!(
                "\nimbalance: `{largest}` has {most} training images, `{smallest}` {least} ({times:.1} times as many); accuracy \
                 favours the large classes"
            ),
        );
    }
}

fn copies(text: &mut String, info: &DataInfo) {
    for Straddling { other, exact, near, examples } in &info.straddling {
        line(text, format!("\nduplicates: {}", shared(other, *exact, *near)));
        for twins in examples {
            line(text, format!("  {} {} {}", twins.test, relation(twins.exact), twins.other));
        }
    }
    if !info.straddling.is_empty() {
        let remedy = "  accuracies come out too high where test images are trained on: remove these files from one of the two, or \
                      correct the split so that copies lie on one side; `byol run` leaves them out of pre-training";
        line(text, remedy.to_owned());
    }
    for note in Contradiction::notes(&info.contradictions) {
        line(text, format!("\nlabels: {}", data_note(&note)));
    }
    for Contradiction { images, .. } in &info.contradictions {
        let named: Vec<String> = images.iter().map(|named| format!("{} (`{}`)", named.image, named.class)).collect();
        line(text, format!("  {}", named.join(", ")));
    }
    for Repeated { class, exact, near, examples } in &info.repeated {
        let first = examples.first().map_or_else(String::new, |[one, other]| format!(": {other} repeats {one}"));
        line(text, format!("\ncopies: in class `{class}`, {}{first}", exact_and_near(*exact, *near, "alike")));
    }
}

fn damage(text: &mut String, damaged: &[Damage]) {
    let (missing, damaged): (Vec<&Damage>, Vec<&Damage>) = damaged.iter().partition(|damage| damage.missing);
    for (title, files) in [("not there", missing), ("damaged", damaged)] {
        if !files.is_empty() {
            line(text, format!("\n{title}: {}", files.len()));
        }
        for Damage { path, problem, .. } in files {
            let path = path.display().to_string();
            // Most messages name the file themselves, or the line that does.
            match problem.contains(&path) || problem.starts_with("line ") {
                true => line(text, format!("  {problem}")),
                false => line(text, format!("  {path}: {problem}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::data::OpenOptions;
    use crate::data::findings::LeftOut;
    use crate::data::info::SeenByPretraining;

    /// An image with something to see, of which each `kind` is another one.
    fn wave(path: &Path, kind: u32, side: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let value = |x: u32, y: u32| {
            let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
            (128.0 + 100.0 * (f64::from(kind) * 1.7 + 9.0 * x + f64::from(kind) * 3.1 * x * y).sin()) as u8
        };
        image::RgbImage::from_fn(side, side, |x, y| image::Rgb([value(x, y); 3])).save(path).unwrap();
    }

    fn holds(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "`{text}` lacks `{part}`");
        }
    }

    #[test]
    fn an_inventory_is_tables_and_a_sentence_for_what_is_odd() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..6 {
            wave(&root.path().join(format!("train/many/{number}.jpg")), number, 40);
        }
        wave(&root.path().join("train/few/6.jpg"), 6, 40);
        wave(&root.path().join("train/few/7.jpg"), 7, 64);
        wave(&root.path().join("test/few/other.jpg"), 30, 40);
        fs::create_dir(root.path().join("test/many")).unwrap();
        fs::copy(root.path().join("train/many/2.jpg"), root.path().join("test/many/same.jpg")).unwrap();
        fs::write(root.path().join("test/few/bad.jpg"), b"x").unwrap();
        let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
        let text = inventory(&info);
        assert!(text.starts_with(&format!("folders by class in {}\n\nsplit ", root.path().display())), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        holds(
            &words,
            &[
                "train 8 40-64 x 40-64 (median 40 x 40)",
                "test 2 40 x 40 files: 10 .jpg",
                "class train test few 2 1 many 6 1",
                "imbalance: `many` has 6 training images, `few` 2 (3.0 times as many); accuracy favours the large classes",
                "duplicates: 1 test image is in train also test/many/same.jpg equals train/many/2.jpg",
                "warning: with 2 test images an accuracy is known to about",
                "damaged: 1",
                "bad.jpg: the content is neither",
            ],
        );
    }

    #[test]
    fn pools_folds_and_files_have_their_lines() {
        let mut info = DataInfo::inspect("patterns", &OpenOptions::default()).unwrap();
        assert!(inventory(&info).starts_with("patterns, the embedded set\n"));
        let of_pool =
            Sizes { min_width: 64, median_width: 64, max_width: 64, min_height: 3, median_height: 5, max_height: 9 };
        let left_out = LeftOut { pool: "photos".into(), test_exact: 1, test_near: 1, repeated: 1 };
        let pool = Pool { path: "photos".into(), images: 40, sizes: of_pool, test_files: 2, left_out };
        info.pools = vec![pool];
        let seen = |pool: &str, images| SeenByPretraining { pool: pool.into(), images };
        info.pretraining = vec![seen("photos", 35), seen("train", 12)];
        info.fold_sizes = Some(vec![2, 3]);
        info.missing = vec!["unlabeled_X.bin".into()];
        let damage =
            |path: &str, problem: &str, missing| Damage { path: path.into(), problem: problem.into(), missing };
        info.damaged = vec![
            damage("a.png", "line 6 of labels.csv names `a.png`, which is not there", true),
            damage("b.png", "the file is empty", false),
            damage("c.bin", "c.bin has 3 bytes", false),
        ];
        holds(
            &inventory(&info),
            &[
                "\n--unlabeled   images    left out   pixels\nphotos            40           5   64 x 3-9 (median 64 x 5)\n",
                "\npre-training would see 47 images: 35 of photos, 12 of train\n",
                "\n2 folds of 2-3 training images\n",
                "\nmissing: unlabeled_X.bin\n",
                "\nnot there: 1\n  line 6 of labels.csv names `a.png`, which is not there\n",
                "\ndamaged: 2\n  b.png: the file is empty\n  c.bin has 3 bytes\n",
            ],
        );
    }

    #[test]
    fn what_cannot_be_divided_is_told_with_the_reason() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..4 {
            wave(&root.path().join(format!("cat/{number}.jpg")), number, 40);
        }
        wave(&root.path().join("emu/4.jpg"), 4, 40);
        let text = inventory(&DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap());
        holds(
            &text,
            &["class        labelled", "emu                 1", "as --data, `byol run` refuses it: class `emu`"],
        );
        let loose = root.path().join("emu");
        let text = inventory(&DataInfo::inspect(&loose, &OpenOptions::default()).unwrap());
        holds(&text, &["images without labels in ", "as --unlabeled, it gives 1 image without labels to pre-training"]);
    }

    #[test]
    fn why_a_table_cannot_be_read_is_said_first_and_once() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..4 {
            wave(&root.path().join(format!("{number}.jpg")), number, 40);
        }
        for (table, cause) in [
            ("path,label\n0.jpg,a\n1.jpg,b\n0.jpg,b\n", "line 4: `0.jpg` was listed before, in line 2"),
            ("0.jpg,a\n1.jpg,b\n", "line 1: the first line must name a column of paths"),
            ("path,label\n0.jpg,a\n1.jpg\n", "line 3: 1 cell where the first line has 2"),
            ("path,label,split\n0.jpg,a,tset\n", "line 2: `tset` is no split"),
        ] {
            fs::write(root.path().join("labels.csv"), table).unwrap();
            let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
            let text = inventory(&info);
            let [title, _, first, ..] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
            assert!(title.contains("whose table of labels cannot be read"), "{text}");
            assert!(first.starts_with("as --data, `byol run` refuses it: ") && first.contains(cause), "{text}");
            assert_eq!(text.matches(cause).count(), 1, "{text}");
            assert!(!text.contains("has a label") && !text.contains("as --unlabeled"), "{text}");
        }
    }
}
