//! Answers are in the file at once and as they were given, whoever else writes there, and whatever ends the program.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::data::{Need, OpenOptions, Split};

/// A folder with so many images, `0.png` and on.
fn images(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let pixel = image::Rgb([number as u8 * 20, 255 - number as u8 * 20, (number * number) as u8]);
        image::RgbImage::from_pixel(6, 6, pixel).save(folder.path().join(format!("{number}.png"))).unwrap();
    }
    folder
}

fn label(class: &str, split: Option<Split>) -> Mark {
    Mark::Label(Label { class: class.to_owned(), split })
}

fn train(class: &str) -> Mark {
    label(class, Some(Split::Train))
}

fn open(folder: &tempfile::TempDir) -> LabelFile {
    LabelFile::open(&LabelFile::beside(folder.path())).unwrap()
}

fn text(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join("labels.csv")).unwrap()
}

fn answer(file: &mut LabelFile, image: &str, mark: Mark) -> Option<u64> {
    file.answer("me", vec![(image.to_owned(), mark)]).unwrap()
}

#[test]
fn answers_stand_in_the_table_and_are_undone_one_by_one_after_a_restart_too() {
    let folder = images(4);
    let mut file = open(&folder);
    assert!(!folder.path().join("labels.csv").exists(), "it is made with the first label");
    answer(&mut file, "0.png", train("cat"));
    answer(&mut file, "1.png", label("a \"dog\", <b>", Some(Split::Test)));
    answer(&mut file, "2.png", Mark::Skipped);
    answer(&mut file, "3.png", Mark::None);
    assert_eq!(answer(&mut file, "3.png", Mark::None), None, "nothing changes");
    let all = "path,label,split\n0.png,cat,train\n1.png,\"a \"\"dog\"\", <b>\",test\n";
    assert_eq!(text(&folder), all);
    drop(file);

    let mut file = open(&folder);
    assert_eq!(file.classes(), ["cat", "a \"dog\", <b>"]);
    assert_eq!([file.mark("2.png"), file.mark("3.png")], [Mark::Skipped, Mark::None]);
    for (undone, mark) in [("3.png", Mark::Open), ("2.png", Mark::Open), ("1.png", Mark::Open), ("0.png", Mark::Open)] {
        let changes = file.undo("me", |_| true).unwrap().unwrap();
        assert_eq!((changes.len(), changes[0].image.as_str(), file.mark(undone)), (1, undone, mark));
    }
    assert!(file.undo("me", |_| true).unwrap().is_none() && !file.can_undo(|_| true));
    assert_eq!(text(&folder), "path,label,split\n");
    answer(&mut file, "2.png", train("cat"));
    drop(file);
    let mut file = open(&folder);
    assert_eq!(file.labels().len(), 1);
    file.undo("me", |_| true).unwrap().unwrap();
    assert!(file.undo("me", |_| true).unwrap().is_none(), "what was undone is not undone again");
}

#[test]
fn data_opens_what_was_answered() {
    let folder = images(8);
    let mut file = open(&folder);
    for (number, class) in ["x", "y", "x", "y", "x", "y"].into_iter().enumerate() {
        let split = if number < 4 { Split::Train } else { Split::Test };
        answer(&mut file, &format!("{number}.png"), label(class, Some(split)));
    }
    let options = OpenOptions { need: Need::Labels, ..OpenOptions::default() };
    let data = crate::data::Dataset::open(folder.path(), &options).unwrap();
    assert_eq!(data.class_names, ["x", "y"]);
    assert_eq!(data.train.unwrap().labels, [0, 1, 0, 1]);
    assert_eq!(data.test.unwrap().labels, [0, 1]);
}

