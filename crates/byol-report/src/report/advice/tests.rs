//! Each piece of advice is given by runs that need it, and by no others.

use super::super::explain::explain;
use super::super::language::advice::text;
use super::super::language::numbers::{about, count, rounded};
use super::super::testing::{Run, TEST_IMAGES, plan};
use super::*;
use crate::plan::Plan;
use crate::run::record::{PretrainRecord, Summary};

fn of(run: &RunData) -> Vec<Advice> {
    advice(run, &explain(run))
}

fn only(run: &RunData, kind: Kind) -> Option<Advice> {
    of(run).into_iter().find(|advice| advice.kind() == kind)
}

/// A run that leaves nothing to wish: many passes, a decided difference, no file skipped, images that are drawn.
fn content() -> Run {
    let mut run = Run::with_accuracies(&[
        (ResultName::SUPERVISED, 0.60, 0.61),
        (ResultName::PRETRAINED_FINETUNED, 0.90, 0.91),
        (ResultName::PRETRAINED_LINEAR, 0.85, 0.86),
        (ResultName::PRETRAINED_KNN, 0.82, 0.83),
        (ResultName::RANDOM_LINEAR, 0.35, 0.45),
        (ResultName::RANDOM_KNN, 0.33, 0.40),
    ]);
    let summary = run.summary.as_mut().expect("it has one");
    summary.data.skipped = 0;
    let pretrain = summary.pretrain.as_mut().expect("it has one");
    pretrain.images = 400_000;
    for record in run.metrics.iter_mut().filter(|record| record.stage == Stage::Pretrain) {
        record.knn_accuracy = Some(0.8);
    }
    run
}

#[test]
fn a_run_that_leaves_nothing_to_wish_is_used() {
    let found = of(&content().data());
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.kind(), Kind::Use);
    assert!(text(&found.what).contains("fine-tuned BYOL with all labels is right on 91.0%"), "{}", text(&found.what));
    assert_eq!(
        found.commands,
        [
            "byol predict --from made-up FOLDER --out predictions.csv",
            "byol export --from made-up --out classifier.onnx"
        ]
    );
}

#[test]
fn nobody_is_told_to_use_a_classifier_that_only_guesses() {
    let mut run = content();
    for record in &mut run.predictions {
        // 50 of 200, in every class as many: what one of four classes gives.
        record.predicted = (0..TEST_IMAGES as u16).map(|image| image / 4 % 4).collect();
        record.test_accuracy = 0.25;
    }
    assert_eq!(of(&run.data()), []);
}

#[test]
fn few_passes_give_the_epochs_and_the_time_that_are_missing() {
    let mut run = content();
    let pretrain = run.summary.as_mut().and_then(|summary| summary.pretrain.as_mut()).expect("it has one");
    // Its steps alone were faster than the whole of it, which took 4,060 s for the 54,400 images.
    (pretrain.images, pretrain.epochs, pretrain.images_per_second) = (54_400, 50, 15.0);
    let last = run.metrics.iter_mut().rfind(|record| record.stage == Stage::Pretrain).expect("it has some");
    (last.images, last.images_per_second, last.seconds) = (54_400, 15.0, 54_400.0 / 13.4);
    let mut data = run.data();
    data.place = "runs/my run".into();
    let found = only(&data, Kind::MorePasses).expect("54,400 are few");
    // 1,088 images an epoch: 145,600 passes are 133.8 epochs, 134 epochs are 145,792 passes, 10,880 s.
    assert_eq!(
        text(&found.what),
        "Pre-training made 54,400 image passes; gains usually begin near 200,000. 134 more epochs are 145,792 passes, about \
         3 h 01 min at 13.4 images/s, monitoring included. The run continues with the data that it started with, so do this before you add \
         images."
    );
    assert_eq!(found.commands, ["byol run --resume 'runs/my run' --more-epochs 134"]);

    let pretrain = run.summary.as_mut().and_then(|summary| summary.pretrain.as_mut()).expect("it has one");
    pretrain.images = FEW_PASSES;
    assert_eq!(only(&run.data(), Kind::MorePasses), None);
    let pretrain = run.summary.as_mut().and_then(|summary| summary.pretrain.as_mut()).expect("it has one");
    (pretrain.images, pretrain.ended_by) = (1_000, Ended::Patience);
    assert_eq!(only(&run.data(), Kind::MorePasses), None, "it had ended by itself");
}

