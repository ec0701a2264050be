use super::*;
use crate::data::findings::{NamedLabel, Twins};
use crate::data::levels::Levels;

fn text(of: &str) -> String {
    of.to_owned()
}

#[test]
fn files_and_folders_that_are_not_read_are_told_with_the_remedy() {
    let kinds = [(".CR2", 3), ("", 1), (".jxl", 1), (".mp4", 1)].map(|(name, count)| (text(name), count));
    let convert = FileRemedy::Convert { kinds: vec![text(".jxl")] };
    let remedies = vec![FileRemedy::Develop, convert, FileRemedy::TakeFrames, FileRemedy::NameThem];
    assert_eq!(
        data_note(&DataNote::FilesNotRead { kinds: kinds.to_vec(), remedies }),
        "6 files were not read: 3 .CR2, 1 without an extension, 1 .jxl, 1 .mp4; to use them, develop camera raw files into JPEG \
         or TIFF; convert .jxl to PNG or JPEG; take single frames out of videos; give files without an extension one, such as .jpg"
    );
    let one = DataNote::FilesNotRead { kinds: vec![(text(".mp4"), 1)], remedies: vec![FileRemedy::TakeFrames] };
    assert_eq!(data_note(&one), "1 file was not read: 1 .mp4; to use it, take single frames out of videos");
    let folders = vec![(text("@eaDir"), 2), (text("__MACOSX"), 1)];
    assert_eq!(
        data_note(&DataNote::FoldersNotSearched { folders }),
        "3 folders were not searched, because systems keep thumbnails or deleted files there: 2 `@eaDir`, `__MACOSX`"
    );
    let misspelt = DataNote::Misspelt { class: text("dear"), images: 3, meant: text("deer") };
    assert_eq!(
        data_note(&misspelt),
        "class `dear` has 3 images only and is called nearly as `deer`, which has many more; did you mean `deer`?"
    );
    let file = text("train_X.bin");
    assert_eq!(data_note(&DataNote::Missing { file: file.clone(), lacks: None }), "train_X.bin is missing");
    assert_eq!(
        data_note(&DataNote::Missing { file, lacks: Some(Lack::LabelledTraining) }),
        "train_X.bin is missing: there are no labelled training images"
    );
}

#[test]
fn splits_are_told_with_counts_and_names() {
    let file = text("a.csv");
    let drawn = |saved| data_note(&DataNote::SplitDrawn { train: 8, test: 2, file: file.clone(), saved });
    assert_eq!(drawn(true), "a train/test split (8 for training, 2 for the test) was drawn and saved in a.csv");
    assert_eq!(drawn(false), "a train/test split (8 for training, 2 for the test) will be drawn and saved in a.csv");
    let first = ["x", "y", "z"].map(text).to_vec();
    let gone = |images: usize| {
        let first = first[..images.min(3)].to_vec();
        data_note(&DataNote::SplitImagesGone { images, tests: 1, file: file.clone(), first })
    };
    assert_eq!(data_note(&DataNote::MoreLinesSkipped { lines: 1 }), "1 more line names a file that is not there");
    assert_eq!(data_note(&DataNote::MoreSkipped { files: 1, root: text("d") }), "skipped 1 more file in d");
    assert_eq!(gone(1), "1 image of the saved split a.csv is missing or unreadable, 1 for the test (x)");
    let of_training = DataNote::SplitImagesGone { images: 2, tests: 0, file: file.clone(), first: first[..2].to_vec() };
    assert_eq!(data_note(&of_training), "2 images of the saved split a.csv are missing or unreadable (x, y)");
    assert_eq!(gone(4), "4 images of the saved split a.csv are missing or unreadable, 1 for the test (x, y, z, ...)");
    assert_eq!(
        data_note(&DataNote::NotInSplit { images: 3, file: file.clone(), first: first.clone() }),
        "3 images are not in the saved split a.csv and are for training (x, y, z)"
    );
    assert_eq!(
        data_note(&DataNote::TestWithoutLabels { images: 1 }),
        "1 image of the test split has no label and counts as unlabelled"
    );
    assert_eq!(
        data_note(&DataNote::ValidationTrained { images: 5 }),
        "5 images of the validation split join the training images: what validation needs is held out of those"
    );
    let few = DataNote::FewTestImages { images: 28, points: 18.0, enough: 150, points_with_enough: 8.0 };
    assert_eq!(
        data_note(&few),
        "with 28 test images an accuracy is known to about ±18 points; 150 test images would give ±8: label more images and put \
         them into the test"
    );
    let splits = vec![(vec![text("train"), text("train2")], "train"), (vec![text("holdout"), text("test")], "test")];
    assert_eq!(
        data_note(&DataNote::SplitsJoined { splits }),
        "train and train2 together are the train split; holdout and test together are the test split"
    );
}

