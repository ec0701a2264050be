//! What was found out about data when it was opened.

use crate::data::Unlabelled;
use crate::data::error::{FileRemedy, counted_kinds};
use crate::data::findings::{LeftOut, Straddling};
use crate::data::levels::SampleKind;
use crate::data::note::{DataNote, Lack, LevelsRemedy, Span};

/// One sentence, without a capital and a full stop.
pub fn data_note(note: &DataNote) -> String {
    match note {
        DataNote::FilesNotRead { kinds, remedies } => files_not_read(kinds, remedies),
        DataNote::FoldersNotSearched { folders } => folders_not_searched(folders),
        DataNote::Skipped { path, problem } => format!("skipped {path}: {problem}"),
        DataNote::MoreSkipped { files, root } => format!("skipped {} in {root}", counted(*files, "more file")),
        DataNote::LineSkipped { problem } => problem.clone(),
        DataNote::MoreLinesSkipped { lines } => match *lines {
            1 => "1 more line names a file that is not there".to_owned(),
            lines => format!("{lines} more lines name files that are not there"),
        },
        DataNote::Missing { file, lacks } => missing(file, *lacks),
        DataNote::NotInMemory { root } => format!(
            "the images of {root} are too many or too large to stay decoded in memory, so each is decoded again whenever it is \
             needed; `byol data pack {root} --out FILE` decodes them once"
        ),
        DataNote::DecodedLater { images, root } => format!(
            "the {} of {root} for pre-training would not fit into memory, so each is decoded whenever it is needed, and not before; what cannot be \
             read then, or is a copy of a test image, is told at the end of an epoch, and another image takes its place (--strict looks at \
             all of them first; `byol data pack {root} --out FILE` decodes them once)",
            counted(*images, "image")
        ),
        DataNote::SplitDrawn { train, test, file, saved } => {
            let what = if *saved { "was drawn and saved in" } else { "will be drawn and saved in" };
            format!("a train/test split ({train} for training, {test} for the test) {what} {file}")
        }
        DataNote::CopiesTrained { images } => format!(
            "{} {} there more than once, and {} for training alone: no image counts twice in the test",
            counted(*images, "labelled image"),
            verb(*images, "is", "are"),
            verb(*images, "is", "are")
        ),
        DataNote::OnlyCopies { class } => format!(
            "the images of class `{class}` are copies of one another or of other classes' images, so its test images are training \
             images also; add others"
        ),
        DataNote::SplitImagesGone { images, tests, file, first } => format!(
            "{} of the saved split {file} {} missing or unreadable{} ({})",
            counted(*images, "image"),
            verb(*images, "is", "are"),
            if *tests > 0 { format!(", {tests} for the test") } else { String::new() },
            some(first, *images)
        ),
        DataNote::SplitNamesShort { names, file, written, image } => format!(
            "{} of the saved split {file} {} the ending or the folder that others there have, and {} passed over; write `{written}` as \
             `{image}`, if it is that image",
            counted(*names, "name"),
            verb(*names, "lacks", "lack"),
            verb(*names, "is", "are")
        ),
        DataNote::NotInSplit { images, file, first } => format!(
            "{} {} not in the saved split {file} and {} for training ({})",
            counted(*images, "image"),
            verb(*images, "is", "are"),
            verb(*images, "is", "are"),
            some(first, *images)
        ),
        DataNote::SplitNotUsed { file } => {
            format!("--split {file} is not used: the data has its own division, or no labels to divide by")
        }
        DataNote::TestWithoutLabels { images } => format!(
            "{} of the test split {} as unlabelled",
            counted(*images, "image"),
            verb(*images, "has no label and counts", "have no label and count")
        ),
        DataNote::ValidationTrained { images } => format!(
            "{} of the validation split {} the training images: what validation needs is held out of those",
            counted(*images, "image"),
            verb(*images, "joins", "join")
        ),
        DataNote::TestImagesLeftOut { images, root } => {
            format!("{} of {root} {} left out", counted(*images, "test image"), verb(*images, "is", "are"))
        }
        DataNote::Corrected { changed, dropped, file } => {
            let changed = (*changed > 0).then(|| format!("{} changed", subject(*changed, "label", "is", "are")));
            let dropped = (*dropped > 0).then(|| format!("{} left out", subject(*dropped, "image", "is", "are")));
            let both: Vec<String> = changed.into_iter().chain(dropped).collect();
            format!("{} by {file}", both.join(" and "))
        }
        DataNote::CorrectionsNotUsed { answers, file } => format!(
            "{} in {file} {} not applied: the label is not what it was then, or the image is gone",
            counted(*answers, "answer"),
            verb(*answers, "is", "are")
        ),
        DataNote::TestImagesOfData { images, root } => format!(
            "{} of {root} {} of the data and {} left out of pre-training",
            counted(*images, "image"),
            verb(*images, "is a test image", "are test images"),
            verb(*images, "is", "are")
        ),
        DataNote::FewTestImages { images, points, enough, points_with_enough } => format!(
            "with {} an accuracy is known to about ±{points} points; {enough} test images would give ±{points_with_enough}: label \
             more images and put them into the test",
            counted(*images, "test image")
        ),
        DataNote::Misspelt { class, images, meant } => format!(
            "class `{class}` has {} only and is called nearly as `{meant}`, which has many more; did you mean `{meant}`?",
            counted(*images, "image")
        ),
        DataNote::CapitalsDiffer { class, other } => format!(
            "classes `{class}` and `{other}` differ in capital letters alone and count as two; put them together if they are one"
        ),
        DataNote::ClassWithoutImage { class } => format!("class `{class}` has no image"),
        DataNote::ClassWithoutTest { class } => format!("class `{class}` has no test image"),
        DataNote::MinusOne { images } => format!(
            "{} the label -1 beside numbers from 0 on, which is read as none",
            subject(*images, "image", "has", "have")
        ),
        DataNote::PerhapsNoLabel { images, class } => format!(
            "{} the label `{class}`, which is read as a class; where it means that there is no label, leave its place empty",
            subject(*images, "image", "has", "have")
        ),
        DataNote::Unlabelled(why) => unlabelled(why),
        DataNote::NoSplit { folder } => format!("{folder} is not train, test, val or unlabeled and is left out"),
        DataNote::SplitsJoined { splits } => {
            let splits: Vec<String> = splits
                .iter()
                .map(|(folders, split)| format!("{} together are the {split} split", folders.join(" and ")))
                .collect();
            splits.join("; ")
        }
        DataNote::ClassesPerhapsSplits { one, other, both_hold } => format!(
            "{one} and {other} are read as classes, and both hold the folders {both_hold}; if these are the classes, and {one} \
             and {other} are splits, name those train and test"
        ),
        DataNote::DataSetWithin { root, inner } => format!(
            "the folders in {root} are read as classes, and {inner} holds class folders itself; did you mean --data {inner}?"
        ),
        DataNote::ReadAsPaths { table, column } => format!("{table}: column `{column}` is read as paths"),
        DataNote::ReadAsLabels { table, column } => {
            format!("{table}: column `{column}`, the only other one, is read as labels")
        }
        DataNote::ReadAsClasses { table } => format!("{table}: its columns of 0 and 1 are read as classes"),
        DataNote::ColumnsNotRead { table, read } => {
            let read: Vec<String> = read
                .iter()
                .map(|(column, other)| format!("column `{column}` is read, and `{other}` is passed over"))
                .collect();
            format!("{table}: {}", read.join("; "))
        }
        DataNote::FoundAs { table, written, name } => {
            format!("{table}: `{written}` is read as {name}, and others alike")
        }
        DataNote::DividedByFolders { table } => format!("{table}: the folders of its paths divide the images"),
        DataNote::NotListed { images, folder, tables } => format!(
            "{} in {folder} {} not in {} and left out; rows without a label would make them unlabelled",
            counted(*images, "image"),
            verb(*images, "is", "are"),
            tables.join(", ")
        ),
        DataNote::TableNotUsed { table, has_labels: true } => {
            format!("the table {table} is not used; to read labels from it, give it as the data, --data {table}")
        }
        DataNote::TableNotUsed { table, has_labels: false } => {
            format!("the table {table} is not used: none of its columns is known to hold labels")
        }
        DataNote::SpreadsheetNotRead { file } => {
            format!("the spreadsheet {file} is not read; save it as CSV to have labels from it")
        }
        DataNote::SamplesWithoutImage { samples, root } => format!(
            "{} of {root} {} no image and {} left out",
            counted(*samples, "sample"),
            verb(*samples, "holds", "hold"),
            verb(*samples, "is", "are")
        ),
        DataNote::SamplesWithSeveral { samples: 1, root } => {
            format!("1 sample of {root} holds several images, and the first of them is read")
        }
        DataNote::SamplesWithSeveral { samples, root } => {
            format!("{samples} samples of {root} hold several images, and the first of each is read")
        }
        DataNote::DottedNames { images, root, first } => format!(
            "{images} images of {root} have a dot within their names (`{first}`), where WebDataset would end the name of a sample: \
             each is read as a sample of its own"
        ),
        DataNote::PackedLevels { images: 1, levels } => {
            format!("1 image of more than eight bits was packed with the levels {levels}")
        }
        DataNote::PackedLevels { images, levels } => {
            format!("{images} images of more than eight bits were packed with the levels {levels}")
        }
        DataNote::PackedWithout { files, pack } => {
            format!("{} could not be read when {pack} was packed", counted(*files, "file"))
        }
        DataNote::NotUnpacked { entry } => format!("the archive's entry {entry} was not expected and not unpacked"),
        DataNote::OtherChecksum { file, found, expected } => format!("{file} has MD5 {found}, expected {expected}"),
        DataNote::NotInArchive { file } => format!("the archive holds no {file}"),
        DataNote::TestInTrain(found) => straddling(found),
        DataNote::Contradictions { exact, images, first } => {
            let named: Vec<String> =
                first.iter().map(|named| format!("{} is `{}`", named.image, named.class)).collect();
            let (are, named) = (subject(*images, "image", "is", "are"), named.join(", "));
            match exact {
                true => format!("{are} there under several labels, so a label is wrong ({named}); correct it"),
                false => {
                    format!("{are} there under several labels in versions that look alike ({named}); look at them")
                }
            }
        }
        DataNote::CopiesLeftOut(LeftOut { pool, test_exact, test_near, .. }) => format!(
            "{} of {pool} left out of pre-training as copies of test images: {}",
            counted(test_exact + test_near, "image"),
            exact_and_near(*test_exact, *test_near, "like one")
        ),
        DataNote::RepeatsLeftOut(LeftOut { pool, repeated, .. }) => format!(
            "{} of {pool} left out of pre-training because {} among the other images for it: each counts once",
            counted(*repeated, "image"),
            verb(*repeated, "it is", "they are")
        ),
        DataNote::AddsNothing { pool } => format!(
            "--unlabeled {pool} adds nothing: all of its images are among the others for pre-training already, or copies of test \
             images"
        ),
        DataNote::Deep { images, of, span, narrow } => {
            let narrow = match narrow {
                0 => String::new(),
                1 => "; 1 uses less than a quarter of that".to_owned(),
                narrow => format!("; {narrow} use less than a quarter of that"),
            };
            let Span { black, white, .. } = span;
            format!(
                "{} {} with {}; {black} to {white} become black to white{narrow}",
                share(*images, *of, "has", "have"),
                samples(span.kind),
                values(span)
            )
        }
        DataNote::FewLevels { images, span, left, remedy } => format!(
            "{} of {} {} {} of {}, so that {left} of 256 levels {} left; {}",
            counted(*images, "image"),
            samples(span.kind),
            verb(*images, "uses", "use"),
            values(span),
            range(span),
            verb(*left, "is", "are"),
            levels_remedy(remedy)
        ),
        DataNote::BeyondRange { images, of, span, remedy } => format!(
            "{images} of {} of {} {} values outside {} ({} {}); {}",
            counted(*of, "image"),
            samples(span.kind),
            verb(*images, "has", "have"),
            range(span),
            verb(*images, "it uses", "they use"),
            values(span),
            levels_remedy(remedy)
        ),
        DataNote::UnlikeOthers { images, of, span } => format!(
            "{images} of {of} images of {} {} less than a quarter of {}, and others more; if they come from another source, bring \
             them to the same range",
            samples(span.kind),
            verb(*images, "uses", "use"),
            range(span)
        ),
        DataNote::OneLevel { images, of } => format!(
            "{} (nearly) of one level throughout and {} nothing",
            share(*images, *of, "is", "are"),
            verb(*images, "shows", "show")
        ),
    }
}