#[test]
fn a_table_of_others_keeps_every_other_byte() {
    let folder = images(5);
    let before = "\u{feff}id;file;split;label\r\n7;0.png;valid;'cat'\r\n\r\n8;1.png;;\r\n9;gone.png;train;dog";
    fs::write(folder.path().join("labels.csv"), before).unwrap();
    let mut file = open(&folder);
    assert_eq!(file.classes(), ["'cat'", "dog"]);
    assert_eq!(file.mark("0.png"), label("'cat'", Some(Split::Validation)));
    answer(&mut file, "2.png", train("dog"));
    assert_eq!(text(&folder), format!("{before}\r\n;2.png;train;dog\r\n"));
    // A row without a label gets one, and loses it again.
    answer(&mut file, "1.png", train("dog"));
    let with = before.replace("8;1.png;;", "8;1.png;train;dog");
    assert_eq!(text(&folder), format!("{with}\r\n;2.png;train;dog\r\n"));
    // One that has a label is changed in its cell alone.
    answer(&mut file, "0.png", label("dog", Some(Split::Validation)));
    assert!(text(&folder).contains("7;0.png;valid;dog\r\n\r\n8"), "{}", text(&folder));
    for _ in 0..2 {
        file.undo("me", |_| true).unwrap().unwrap();
    }
    assert_eq!(text(&folder), format!("{before}\r\n;2.png;train;dog\r\n"));
    file.undo("me", |_| true).unwrap().unwrap();
    assert_eq!(text(&folder), format!("{before}\r\n"));
}

#[test]
fn what_others_write_meanwhile_is_taken_in_and_what_cannot_be_read_is_refused() {
    let folder = images(5);
    let mut file = open(&folder);
    answer(&mut file, "0.png", train("cat"));
    assert_eq!(file.refresh().unwrap(), None, "it was left so");
    let table = folder.path().join("labels.csv");
    fs::write(&table, "path,label,split\n0.png,dog,train\n4.png,bird,train\n").unwrap();
    assert_eq!(file.refresh().unwrap(), Some(Edited { added: 1, changed: 1, removed: 0 }));
    assert_eq!(file.classes(), ["cat", "bird", "dog"]);
    assert!(!file.can_undo(|_| true), "the answer is another one by now");
    answer(&mut file, "1.png", train("cat"));
    assert!(text(&folder).ends_with("4.png,bird,train\n1.png,cat,train\n"));

    fs::write(&table, "path,label,split\n0.png,dog\n").unwrap();
    let said = file.refresh().unwrap_err().to_string();
    assert!(said.contains("line 2") && said.contains("2 cells"), "{said}");
    assert_eq!(file.labels().len(), 3, "what was known stays");
    fs::write(&table, "path,label,split\n0.png,dog,\n").unwrap();
    assert_eq!(file.refresh().unwrap(), Some(Edited { removed: 2, changed: 1, added: 0 }));
    fs::remove_file(&table).unwrap();
    assert!(matches!(file.refresh(), Err(LabelFileError::Vanished { .. })));
}

#[test]
fn a_line_that_was_being_written_is_cut_off() {
    let folder = images(3);
    let mut file = open(&folder);
    answer(&mut file, "0.png", train("cat"));
    answer(&mut file, "1.png", train("caterpillar"));
    drop(file);
    let (table, journal) = (folder.path().join("labels.csv"), folder.path().join("byol-labels.journal"));
    let (whole, steps) = (fs::read(&table).unwrap(), fs::read_to_string(&journal).unwrap());
    let first = "path,label,split\n0.png,cat,train\n";
    for cut in 1.."1.png,caterpillar,train\n".len() {
        fs::write(&table, &whole[..whole.len() - cut]).unwrap();
        fs::write(&journal, &steps).unwrap();
        let file = open(&folder);
        // Without its line end the row is whole.
        let left = if cut == 1 { first.to_owned() + "1.png,caterpillar,train" } else { first.to_owned() };
        assert_eq!((text(&folder), file.labels().len()), (left, if cut == 1 { 2 } else { 1 }), "{cut}");
        assert!(file.can_undo(|_| true));
    }
    // The journal comes first: a step that did not reach the table is none.
    fs::write(&table, first).unwrap();
    fs::write(&journal, &steps).unwrap();
    let mut file = open(&folder);
    assert_eq!(file.undo("me", |_| true).unwrap().unwrap()[0].image, "0.png");
    drop(file);
    fs::write(&table, first).unwrap();
    fs::write(&journal, &steps[..steps.len() - 5]).unwrap();
    let mut file = open(&folder);
    assert_eq!(answer(&mut file, "2.png", train("cat")), Some(2));
    drop(file);
    assert!(fs::read_to_string(&journal).unwrap().lines().all(|line| line.starts_with('{') && line.ends_with('}')));
}