#[test]
fn an_undecided_difference_asks_for_the_test_that_could_decide() {
    let run =
        Run::with_accuracies(&[(ResultName::SUPERVISED, 0.80, 0.80), (ResultName::PRETRAINED_FINETUNED, 0.83, 0.83)]);
    let data = run.data();
    let explanation = explain(&data);
    let needed: Vec<u64> =
        explanation.comparisons.iter().filter_map(|found| found.paired.as_ref()?.images_needed).collect();
    let least = *needed.iter().min().expect("the accuracies differ");
    assert!(least > TEST_IMAGES as u64, "{needed:?}");
    let found = only(&data, Kind::MoreTestImages).expect("three points of 200 images decide nothing");
    // What is missing is what is missing to the number that is named.
    let expected = format!(
        "With 200 test images a difference of 3.0 points may be chance; about {} would be needed to tell. Label about {} more.",
        about(least),
        count(rounded(least) - 200)
    );
    assert!(text(&found.what).starts_with(&expected), "{}", text(&found.what));
    assert!(found.commands[0].ends_with(" --out made-up-more-tests"), "{:?}", found.commands);
    assert_eq!(only(&content().data(), Kind::MoreTestImages), None);
}

#[test]
fn few_test_images_ask_for_more_even_if_the_difference_is_decided() {
    let mut run = content();
    run.set_labels(vec![0; 28]);
    for record in &mut run.predictions {
        let right = if record.name == ResultName::PRETRAINED_FINETUNED { 24 } else { 4 };
        record.predicted = (0..28).map(|image| u16::from(image >= right)).collect();
        record.probabilities = vec![0.5; 28];
        record.test_accuracy = right as f64 / 28.0;
    }
    let found = only(&run.data(), Kind::MoreTestImages).expect("28 images are few");
    // Wilson's interval of 14 of 28 is 0.3264 to 0.6736, of 75 of 150 it is 0.4209 to 0.5791.
    assert!(
        text(&found.what).starts_with(
            "With 28 test images an accuracy is known to about ±18 points; 150 test images would give ±8. Label about 122 more."
        ),
        "{}",
        text(&found.what)
    );
    let mut place = |split| {
        run.summary.as_mut().expect("it has one").data.split = split;
        text(&only(&run.data(), Kind::MoreTestImages).expect("28 images are few").what)
    };
    let drawn = place(Some(DataSplit::Drawn { file: "photos/byol-split.csv".into() }));
    assert!(
        drawn.ends_with(
            "Put them with the other labelled images, and add a line `path,test` for each to `photos/byol-split.csv`, with the \
             path written as in the other lines. Afterwards:"
        ),
        "{drawn}"
    );
    let given = place(Some(DataSplit::Given));
    assert!(given.ends_with("Put them with the other test images. Afterwards:"), "{given}");
    run.summary.as_mut().expect("it has one").data.name = "labels.csv".to_owned();
    let mut data = run.data();
    data.plan = Some(Plan { hours: Some(0.5), ..plan(&[]) });
    let table = only(&data, Kind::MoreTestImages).expect("28 images are few");
    assert!(
        text(&table.what).contains(
            "Add a row for each to `labels.csv` (the image named as in the other rows), marked as a test image."
        ),
        "{}",
        text(&table.what)
    );
    assert!(table.commands[0].ends_with(" --hours 0.5 --out made-up-more-tests"), "{:?}", table.commands);
    data.name = "made-up-more-tests".to_owned();
    let again = only(&data, Kind::MoreTestImages).expect("28 images are few");
    assert!(again.commands[0].ends_with(" --out made-up-more-tests-2"), "{:?}", again.commands);
    data.name = "made-up-more-tests-2".to_owned();
    let again = only(&data, Kind::MoreTestImages).expect("28 images are few");
    assert!(again.commands[0].ends_with(" --out made-up-more-tests"), "{:?}", again.commands);
}