/// `1 image`, `2 images`, with digits alone.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The form of a verb that goes with a number.
pub(super) fn verb(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// `1 image is`, `2 images are`.
fn subject(count: usize, one: &str, singular: &'static str, plural: &'static str) -> String {
    format!("{} {}", counted(count, one), verb(count, singular, plural))
}

/// `1 of 8 images is`, `2 of 8 images are`.
fn share(images: usize, of: usize, singular: &'static str, plural: &'static str) -> String {
    format!("{images} of {} {}", counted(of, "image"), verb(images, singular, plural))
}

/// The first names, and that there are more.
fn some(first: &[String], of: usize) -> String {
    let more = if of > first.len() { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

/// `12 files were not read: 8 .CR2, 3 .mp4, 1 .jxl; to use them, develop camera raw files into JPEG or TIFF; ...`
fn files_not_read(kinds: &[(String, usize)], remedies: &[FileRemedy]) -> String {
    // In the words of the error about a folder that holds nothing else.
    let (counted, remedies) = (counted_kinds(kinds), FileRemedy::all(remedies));
    let total = kinds.iter().map(|(_, count)| count).sum();
    let (were, them) = (subject(total, "file", "was", "were"), verb(total, "it", "them"));
    format!("{were} not read: {counted}; to use {them}, {remedies}")
}

fn folders_not_searched(folders: &[(String, usize)]) -> String {
    let names: Vec<String> = folders
        .iter()
        .map(|(name, count)| if *count == 1 { format!("`{name}`") } else { format!("{count} `{name}`") })
        .collect();
    format!(
        "{} not searched, because systems keep thumbnails or deleted files there: {}",
        subject(folders.iter().map(|(_, count)| count).sum(), "folder", "was", "were"),
        names.join(", ")
    )
}

fn missing(file: &str, lacks: Option<Lack>) -> String {
    match lacks {
        None => format!("{file} is missing"),
        Some(Lack::LabelledTraining) => format!("{file} is missing: there are no labelled training images"),
        Some(Lack::Test) => format!("{file} is missing: there are no test images"),
        Some(Lack::Folds) => format!("{file} is missing: the predefined folds are not available"),
    }
}

fn unlabelled(why: &Unlabelled) -> String {
    match why {
        Unlabelled::NoColumn { file, known, columns } => {
            let known: Vec<String> = known.iter().map(|column| format!("`{column}`")).collect();
            format!(
                "{file} has no column of labels ({}); its columns are {columns}: its images are read without labels",
                known.join(", ")
            )
        }
        // In the words of the error, which says where labels are looked for.
        why => why.to_string(),
    }
}

/// That test images are training images also, what it means, and what to do about it.
fn straddling(found: &Straddling) -> String {
    let Straddling { other, exact, near, examples } = found;
    let first = examples.first().map_or_else(String::new, |twins| {
        format!(" (the first: {} {} {})", twins.test, relation(twins.exact), twins.other)
    });
    format!(
        "{}{first}: accuracies come out too high; remove these files from one of the two, or correct the split so that copies lie on \
         one side",
        shared(other, *exact, *near)
    )
}

/// `1 test image is in train also, 2 look like one there`, without what there is none of.
pub(super) fn shared(other: &str, exact: usize, near: usize) -> String {
    let is = subject(exact, "test image", "is", "are");
    match (exact, near) {
        (_, 0) => format!("{is} in {other} also"),
        (0, _) => format!("{} like one of {other}", subject(near, "test image", "looks", "look")),
        _ => format!("{is} in {other} also, {near} {} like one there", verb(near, "looks", "look")),
    }
}

/// `1 exact, 2 that look like one`, without what there is none of.
pub(super) fn exact_and_near(exact: usize, near: usize, like: &str) -> String {
    let near = (near > 0).then(|| format!("{near} that {} {like}", verb(near, "looks", "look")));
    let parts: Vec<String> = (exact > 0).then(|| format!("{exact} exact")).into_iter().chain(near).collect();
    parts.join(", ")
}

/// How an image goes with its copy.
pub(super) fn relation(exact: bool) -> &'static str {
    if exact { "equals" } else { "looks like" }
}

fn samples(kind: SampleKind) -> String {
    match kind {
        SampleKind::Unsigned(bits) => format!("{bits} bits"),
        SampleKind::Signed(bits) => format!("{bits} bits, signed"),
        SampleKind::Floating => "floating values".to_owned(),
    }
}

fn values(span: &Span) -> String {
    format!("values {} to {}", span.low, span.high)
}

fn range(span: &Span) -> String {
    format!("{} to {}, which become black to white", span.black, span.white)
}

fn levels_remedy(remedy: &LevelsRemedy) -> String {
    match remedy {
        LevelsRemedy::LookAtFiles => "look at the files".to_owned(),
        LevelsRemedy::Bits { levels, used } => format!(
            "--set levels={levels} makes all of them visible if that is what was recorded (levels={used} is what is used; of \
             `byol data`, --levels)"
        ),
        LevelsRemedy::Used { levels } => {
            format!("--set levels={levels} lays what is used over all levels (of `byol data`, --levels)")
        }
        LevelsRemedy::TrainedWith { levels } => {
            format!("the network was trained with the levels {levels}, so its answers to these may mean nothing")
        }
    }
}

#[cfg(test)]
mod tests;