#[test]
fn several_images_are_one_step_and_people_undo_their_own() {
    let folder = images(6);
    let mut file = open(&folder);
    let several = (0..3).map(|number| (format!("{number}.png"), train("cat"))).collect();
    file.answer("a", several).unwrap();
    file.answer("b", vec![("3.png".to_owned(), train("dog"))]).unwrap();
    assert_eq!(file.undo("a", |by| by == "a").unwrap().unwrap().len(), 3);
    assert_eq!(text(&folder), "path,label,split\n3.png,dog,train\n");
    assert!(file.undo("a", |by| by == "a").unwrap().is_none());
    // What another has changed since stays.
    let both = ["0.png", "1.png"].map(|image| (image.to_owned(), train("cat")));
    file.answer("a", both.to_vec()).unwrap();
    file.answer("b", vec![("1.png".to_owned(), train("dog"))]).unwrap();
    let undone = file.undo("a", |by| by == "a").unwrap().unwrap();
    assert_eq!((undone.len(), undone[0].image.as_str()), (1, "0.png"));
    assert_eq!(file.mark("1.png"), train("dog"));
}

#[test]
fn classes_are_added_renamed_merged_and_dropped() {
    let folder = images(4);
    let mut file = open(&folder);
    for class in ["cat", "dog", "bird"] {
        file.add_class(class).unwrap();
    }
    for (image, class) in [("0.png", "cat"), ("1.png", "dog"), ("2.png", "dog"), ("3.png", "bird")] {
        answer(&mut file, image, train(class));
    }
    file.rename_class("me", "dog", " hound ").unwrap();
    assert_eq!(file.classes(), ["cat", "hound", "bird"], "in its place");
    file.rename_class("me", "cat", "bird").unwrap();
    assert_eq!(file.classes(), ["hound", "bird"]);
    assert_eq!(
        text(&folder),
        "path,label,split\n0.png,bird,train\n1.png,hound,train\n2.png,hound,train\n3.png,bird,train\n"
    );
    drop(file);
    let mut file = open(&folder);
    assert_eq!(file.classes(), ["hound", "bird"]);
    file.undo("me", |_| true).unwrap();
    assert_eq!(file.mark("0.png"), train("cat"));
    assert_eq!(file.classes(), ["cat", "hound", "bird"], "in its place again");
    assert!(file.drop_class("cat").is_err());
    file.add_class("mistake").unwrap();
    file.drop_class("mistake").unwrap();
    assert_eq!(file.rename_class("me", "bird", "bird").unwrap(), None);
    assert_eq!(file.classes(), ["cat", "hound", "bird"]);
    for wrong in ["", "  ", "a\nb", "{\"choices\": []}", &"x".repeat(201)] {
        assert!(matches!(file.add_class(wrong), Err(LabelFileError::ClassName { .. })), "{wrong}");
    }
    let wrong = file.answer("me", vec![(" 0.png".to_owned(), train("cat"))]);
    assert!(matches!(wrong, Err(LabelFileError::ImageName { .. })));
}

#[test]
fn a_class_that_no_image_has_is_renamed_in_a_step_of_its_own() {
    let folder = images(2);
    let mut file = open(&folder);
    for class in ["cat", "dog"] {
        file.add_class(class).unwrap();
    }
    answer(&mut file, "0.png", train("dog"));
    file.rename_class("me", "cat", "lynx").unwrap().unwrap();
    file.add_class("bird").unwrap();
    file.undo("me", |_| true).unwrap().unwrap();
    assert_eq!((file.classes().join(" "), file.labels().len()), ("cat dog bird".to_owned(), 1), "no answer is undone");
    file.rename_class("me", "cat", "dog").unwrap().unwrap();
    assert_eq!(file.classes(), ["dog", "bird"]);
    drop(file);
    let mut file = open(&folder);
    file.undo("me", |_| true).unwrap().unwrap();
    assert_eq!(file.classes(), ["cat", "dog", "bird"]);
    assert_eq!(file.rename_class("me", "nobody", "somebody").unwrap(), None);
    // Who has labelled with the new name meanwhile keeps it.
    file.rename_class("me", "dog", "hound").unwrap().unwrap();
    file.answer("other", vec![("1.png".to_owned(), train("hound"))]).unwrap();
    file.undo("me", |by| by == "me").unwrap().unwrap();
    assert_eq!((file.mark("0.png"), file.mark("1.png")), (train("dog"), train("hound")));
    assert_eq!(file.classes(), ["cat", "dog", "bird", "hound"]);
}

