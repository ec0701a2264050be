//! Which classifier of a run is taken where none is named: one rule for `predict`, `export`, the terminal and the page. What was
//! kept out of training chooses; test labels choose nothing.

use std::path::Path;

use super::load::RunData;
pub use crate::run::classifier::{ClassifierKind, Reason};
use crate::run::record::{Control, EpochRecord, LabelBudget, PredictionRecord};
use crate::run::{RunDirectory, tensors};

/// A classifier that can be taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// What was trained how.
    pub kind: ClassifierKind,
    /// The labels that it was trained with.
    pub budget: LabelBudget,
    /// Accuracy (0-1) on labels of the budget that it was not trained with, where some were held out.
    pub validation: Option<f64>,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Taken {
    /// What was trained how.
    pub kind: ClassifierKind,
    /// The labels that it was trained with.
    pub budget: LabelBudget,
    /// Why it was taken and not another.
    pub reason: Reason,
}

/// The rule. The budget is `budget` or the largest that the first kind has, in the order of [`ClassifierKind::ALL`]; of the self-trained and the
/// fine-tuned one, that of either. Where there is a self-trained one of this budget, the fine-tuned one is out: whether it is better was decided when
/// it was trained. Of the kinds that were
/// validated at this budget the best is taken, of equals the first; where the first kind was not, nothing can be held against it, and it is taken.
/// Nothing where there is no candidate.
pub fn choose(candidates: &[Candidate], budget: Option<LabelBudget>) -> Option<Taken> {
    let mut kinds: Vec<ClassifierKind> =
        ClassifierKind::ALL.into_iter().filter(|kind| candidates.iter().any(|other| other.kind == *kind)).collect();
    let tuned = [ClassifierKind::Selftrained, ClassifierKind::Finetuned];
    let first = kinds.first()?;
    let alike = |kind: ClassifierKind| kind == *first || tuned.contains(&kind) && tuned.contains(first);
    let own = candidates.iter().filter(|candidate| alike(candidate.kind)).map(|candidate| candidate.budget);
    let budget = budget.or(own.max_by_key(|budget| budget.size()))?;
    if kinds.starts_with(&tuned) {
        let self_trained = |candidate: &Candidate| (candidate.kind, candidate.budget) == (tuned[0], budget);
        // Of the two the one that counts at this budget.
        kinds.remove(usize::from(candidates.iter().any(self_trained)));
    }
    let &first = kinds.first()?;
    let taken = |kind, reason| Some(Taken { kind, budget, reason });
    if kinds.len() == 1 {
        return taken(first, Reason::Asked);
    }
    let validation = |kind: ClassifierKind| {
        let of = candidates.iter().find(|candidate| candidate.kind == kind && candidate.budget == budget);
        Some((kind, of?.validation?))
    };
    let mut validated: Vec<(ClassifierKind, f64)> = kinds.into_iter().filter_map(validation).collect();
    if validated.len() < 2 || validated[0].0 != first {
        return taken(first, Reason::Undecided);
    }
    // Of equally good ones the first stays first.
    validated.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    taken(validated[0].0, Reason::Validated(validated))
}

/// How a kind did on labels of the budget that it was not trained with, in the first draw; nothing where that is not recorded.
/// `metrics` are those of the run itself.
pub fn validation(run: &Path, kind: ClassifierKind, budget: LabelBudget, metrics: &[EpochRecord]) -> Option<f64> {
    let Some(stage) = kind.stage() else {
        let ClassifierKind::Frozen(head) = kind else { return None };
        return validation_of_head(&run.join("classifiers").join(format!("{}-{budget}.safetensors", head.name())));
    };
    let last = |records: &[EpochRecord]| {
        let of_arm = |record: &&EpochRecord| {
            (record.stage, record.labels_per_class, record.draw) == (stage.into(), Some(budget), 0)
        };
        records.iter().rev().find(of_arm).and_then(|record| record.validation_accuracy)
    };
    // Of a run that holds a share out, the classifier's own epochs; else the best candidate of a sweep.
    last(metrics).or_else(|| {
        let begin = format!("{}-{budget}-draw0-", stage.name());
        let trials = std::fs::read_dir(run.join("trials")).into_iter().flatten().flatten();
        let names = trials.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let directory = RunDirectory::existing(run).ok()?;
        let accuracies = names
            .filter(|name| name.starts_with(&begin))
            .filter_map(|name| last(&directory.trial(&name).metrics().ok()?));
        accuracies.max_by(f64::total_cmp)
    })
}

/// What the file of a classifier on the frozen encoder says in its metadata, without its numbers. A damaged one says nothing here;
/// whoever uses it is told.
fn validation_of_head(path: &Path) -> Option<f64> {
    let header = tensors::header(path)?;
    let about: serde_json::Value = serde_json::from_str(tensors::metadata(&header, tensors::METADATA_KEY)?).ok()?;
    let (right, images) = (about["validation"]["right"].as_f64()?, about["validation"]["images"].as_f64()?);
    (images > 0.0).then_some(right / images)
}

/// The classifiers of a run that have results.
pub(super) fn candidates(run: &RunData) -> Vec<Candidate> {
    let control = run.control();
    let mut found = Vec::new();
    for budget in run.budgets() {
        for kind in ClassifierKind::ALL {
            let refused = kind == ClassifierKind::Selftrained && !run.is_self_trained(budget);
            if !refused && run.accuracy(kind.recorded_as(control), budget).is_some() {
                let known = run.validations.iter().find(|(own, with, _)| (*own, *with) == (kind, budget));
                found.push(Candidate { kind, budget, validation: known.map(|(.., accuracy)| *accuracy) });
            }
        }
    }
    found
}

