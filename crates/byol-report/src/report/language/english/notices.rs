//! What the library has to say while it works.

use super::ablation::change;
use super::advice::further;
use super::data::data_note;
use super::names::LABELLED_POOL;
use super::numbers::{count, list, percent, plural, whole_duration};
use super::program::program_note;
use super::progress::{expected, while_others};
use super::selftraining::judged;
use crate::report::advice::{FEW_PASSES, Further};
use crate::run::notice::{Notice, Remedy, RemedyOption};
use crate::run::record::Stage;

/// One sentence, without a capital and a full stop.
pub fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Data(note) => data_note(note),
        Notice::Program(note) => program_note(note),
        Notice::BudgetsFitted { budgets, class, smallest } => {
            let budgets: Vec<String> = budgets.iter().map(ToString::to_string).collect();
            format!(
                "labels per class: {}, because `{class}`, the smallest class, has {} (--labels-per-class takes others)",
                budgets.join(" and "),
                plural(*smallest as u64, "labelled training image")
            )
        }
        Notice::BatchFitted { batch_size, images } => format!(
            "batches of {batch_size} in pre-training, because there are {images} images (--set pretrain.batch_size=N takes \
             others)"
        ),
        Notice::NoUnlabeled { images } => format!(
            "no unlabelled images were given, so pre-training uses the {images} labelled training images alone; --unlabeled names a \
             folder of more"
        ),
        Notice::FewPasses { epochs, steps, batch_size, images, passes, remedy: what } => format!(
            "{} of {} ({} each, of {} images) are {} image passes; gains usually begin near {}: {}; --weights imagenet begins \
             with an encoder that has already learned",
            plural(*epochs as u64, "epoch"),
            plural(*steps as u64, "step"),
            plural(*batch_size as u64, "image"),
            count(*images as u64),
            count(*passes),
            count(FEW_PASSES),
            remedy(what)
        ),
        Notice::PassesExpected(found) => expected(found),
        Notice::LongerThanAsked { hours, seconds, typed, others } => format!(
            "at the speed that this machine has now{}, this run takes about {}, longer than {}; {}, so it begins all the same",
            others.map_or_else(String::new, |share| format!(" ({})", while_others(share))),
            whole_duration(*seconds),
            match hours {
                Some(hours) => format!("--hours {hours}"),
                None => "the hour that it has where --hours names no time".to_owned(),
            },
            match typed.is_empty() {
                true => "a shorter one would lack a part of the comparison".to_owned(),
                false => format!("what was typed stays ({})", list(typed)),
            }
        ),
        Notice::NoTest => "the data has no test split, so the classifier is trained but not judged".to_owned(),
        Notice::OtherImages { changes } => {
            let changes: Vec<String> =
                changes.iter().map(|(key, now, then)| format!("{key} is {now} and was {then}")).collect();
            format!("the encoder was pre-trained on other images: {}; it may do worse", changes.join(", "))
        }
        Notice::Candidate { name, accuracy } => format!("{name}: validation accuracy {accuracy:.4}"),
        Notice::PretrainsOn { pools } => {
            let of = |(images, name): &(usize, String)| match name.as_str() {
                // Their labels play no part in it.
                LABELLED_POOL => plural(*images as u64, "labelled training image"),
                name => format!("{} of {name}", plural(*images as u64, "image")),
            };
            let pools: Vec<String> = pools.iter().map(of).collect();
            format!("pre-training on {}", pools.join(", "))
        }
        Notice::SelftrainsOn { pool, used, confidence } => format!(
            "self-training on {} of {} without labels, or with labels that are not used; of these the teacher is {} sure on average",
            count(*used as u64),
            plural(*pool as u64, "image"),
            percent(*confidence)
        ),
        Notice::SelftrainingJudged { verdict, judgement } => judged(*verdict, judgement.as_ref()),
        Notice::Variant { number, of, name, change: what, method, seed } => {
            format!("{number}/{of}: {name} ({}), seed {seed}", change(*what, *method))
        }
        Notice::SeedFailed { seed, left: 0, why } => format!("seed {seed} failed: {why}"),
        Notice::SeedFailed { seed, left, why } => {
            format!("seed {seed} failed, and the {} go on: {why}", plural(*left as u64, "seed after it"))
        }
        Notice::Seed { number, of, seed } => format!("run {number} of {of}: seed {seed}"),
        Notice::Lengthened { stage, epochs, asked, images, least_steps } => {
            let key = key(*stage);
            format!(
                "{epochs} epochs instead of the {asked} of {key}.epochs: with {images} labelled images it takes that many for the \
                 {least_steps} steps of {key}.minimum_steps"
            )
        }
        Notice::WarmupCut { stage: Stage::Selftrain, .. } => {
            "selftrain.warmup_steps are more than the training has: the learning rate rises until its end".to_owned()
        }
        Notice::WarmupCut { stage, epochs } => format!(
            "{}.warmup_epochs is {epochs}, more than the training has: the learning rate rises until its end",
            key(*stage)
        ),
        Notice::PassedOver { problem } => format!("passing over a checkpoint: {problem}"),
        Notice::BeginsWith { path, digest } => format!("beginning with the weights of {path} ({digest})"),
        Notice::LastLayerLeftOut { outputs, classes } => {
            format!("the last layer of the weights is left out: it has {outputs} classes, the data {classes}")
        }
        Notice::NotRun { path, names } => {
            format!("beside weights {path} asks for {}, which was passed over and not run", names.join(", "))
        }
        Notice::PrefixLeftOut { path, prefix } => format!("names in {path} begin with '{prefix}', which is left out"),
        Notice::OutsideLeftOut { tensors, prefix } => format!(
            "{} outside '{prefix}' {} left out",
            plural(*tensors as u64, "tensor"),
            if *tensors == 1 { "is" } else { "are" }
        ),
        Notice::NumberedLayers => "its numbered layers are read as conv1, bn1 and layer1 to layer4".to_owned(),
        Notice::HuggingFaceNames => {
            "its names are those of Hugging Face's transformers, read as torchvision's".to_owned()
        }
        Notice::AveragesLeftOut { taken, averages } => {
            let left: Vec<String> = averages.iter().map(|prefix| format!("'{prefix}'")).collect();
            let what = if left.len() == 1 { "is a moving average" } else { "are moving averages" };
            format!("'{taken}' is taken; {} {what} of it, and left out", left.join(", "))
        }
    }
}