#[test]
fn labels_and_tables_are_told() {
    let why =
        Unlabelled::NoColumn { file: text("a.parquet"), known: vec!["label", "class"], columns: text("image, id") };
    assert_eq!(
        data_note(&DataNote::Unlabelled(why)),
        "a.parquet has no column of labels (`label`, `class`); its columns are image, id: its images are read without labels"
    );
    let json_keys = vec![text("id"), text("size")];
    let why = Unlabelled::NoSample { root: text("shards"), endings: text(".jpg, .json"), json_keys };
    assert_eq!(
        data_note(&DataNote::Unlabelled(why)),
        "no sample of shards has a label: members end in .jpg, .json, and the keys of .json are id, size; labels are looked for in \
         .cls, .json (`label`, `cls` or `class`) and .txt"
    );
    let table = text("t.csv");
    let read = vec![(text("image"), text("img")), (text("label"), text("class"))];
    assert_eq!(
        data_note(&DataNote::ColumnsNotRead { table: table.clone(), read }),
        "t.csv: column `image` is read, and `img` is passed over; column `label` is read, and `class` is passed over"
    );
    assert_eq!(
        data_note(&DataNote::FoundAs { table: table.clone(), written: text("01f4"), name: text("train/01f4.png") }),
        "t.csv: `01f4` is read as train/01f4.png, and others alike"
    );
    assert_eq!(
        data_note(&DataNote::NotListed { images: 10, folder: text("d"), tables: vec![table] }),
        "10 images in d are not in t.csv and left out; rows without a label would make them unlabelled"
    );
    let one = DataNote::PerhapsNoLabel { images: 1, class: text("NA") };
    assert!(data_note(&one).starts_with("1 image has the label `NA`, which is read as a class;"));
    assert_eq!(
        data_note(&DataNote::MinusOne { images: 2 }),
        "2 images have the label -1 beside numbers from 0 on, which is read as none"
    );
}

#[test]
fn samples_are_counted() {
    let root = || text("shards");
    assert_eq!(
        data_note(&DataNote::SamplesWithoutImage { samples: 1, root: root() }),
        "1 sample of shards holds no image and is left out"
    );
    assert_eq!(
        data_note(&DataNote::SamplesWithSeveral { samples: 6, root: root() }),
        "6 samples of shards hold several images, and the first of each is read"
    );
}

#[test]
fn copies_are_told_with_what_to_do() {
    let twins = Twins { test: text("a"), other: text("b"), exact: true };
    let found = Straddling { other: text("train"), exact: 1, near: 2, examples: vec![twins] };
    assert_eq!(
        data_note(&DataNote::TestInTrain(found)),
        "1 test image is in train also, 2 look like one there (the first: a equals b): accuracies come out too high; remove these files \
         from one of the two, or correct the split so that copies lie on one side"
    );
    assert_eq!(shared("train", 2, 0), "2 test images are in train also", "what there is none of is not said");
    assert_eq!(shared("train", 0, 1), "1 test image looks like one of train");
    let of = |exact, near| exact_and_near(exact, near, "like one");
    assert_eq!([of(1, 0), of(0, 2), of(3, 1)], ["1 exact", "2 that look like one", "3 exact, 1 that looks like one"]);
    let first =
        vec![NamedLabel { image: text("a"), class: text("cat") }, NamedLabel { image: text("b"), class: text("dog") }];
    let told = |exact, images| data_note(&DataNote::Contradictions { exact, images, first: first.clone() });
    assert_eq!(
        told(true, 1),
        "1 image is there under several labels, so a label is wrong (a is `cat`, b is `dog`); correct it"
    );
    assert_eq!(
        told(false, 2),
        "2 images are there under several labels in versions that look alike (a is `cat`, b is `dog`); look at them"
    );
    let left_out = LeftOut { pool: text("p"), test_exact: 1, test_near: 1, repeated: 1 };
    assert_eq!(
        data_note(&DataNote::CopiesLeftOut(left_out.clone())),
        "2 images of p left out of pre-training as copies of test images: 1 exact, 1 that looks like one"
    );
    assert_eq!(
        data_note(&DataNote::RepeatsLeftOut(left_out)),
        "1 image of p left out of pre-training because it is among the other images for it: each counts once"
    );
}

