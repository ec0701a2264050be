//! Drawn images and an experiment on them that takes seconds: what several tests train.

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use byol::data::Dataset;
use byol::data::patterns::{PatternOptions, dataset_with};

/// Images of ten classes, with four test images of each.
pub fn data(train_per_class: usize, unlabeled: usize) -> Dataset {
    dataset_with(PatternOptions { side: 32, train_per_class, test_per_class: 4, unlabeled })
}

/// The whole comparison on a narrow network, with further settings, which are stronger.
pub fn experiment(settings: &[&str]) -> Experiment {
    let common = [
        "image_size=16",
        "width=0.0625",
        "labels_per_class=[2, \"all\"]",
        "draws=2",
        "pretrain.epochs=2",
        "pretrain.batch_size=16",
        "supervised.epochs=2",
        "supervised.minimum_steps=4",
        "finetune.epochs=2",
        "finetune.minimum_steps=4",
    ];
    let set: Vec<String> = common.iter().chain(settings).map(|&pair| pair.to_owned()).collect();
    resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap()
}
