//! Sessions of one and of several people, with files that change, vanish and are left.

use super::*;
use crate::label::session::view::View;
use crate::label::testing::wait_for;

/// Three classes of 20 images at three corners; image `n` is of class `n % 3`.
fn pool(folder: &std::path::Path) -> LabelPool {
    let names: Vec<String> = (0..60).map(|number| format!("{number:02}.png")).collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    paths.iter().for_each(|path| std::fs::write(path, "").unwrap());
    let rows: Vec<[f32; 4]> = (0..60)
        .map(|number| {
            let jitter = |by: usize| ((number * by) % 23) as f32 / 60.0;
            let mut at = [jitter(7), jitter(11), jitter(13), 1.0];
            at[number % 3] += 3.0;
            at
        })
        .collect();
    let (folder, prefix, left_out) = (folder.to_owned(), String::new(), Vec::new());
    LabelPool { names, paths, vectors: Tensor::from_slice2(&rows), folder, prefix, left_out }
}

fn options(test_share: f64) -> SessionOptions {
    let linear = LinearOptions { l2: vec![1e-3, 1e-1], folds: 3, seed: 0 };
    SessionOptions { strategy: Strategy::Auto, batch: 6, test_share, linear }
}

/// A session with its worker, while `work` goes on.
fn labelling(folder: &std::path::Path, test_share: f64, work: impl FnOnce(&Session)) {
    let pool = pool(folder);
    let file = LabelFile::open(&LabelFile::beside(folder)).unwrap();
    let session = Session::new(&pool, file, options(test_share));
    let vectors = pool.vectors.shallow_clone();
    std::thread::scope(|scope| {
        let at_work = scope.spawn(|| session.work(&{ vectors }));
        scope.spawn(|| session.look_for_added());
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&session)));
        session.end();
        at_work.join().unwrap().unwrap();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
}

/// What `page` is asked, once it is.
fn asked(session: &Session, page: &str) -> (View, usize) {
    let mut view = session.view(page);
    wait_for("an image", || {
        view = session.view(page);
        view.current.is_some()
    });
    let image = view.current.as_ref().unwrap().image;
    (view, image)
}

fn class_of(image: usize) -> Say {
    Say::Class(["x", "y", "z"][image % 3].to_owned())
}

/// Answers what is asked, rightly.
fn answer(session: &Session, page: &str) -> usize {
    let (view, image) = asked(session, page);
    let aside = view.current.unwrap().aside;
    assert_eq!(session.answer(page, &[image], &class_of(image), aside).unwrap(), 0);
    image
}

#[test]
fn it_asks_learns_and_measures() {
    let folder = tempfile::tempdir().unwrap();
    labelling(folder.path(), 0.25, |session| {
        let (first, image) = asked(session, "me");
        assert_eq!((first.current.as_ref().unwrap().why, first.train), ("typical", 0));
        assert_eq!(session.view("me").current.unwrap().image, image, "it stays until it is answered");
        for _ in 0..24 {
            answer(session, "me");
        }
        wait_for("a classifier", || session.view("me").fitted.is_some_and(|fitted| fitted.now.labels + 8 > 24));
        let view = session.view("me");
        assert_eq!((view.train + view.aside, view.open), (24, 36));
        assert!((4..=8).contains(&view.aside), "{}", view.aside);
        let now = view.fitted.as_ref().unwrap().now;
        assert!(now.held_out.unwrap().share > 0.8 && now.aside.unwrap().share > 0.8, "{now:?}");
        assert!(view.curve.len() >= 2 && view.classes.iter().all(|class| class.train > 0));
        let text = std::fs::read_to_string(view.table).unwrap();
        assert_eq!(text.lines().filter(|line| line.ends_with(",test")).count(), view.aside);
        // The guess is given but for images that are set aside.
        for _ in 0..12 {
            let (view, image) = asked(session, "me");
            let current = view.current.unwrap();
            assert_eq!(current.guess.is_empty(), current.aside, "{current:?}");
            session.answer("me", &[image], &class_of(image), current.aside).unwrap();
        }
        let near = session.neighbours(5).unwrap();
        assert!(near.iter().filter(|alike| alike.image % 3 == 2).count() >= 10, "{near:?}");
        let (_, image) = asked(session, "me");
        let cluster = session.cluster("me", image).unwrap();
        assert_eq!(cluster[0].image, image);
        let images: Vec<usize> = cluster.iter().map(|alike| alike.image).collect();
        assert!(images.iter().all(|other| other % 3 == image % 3), "{images:?}");
        session.answer("me", &images, &class_of(image), false).unwrap();
        assert!(session.undo("me").unwrap(), "all of them at once");
        assert_eq!(session.view("me").open, 24);
    });
    // What was found is known after a restart, and so is what can be undone.
    labelling(folder.path(), 0.25, |session| {
        let view = session.view("me");
        assert!(view.curve.len() >= 2 && view.train + view.aside == 36 && view.can_undo);
    });
}