#[test]
fn levels_are_told_with_the_option_that_chooses_them() {
    let span = |low, high, white| Span { kind: SampleKind::Unsigned(16), low, high, black: 0.0, white };
    let used = Levels::Between { black: 0.0, white: 1023.0 };
    let remedy = LevelsRemedy::Bits { levels: Levels::Bits(10), used };
    assert_eq!(
        data_note(&DataNote::FewLevels { images: 2, span: span(0.0, 1023.0, 65_535.0), left: 5, remedy }),
        "2 images of 16 bits use values 0 to 1023 of 0 to 65535, which become black to white, so that 5 of 256 levels are left; \
         --set levels=10bit makes all of them visible if that is what was recorded (levels=0..1023 is what is used; of `byol \
         data`, --levels)"
    );
    let remedy = LevelsRemedy::TrainedWith { levels: Levels::Bits(12) };
    assert_eq!(
        data_note(&DataNote::BeyondRange { images: 2, of: 3, span: span(0.0, 60_000.0, 4095.0), remedy }),
        "2 of 3 images of 16 bits have values outside 0 to 4095, which become black to white (they use values 0 to 60000); the \
         network was trained with the levels 12bit, so its answers to these may mean nothing"
    );
    assert_eq!(
        data_note(&DataNote::Deep { images: 2, of: 2, span: span(0.0, 60_000.0, 65_535.0), narrow: 1 }),
        "2 of 2 images have 16 bits with values 0 to 60000; 0 to 65535 become black to white; 1 uses less than a quarter of that"
    );
    assert_eq!(
        data_note(&DataNote::OneLevel { images: 1, of: 8 }),
        "1 of 8 images is (nearly) of one level throughout and shows nothing"
    );
}

#[test]
fn every_note_is_a_sentence_without_a_capital_and_a_full_stop() {
    let name = || text("x");
    let left_out = || LeftOut { pool: name(), test_exact: 2, test_near: 0, repeated: 2 };
    for note in [
        DataNote::Skipped { path: name(), problem: name() },
        DataNote::MoreSkipped { files: 2, root: name() },
        DataNote::MoreLinesSkipped { lines: 3 },
        DataNote::NotInMemory { root: name() },
        DataNote::DecodedLater { images: 2, root: name() },
        DataNote::Corrected { changed: 2, dropped: 1, file: name() },
        DataNote::CorrectionsNotUsed { answers: 2, file: name() },
        DataNote::CopiesTrained { images: 2 },
        DataNote::OnlyCopies { class: name() },
        DataNote::SplitNotUsed { file: name() },
        DataNote::TestImagesLeftOut { images: 2, root: name() },
        DataNote::TestImagesOfData { images: 2, root: name() },
        DataNote::CapitalsDiffer { class: name(), other: name() },
        DataNote::ClassWithoutImage { class: name() },
        DataNote::ClassWithoutTest { class: name() },
        DataNote::NoSplit { folder: name() },
        DataNote::ClassesPerhapsSplits { one: name(), other: name(), both_hold: name() },
        DataNote::ReadAsPaths { table: name(), column: name() },
        DataNote::ReadAsLabels { table: name(), column: name() },
        DataNote::ReadAsClasses { table: name() },
        DataNote::DividedByFolders { table: name() },
        DataNote::TableNotUsed { table: name(), has_labels: true },
        DataNote::TableNotUsed { table: name(), has_labels: false },
        DataNote::SpreadsheetNotRead { file: name() },
        DataNote::DottedNames { images: 2, root: name(), first: name() },
        DataNote::PackedLevels { images: 2, levels: Levels::Full },
        DataNote::PackedWithout { files: 2, pack: name() },
        DataNote::NotUnpacked { entry: name() },
        DataNote::NotInArchive { file: name() },
        DataNote::CopiesLeftOut(left_out()),
        DataNote::RepeatsLeftOut(left_out()),
        DataNote::AddsNothing { pool: name() },
    ] {
        let text = data_note(&note);
        assert!(!text.starts_with(char::is_uppercase) && !text.ends_with('.') && text.contains(' '), "{text}");
    }
}