/// The classifier of a run that is taken where none is named; nothing where none has a result.
pub fn taken(run: &RunData) -> Option<Taken> {
    choose(&candidates(run), None)
}

/// The answers of the first label draw of a classifier: the one whose weights a run keeps.
pub fn answers(
    predictions: &[PredictionRecord],
    control: Control,
    (kind, budget): (ClassifierKind, LabelBudget),
) -> Option<&PredictionRecord> {
    let name = kind.recorded_as(control);
    let own =
        predictions.iter().filter(|record| record.name.under(control) == name && record.labels_per_class == budget);
    own.min_by_key(|record| record.draw)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Run;
    use super::*;
    use crate::report::language::names::reason;
    use crate::run::record::{HeadKind, ResultName};

    const KNN: ClassifierKind = ClassifierKind::Frozen(HeadKind::Knn);

    fn candidate(kind: ClassifierKind, budget: LabelBudget, validation: Option<f64>) -> Candidate {
        Candidate { kind, budget, validation }
    }

    #[test]
    fn validation_decides_and_a_tie_is_told() {
        let (few, all) = (LabelBudget::PerClass(10), LabelBudget::All);
        let choice = |candidates: &[Candidate]| choose(candidates, None).expect("there are candidates");
        let found = choice(&[
            candidate(ClassifierKind::Finetuned, few, None),
            candidate(KNN, all, Some(0.9)),
            candidate(ClassifierKind::Finetuned, all, Some(0.8)),
        ]);
        assert_eq!((found.kind, found.budget), (KNN, all));
        assert!(
            reason(&found.reason)
                .expect("said")
                .starts_with("the best on held-out labels: k-NN 90.0%, fine-tuned 80.0%")
        );
        let tied = choice(&[candidate(KNN, all, Some(0.8)), candidate(ClassifierKind::Finetuned, all, Some(0.8))]);
        assert_eq!(tied.kind, ClassifierKind::Finetuned);
        assert!(reason(&tied.reason).expect("said").contains("; k-NN did equally well"), "{tied:?}");
        // Nothing is known of the fine-tuned one.
        let open = choice(&[candidate(KNN, all, Some(0.9)), candidate(ClassifierKind::Finetuned, all, None)]);
        assert_eq!((open.kind, open.reason), (ClassifierKind::Finetuned, Reason::Undecided));
        assert_eq!(choose(&[], None), None);
    }

    #[test]
    fn a_self_trained_classifier_stands_for_the_fine_tuned_one_at_its_budget() {
        let (few, all) = (LabelBudget::PerClass(10), LabelBudget::All);
        let of = |kind, budget, validation| candidate(kind, budget, validation);
        let tuned = [of(ClassifierKind::Finetuned, few, None), of(ClassifierKind::Finetuned, all, None)];
        let with = |budget, own: Option<f64>| {
            let own = [of(ClassifierKind::Selftrained, budget, own), of(KNN, all, Some(0.7))];
            choose(&[&tuned[..], &own].concat(), None).expect("there are candidates")
        };
        let found = with(all, None);
        assert_eq!((found.kind, found.budget), (ClassifierKind::Selftrained, all));
        assert_eq!(with(all, Some(0.8)).kind, ClassifierKind::Selftrained);
        assert_eq!(with(all, Some(0.6)).kind, KNN, "labels that trained neither decide between others");
        // Of fewer labels it is not held against the fine-tuned one of all.
        let found = with(few, Some(0.8));
        assert_eq!((found.kind, found.budget), (ClassifierKind::Finetuned, all));
        let named = choose(&[tuned[0], of(ClassifierKind::Selftrained, few, None)], Some(few));
        assert_eq!(named.map(|taken| taken.kind), Some(ClassifierKind::Selftrained));
    }

    #[test]
    fn test_accuracy_chooses_nothing() {
        let run = Run::with_accuracies(&[
            (ResultName::SUPERVISED, 0.99, 0.99),
            (ResultName::PRETRAINED_FINETUNED, 0.30, 0.30),
        ]);
        let mut data = run.data();
        let found = taken(&data).expect("there are results");
        assert_eq!((found.kind, found.budget), (ClassifierKind::Finetuned, LabelBudget::All));
        let record = answers(&data.predictions, data.control(), (found.kind, found.budget)).expect("answers");
        assert_eq!((record.name, record.draw), (ResultName::PRETRAINED_FINETUNED, 0));
        data.validations =
            vec![(ClassifierKind::Finetuned, LabelBudget::All, 0.5), (ClassifierKind::Baseline, LabelBudget::All, 0.6)];
        assert_eq!(taken(&data).map(|taken| taken.kind), Some(ClassifierKind::Baseline));
    }

    #[test]
    fn a_head_says_how_it_was_validated() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("classifiers/knn-all.safetensors");
        std::fs::create_dir_all(folder.path().join("classifiers")).expect("writable");
        let header = r#"{"__metadata__":{"byol":"{\"validation\":{\"right\":3,\"images\":4}}"}}"#;
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), b"numbers"].concat();
        std::fs::write(&path, bytes).expect("writable");
        assert_eq!(validation(folder.path(), KNN, LabelBudget::All, &[]), Some(0.75));
        std::fs::write(&path, b"short").expect("writable");
        assert_eq!(validation(folder.path(), KNN, LabelBudget::All, &[]), None);
    }
}