#[test]
fn everything_gets_an_answer_and_skipped_images_come_again() {
    let folder = tempfile::tempdir().unwrap();
    labelling(folder.path(), 0.0, |session| {
        for number in 0..60 {
            let (_, image) = asked(session, "me");
            let say = match number {
                0 | 1 => Say::Skip,
                2 => Say::None,
                _ => class_of(image),
            };
            session.answer("me", &[image], &say, false).unwrap();
        }
        let view = session.view("me");
        assert_eq!((view.open, view.skipped, view.none, view.train), (0, 2, 1, 57));
        assert!(view.current.is_none());
        session.take_up_skipped("me").unwrap();
        answer(session, "me");
        answer(session, "me");
        assert_eq!(session.view("me").train, 59);
        for _ in 0..62 {
            assert!(session.undo("me").unwrap());
        }
        assert!(session.undo("me").unwrap(), "taking up what was skipped is a step");
        assert!(!session.undo("me").unwrap());
        assert_eq!(session.view("me").open, 60);
    });
}

#[test]
fn two_people_are_asked_different_images_and_keep_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    labelling(folder.path(), 0.0, |session| {
        let ((_, one), (_, other)) = (asked(session, "a"), asked(session, "b"));
        assert_ne!(one, other);
        session.answer("a", &[one], &class_of(one), false).unwrap();
        // An answer whose receipt was lost comes twice.
        assert_eq!(session.answer("a", &[one], &class_of(one), false).unwrap(), 0);
        let refused = session.answer("b", &[one], &Say::Class("other".to_owned()), false).unwrap_err().to_string();
        assert!(refused.contains("has been answered meanwhile"), "{refused}");
        assert_eq!(session.answer("b", &[one, other], &Say::Class("other".to_owned()), false).unwrap(), 1);
        assert!(session.undo("b").unwrap() && !session.undo("b").unwrap(), "a's answer is a's while it is here");
        assert!(session.undo("a").unwrap());
    });
}

#[test]
fn files_that_change_or_vanish_are_told() {
    let folder = tempfile::tempdir().unwrap();
    labelling(folder.path(), 0.0, |session| {
        let first = answer(session, "me");
        let table = folder.path().join("labels.csv");
        let text = std::fs::read_to_string(&table).unwrap();
        std::fs::write(&table, format!("{text}59.png,z,train\n")).unwrap();
        let view = session.view("me");
        assert_eq!(view.notices.last().and_then(|notice| notice.edited).unwrap().added, 1);
        assert_eq!(view.train, 2);
        std::fs::write(&table, "nonsense").unwrap();
        let (view, image) = asked(session, "me");
        assert!(view.problem.unwrap().contains("the first line must name"));
        assert!(matches!(session.answer("me", &[image], &class_of(image), false), Err(SessionError::File(_))));
        std::fs::write(&table, text).unwrap();
        let (view, image) = asked(session, "me");
        assert!(view.problem.is_none() && image != first);
        std::fs::remove_file(folder.path().join(format!("{image:02}.png"))).unwrap();
        assert!(matches!(session.answer("me", &[image], &class_of(image), false), Err(SessionError::Gone { .. })));
        let (view, next) = asked(session, "me");
        assert_eq!((view.gone, next != image), (1, true));
        assert_eq!(std::fs::read_to_string(&table).unwrap().lines().count(), 2);
        // What comes into the folder is counted, and not asked for.
        assert_eq!((view.images, view.added), (60, 0));
        for name in ["new.png", "new.txt", ".hidden.png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        wait_for("a look at the folder", || session.view("me").added == 1);
        std::fs::remove_file(folder.path().join("new.png")).unwrap();
        wait_for("another look", || session.view("me").added == 0);
    });
}

#[test]
fn a_hundred_classes_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    labelling(folder.path(), 0.0, |session| {
        for number in 0..100 {
            session.change_classes("me", &ClassChange::Add(format!("class \"{number}\""))).unwrap();
        }
        for number in 0..30 {
            let (_, image) = asked(session, "me");
            session.answer("me", &[image], &Say::Class(format!("class \"{}\"", number % 40)), false).unwrap();
        }
        wait_for("a classifier", || session.view("me").fitted.is_some_and(|fitted| fitted.now.labels > 20));
        let change = ClassChange::Rename { from: "class \"0\"".to_owned(), to: "class \"1\"".to_owned() };
        session.change_classes("me", &change).unwrap();
        let view = session.view("me");
        assert_eq!((view.classes.len(), view.classes[0].train), (99, 2));
        session.change_classes("me", &ClassChange::Drop("class \"99\"".to_owned())).unwrap();
        assert_eq!(session.view("me").classes.len(), 98);
        assert!(session.change_classes("me", &ClassChange::Drop("class \"1\"".to_owned())).is_err());
    });
}
