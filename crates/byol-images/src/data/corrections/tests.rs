use std::fs;

use super::file::CorrectionFile;
use super::*;
use crate::data::{Image, ImageSource};

/// Images that are only named.
struct Named(&'static str, usize);

impl ImageSource for Named {
    fn len(&self) -> usize {
        self.1
    }

    fn read(&self, _index: usize, image: &mut Image) -> Result<(), DataError> {
        *image = Image { width: 1, height: 1, pixels: vec![0; 3] };
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{}/{index}.png", self.0)
    }
}

/// Six training images of two classes in turn, and two test images.
fn data() -> Dataset {
    let mut data = Dataset::builder("pets", ["cat", "dog"])
        .train(Arc::new(Named("train", 6)), vec![0, 1, 0, 1, 0, 1])
        .and_then(|builder| builder.test(Arc::new(Named("test", 2)), vec![0, 1]))
        .expect("labels fit")
        .build();
    data.folds = Some(vec![vec![0, 1, 2], vec![3, 4, 5]]);
    data
}

fn corrections(rows: &str) -> Result<Corrections, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CORRECTIONS_FILE);
    fs::write(&path, format!("path,was,answer,label\n{rows}")).unwrap();
    Corrections::read(&path)
}

#[test]
fn answers_change_labels_and_leave_images_out() {
    let given = "train/1.png,dog,keep,\ntrain/2.png,cat,change,dog\ntrain/4.png,cat,drop,\ntest/1.png,dog,change,cat\n";
    let before = data();
    let Corrected { data, kept } = corrections(given).unwrap().apply(data()).unwrap();
    let (train, test) = (data.train.unwrap(), data.test.unwrap());
    assert_eq!((train.labels, test.labels), (vec![0, 1, 1, 1, 1], vec![0, 0]));
    assert_eq!((train.images.len(), train.images.name(4)), (5, "train/5.png".to_owned()));
    assert_eq!(kept, [0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(data.folds.unwrap(), [vec![0, 1, 2], vec![3, 4]]);
    assert!(data.fingerprint != before.fingerprint && data.parts.train != before.parts.train);
    let file = data.notes.iter().find_map(|note| match note {
        DataNote::Corrected { changed: 2, dropped: 1, file } => Some(file),
        _ => None,
    });
    assert!(file.is_some_and(|file| file.ends_with(CORRECTIONS_FILE)), "{:?}", data.notes);
}

#[test]
fn what_only_keeps_labels_changes_nothing() {
    let before = data();
    let Corrected { data, .. } = corrections("train/1.png,dog,keep,\n").unwrap().apply(data()).unwrap();
    assert_eq!((data.fingerprint, data.parts), (before.fingerprint, before.parts));
    assert!(data.notes.is_empty() && data.warnings.is_empty());
}

#[test]
fn answers_on_other_labels_are_not_applied_but_told() {
    // The first image is a cat by now, the second has its new label already, the third is gone.
    let given = "train/0.png,dog,drop,\ntrain/1.png,cat,change,dog\nold.png,cat,change,dog\nolder.png,cat,drop,\n";
    let Corrected { data, kept } = corrections(given).unwrap().apply(data()).unwrap();
    assert_eq!(kept.len(), 8);
    let told = data.warnings.iter().any(|note| matches!(note, DataNote::CorrectionsNotUsed { answers: 2, .. }));
    assert!(told, "{:?}", data.warnings);
}

#[test]
fn the_last_answer_counts_and_one_that_is_taken_back_does_not() {
    let found = corrections("a.png,cat,drop,\na.png,cat,change,dog\nb.png,cat,drop,\nb.png,cat,open,\n").unwrap();
    assert_eq!(found.iter().count(), 1);
    assert_eq!(found.of("a.png").unwrap().answer, Answer::Change("dog".to_owned()));
}

#[test]
fn bad_answers_are_errors_with_their_line() {
    let said = |rows: &str| corrections(rows).unwrap_err().to_string();
    assert!(said("a.png,cat,keep,\na.png,cat,rename,dog\n").contains("line 3"));
    assert!(said("a.png,cat,change,\n").contains("line 2"));
    assert!(said("a.png,cat\n").contains("line 2"));
    let apply = |rows: &str| corrections(rows).unwrap().apply(data()).err().unwrap().to_string();
    assert!(apply("train/0.png,cat,change,dgo\n").contains("`dgo`, which is no class of the data"));
    let all = "train/0.png,cat,drop,\ntrain/2.png,cat,drop,\ntrain/4.png,cat,change,dog\n";
    assert!(apply(all).contains("no training image of class `cat`"));
    // A line that was cut off while it was written was never given.
    assert_eq!(corrections("a.png,cat,keep,\nb.png,cat,dr").unwrap().iter().count(), 1);
}

#[test]
fn an_answer_is_in_the_file_at_once_and_others_must_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CORRECTIONS_FILE);
    let mut file = CorrectionFile::open(&path).unwrap();
    assert!(!path.exists(), "without an answer there is no file");
    file.give("a, \"b\".png", "cat", Answer::Drop).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "path,was,answer,label\n\"a, \"\"b\"\".png\",cat,drop,\n");
    // Another program adds a line, and one is cut off.
    let mut text = fs::read_to_string(&path).unwrap();
    text += "c.png,dog,keep,\nd.png,do";
    fs::write(&path, &text).unwrap();
    file.give("e.png", "dog", Answer::Change("cat".to_owned())).unwrap();
    assert_eq!(file.corrections(), &Corrections::read(&path).unwrap());
    assert_eq!(file.corrections().iter().count(), 3);
    assert!(fs::read_to_string(&path).unwrap().ends_with("c.png,dog,keep,\ne.png,dog,change,cat\n"));
    // And one changes an answer to another that is as long.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let text = fs::read_to_string(&path).unwrap().replace("c.png,dog,keep,", "c.png,dog,drop,");
    fs::write(&path, text).unwrap();
    file.give("f.png", "dog", Answer::Keep).unwrap();
    assert_eq!(file.corrections().of("c.png").unwrap().answer, Answer::Drop);
    file.tell("http://127.0.0.1:1/").unwrap();
    let refused = CorrectionFile::open(&path).err().unwrap().to_string();
    assert!(refused.contains("answers at http://127.0.0.1:1/"), "{refused}");
    drop(file);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the lock is gone");
    CorrectionFile::open(&path).unwrap();
}

#[test]
fn the_file_lies_beside_the_data() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(place(folder.path()).unwrap(), folder.path().join("byol-corrections.csv"));
    assert_eq!(place(Path::new("a/pets.csv")).unwrap(), Path::new("a/pets.byol-corrections.csv"));
    assert_eq!(place(Path::new("a/labels.csv")).unwrap(), Path::new("a/byol-corrections.csv"));
    assert_eq!(place(Path::new(PATTERNS)), None);
}