fn remedy(remedy: &Remedy) -> String {
    match *remedy {
        Remedy::Epochs { epochs } => format!("--set pretrain.epochs={epochs} reaches that"),
        Remedy::Measured { epochs, passes, images_per_second, option } => {
            let option = match option {
                RemedyOption::Hours(hours) => format!("--hours {hours}"),
                RemedyOption::Epochs(epochs) => format!("--set pretrain.epochs={epochs}"),
            };
            // In the words of the advice at the end, by the same reckoning.
            let more = further(&Further::taking(epochs, passes, images_per_second));
            format!("{more} ({option}, or --more-epochs {epochs} afterwards)")
        }
    }
}

/// The table of a stage in a configuration.
fn key(stage: Stage) -> &'static str {
    match stage {
        Stage::Pretrain => "pretrain",
        Stage::Supervised => "supervised",
        Stage::Finetune => "finetune",
        Stage::Selftrain => "selftrain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labelled_images_among_those_without_labels_are_named() {
        let pools = vec![(1, "train".to_owned()), (4000, "photos".to_owned())];
        assert_eq!(
            notice(&Notice::PretrainsOn { pools }),
            "pre-training on 1 labelled training image, 4,000 images of photos"
        );
        let self_trains = Notice::SelftrainsOn { pool: 4500, used: 3000, confidence: 0.5 };
        assert!(
            notice(&self_trains).starts_with(
                "self-training on 3,000 of 4,500 images without labels, or with labels that are not used;"
            ),
            "{}",
            notice(&self_trains)
        );
    }
}