#[test]
fn photographs_that_are_few_are_advised_to_begin_with_weights() {
    let mut run = content();
    let summary = run.summary.as_mut().expect("it has one");
    summary.data.name = "photos".to_owned();
    summary.data.unlabeled[0].name = "my unlabeled".to_owned();
    let found = only(&run.data(), Kind::Weights).expect("4,000 images are few");
    assert!(
        text(&found.what).starts_with("4,000 images are few to learn from.")
            && text(&found.what).contains("downloads 47 MB"),
        "{}",
        text(&found.what)
    );
    assert_eq!(
        found.commands,
        ["byol run --data '/home/me/my photos' --unlabeled 'my unlabeled' --weights imagenet --out made-up-imagenet"]
    );
    // What was typed for the run is typed again.
    let mut typed = run.data();
    typed.command = Some(CommandRecord {
        data: "photos".into(),
        settings: ["--preset", "lab", "--set", "pretrain.epochs=7", "--labels-per-class", "5,all"]
            .map(str::to_owned)
            .into(),
        ..CommandRecord::default()
    });
    assert_eq!(
        only(&typed, Kind::Weights).expect("as before").commands,
        [
            "byol run --data photos --preset lab --set pretrain.epochs=7 --labels-per-class 5,all --weights imagenet --out \
          made-up-imagenet"
        ]
    );
    // Of a run that was extended, the length is that of now.
    typed.config = Some("[pretrain]\nepochs = 12\nextended = [7]\n".parse().expect("TOML"));
    assert_eq!(
        only(&typed, Kind::Weights).expect("as before").commands,
        [
            "byol run --data photos --preset lab --labels-per-class 5,all --set pretrain.epochs=12 --weights imagenet --out \
          made-up-imagenet"
        ]
    );
    run.summary.as_mut().expect("it has one").data.unlabeled[0].images = FEW_IMAGES;
    assert_eq!(only(&run.data(), Kind::Weights), None);
    run.summary.as_mut().expect("it has one").data.name = "patterns".to_owned();
    assert_eq!(only(&run.data(), Kind::Weights), None);
}

#[test]
fn labels_that_paid_are_asked_for_and_of_the_weakest_class() {
    let mut run = content();
    for record in run.predictions.iter_mut().filter(|record| record.name == ResultName::PRETRAINED_FINETUNED) {
        let all = record.labels_per_class == LabelBudget::All;
        // With all labels, deer are taken for airplanes half of the time, everything else is right.
        record.predicted = (0..TEST_IMAGES as u16)
            .map(|image| if image % 4 == 3 && (image % 8 == 3 || !all) { 0 } else { image % 4 })
            .collect();
        record.test_accuracy = if all { 0.875 } else { 0.75 };
    }
    let found = only(&run.data(), Kind::MoreLabels).expect("12.5 points were gained by labels");
    assert!(
        text(&found.what).starts_with(
            "From 10 labels per class to all labels, accuracy rose by 12.5 points, so more labels are likely to help: if the curve goes on like \
             that, twice as many (2,000 more) add about 2.2 points. The class that needs them most is deer: 50.0% of its test images are classified \
             correctly."
        ),
        "{}",
        text(&found.what)
    );
    assert_eq!(found.commands.len(), 2);
    assert_eq!(only(&content().data(), Kind::MoreLabels), None);
}

#[test]
fn files_that_were_skipped_are_to_be_looked_at() {
    let mut run = content();
    run.summary.as_mut().expect("it has one").data.skipped = 1;
    let found = only(&run.data(), Kind::Repair).expect("a file was skipped");
    assert_eq!(text(&found.what), "1 file could not be read and was not used. The command names it.");
    assert_eq!(found.commands, ["byol data info '/home/me/my photos'"]);
}

#[test]
fn three_pieces_at_most_the_worthiest_first_and_none_of_an_unfinished_run() {
    let mut run =
        Run::with_accuracies(&[(ResultName::SUPERVISED, 0.40, 0.60), (ResultName::PRETRAINED_FINETUNED, 0.42, 0.61)]);
    let summary = run.summary.as_mut().expect("it has one");
    summary.data.name = "photos".to_owned();
    let found = of(&run.data());
    assert_eq!(found.len(), MOST);
    assert_eq!(found[0].kind(), Kind::Weights);
    assert!(found.windows(2).all(|pair| pair[0].worth >= pair[1].worth), "{found:?}");
    run.summary.as_mut().expect("it has one").finished = false;
    assert!(of(&run.data()).is_empty());
}

/// A run on a CPU whose passes decided nothing.
fn undecided() -> Run {
    let mut run =
        Run::with_accuracies(&[(ResultName::SUPERVISED, 0.80, 0.80), (ResultName::PRETRAINED_FINETUNED, 0.81, 0.81)]);
    let summary = run.summary.as_mut().expect("it has one");
    (summary.data.skipped, summary.data.name) = (0, "photos".to_owned());
    summary.data.unlabeled[0].images = FEW_IMAGES;
    summary.pretrain.as_mut().expect("it has one").images = 500_000;
    for record in run.metrics.iter_mut().filter(|record| record.stage == Stage::Pretrain) {
        record.knn_accuracy = Some(0.8);
    }
    run
}