#[test]
fn a_class_keeps_its_name_where_the_table_cannot_be_written() {
    let folder = images(2);
    let mut file = open(&folder);
    for class in ["cat", "dog"] {
        file.add_class(class).unwrap();
    }
    answer(&mut file, "0.png", train("cat"));
    // Nothing can be written beside it.
    let taken = folder.path().join("labels.partial");
    fs::create_dir_all(taken.join("in")).unwrap();
    for to in ["feline", "dog"] {
        assert!(matches!(file.rename_class("me", "cat", to), Err(LabelFileError::Unwritten { .. })), "{to}");
        assert_eq!((file.classes().join(" "), file.mark("0.png")), ("cat dog".to_owned(), train("cat")), "{to}");
    }
    drop(file);
    fs::remove_dir_all(taken).unwrap();
    let mut file = open(&folder);
    assert_eq!(file.classes(), ["cat", "dog"]);
    file.undo("me", |_| true).unwrap().unwrap();
    assert_eq!(file.mark("0.png"), Mark::Open, "what was not done is not undone");
}

#[test]
fn a_journal_of_before_renamings_were_steps_is_read() {
    let folder = images(1);
    fs::write(folder.path().join("labels.csv"), "path,label,split\n0.png,hound,train\n").unwrap();
    let journal = "{\"class\":\"dog\"}\n{\"class\":\"cat\"}\n{\"class\":\"eel\"}\n{\"renamed\":{\"from\":\"dog\",\"to\":\"hound\"}}\n\
                   {\"renamed\":{\"from\":\"eel\",\"to\":\"cat\"}}\n{\"class\":\"\u{e4}";
    // Its last line was cut off within a letter.
    fs::write(folder.path().join("byol-labels.journal"), &journal.as_bytes()[..journal.len() - 1]).unwrap();
    assert_eq!(open(&folder).classes(), ["hound", "cat"]);
}

#[test]
fn a_second_server_is_sent_to_the_first() {
    let folder = images(1);
    let mut file = open(&folder);
    file.serving("http://127.0.0.1:4711/").unwrap();
    let said = LabelFile::open(&LabelFile::beside(folder.path())).unwrap_err();
    assert!(said.to_string().contains("at http://127.0.0.1:4711/ (process") && said.is_of_command_line(), "{said}");
    drop(file);
    open(&folder);
}

#[test]
fn a_table_elsewhere_or_of_another_kind_is_refused() {
    let folder = images(1);
    let inner = folder.path().join("in/deep");
    fs::create_dir_all(&inner).unwrap();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(LabelFile::prefix(&at("mine.csv"), &inner).unwrap(), "in/deep/");
    assert_eq!(LabelFile::prefix(&at("labels.tsv"), folder.path()).unwrap(), "");
    let said = |table: PathBuf| LabelFile::prefix(&table, folder.path()).unwrap_err().to_string();
    assert!(said(at("in/labels.csv")).contains("nor in a folder above"));
    assert!(
        said(at("labels.json")).contains("must end with .csv or .tsv") && said(at("labels.jsonl")).contains(".csv")
    );
    fs::write(at("labels.csv"), "path,cat,dog\n0.png,1,0\n").unwrap();
    let said = LabelFile::open(&at("labels.csv")).unwrap_err().to_string();
    assert!(said.contains("no single column of labels"), "{said}");
}

#[test]
fn a_file_without_splits_gets_none_and_its_answers_can_be_undone() {
    let folder = images(3);
    fs::write(folder.path().join("labels.csv"), "path,label\n0.png,cat\n").unwrap();
    let mut file = open(&folder);
    assert!(!file.has_splits());
    answer(&mut file, "1.png", train("dog"));
    assert_eq!(text(&folder), "path,label\n0.png,cat\n1.png,dog\n");
    drop(file);
    let mut file = open(&folder);
    file.undo("me", |_| true).unwrap().unwrap();
    assert_eq!(text(&folder), "path,label\n0.png,cat\n");
}