#[test]
fn a_cpu_with_few_passes_is_advised_to_be_a_gpu_after_everything_else() {
    let mut typed = undecided().data();
    typed.command = Some(CommandRecord {
        data: "photos".into(),
        device: Some("cpu".into()),
        precision: Some("bf16".into()),
        ..CommandRecord::default()
    });
    let all = of(&typed);
    assert_eq!(all.last().map(Advice::kind), Some(Kind::Gpu), "the last of all: {all:?}");
    let found = only(&typed, Kind::Gpu).expect("500,000 are few");
    let said = text(&found.what);
    assert!(said.starts_with("Pre-training made 500,000 image passes on a CPU, in ") && said.ends_with(':'), "{said}");
    assert_eq!(found.commands, ["byol run --data photos --device cuda --precision bf16 --hours 0.4 --out made-up-gpu"]);
    typed.plan = Some(Plan { hours: Some(2.0), ..plan(&[]) });
    let found = only(&typed, Kind::Gpu).expect("500,000 are few");
    assert!(found.commands[0].ends_with(" --hours 2 --out made-up-gpu"), "as it was planned: {:?}", found.commands);

    let without = |change: &dyn Fn(&mut Summary)| {
        let mut run = undecided();
        change(run.summary.as_mut().expect("it has one"));
        only(&run.data(), Kind::Gpu)
    };
    assert!(without(&|_| ()).is_some_and(|found| found.commands[0].contains(" --device cuda")), "nothing was recorded");
    assert_eq!(without(&|summary| summary.hardware = "cuda:0, bf16".to_owned()), None);
    assert_eq!(without(&|summary| summary.data.name = PATTERNS.to_owned()), None);
    let pretrain =
        |change: fn(&mut PretrainRecord)| without(&|summary| change(summary.pretrain.as_mut().expect("it has one")));
    assert_eq!(pretrain(|record| record.images = 1_000_000), None);
    assert_eq!(pretrain(|record| record.ended_by = Ended::Patience), None);
    // Where it has gained something everywhere, nothing more is asked of anybody.
    assert_eq!(only(&content().data(), Kind::Gpu), None);
}

#[test]
fn copies_and_contradictions_are_to_be_repaired_the_worst_first() {
    use crate::data::findings::{Contradiction, NamedLabel, Straddling};
    let mut run = content();
    let data = &mut run.summary.as_mut().expect("it has one").data;
    let named = |image: &str, class: &str| NamedLabel { image: image.into(), class: class.into() };
    data.findings.contradictions =
        vec![Contradiction { exact: true, images: vec![named("cat/1.jpg", "cat"), named("dog/9.jpg", "dog")] }];
    let found = only(&run.data(), Kind::Repair).expect("a label is wrong");
    assert_eq!(
        text(&found.what),
        "1 image has several labels (cat/1.jpg is `cat`, dog/9.jpg is `dog`), so a label is wrong: correct it. The \
         command names it."
    );
    assert!(found.commands[0].starts_with("byol data info "), "{:?}", found.commands);
    let only_labels = found.worth;
    // Before more test images where there are many already, and far before images that only look alike.
    run.summary.as_mut().expect("it has one").data.findings.contradictions[0].exact = false;
    let alike = only(&run.data(), Kind::Repair).expect("a label may be wrong").worth;
    assert!(only_labels > 3.5 && alike < 3.5, "{only_labels} {alike}");
    run.summary.as_mut().expect("it has one").data.findings.contradictions[0].exact = true;

    // A tenth of the test is trained on.
    let data = &mut run.summary.as_mut().expect("it has one").data;
    data.findings.test_in_train = Some(Straddling { other: "train".into(), exact: 15, near: 5, examples: Vec::new() });
    data.skipped = 2;
    let all = of(&run.data());
    assert_eq!(all[0].kind(), Kind::Repair, "before everything else: {all:?}");
    assert!(all.len() <= 3 && all[0].worth > only_labels);
    let exact = |exact| {
        let copies = Some(Copies { images: 2, exact });
        text(&What::Repair(Repair { copies, ..Repair::default() }))
    };
    assert!(exact(0).starts_with("2 test images are copies of training images, so "), "{}", exact(0));
    assert!(
        exact(2).starts_with("2 test images are copies of training images, to the last pixel, so "),
        "{}",
        exact(2)
    );
    assert!(
        text(&all[0].what).starts_with(
            "20 test images are copies of training images (15 exact), so accuracies come out too high: remove the copies from \
             one of the two. 1 image has"
        ) && text(&all[0].what).ends_with("2 files could not be read and were not used. The command names them."),
        "{}",
        text(&all[0].what)
    );
}
