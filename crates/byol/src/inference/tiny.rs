//! An encoder of the tests that is as small as one can be.

use tch::Device;

use crate::config::Experiment;
use crate::config::resolve::{Request, resolve};
use crate::device::{Hardware, Precision};
use crate::model::{Encoder, EncoderConfig, Weights};
use crate::run::record::Stage;
use crate::trained::model::{Origin, TrainedEncoder};

/// Its weights as they are drawn with this seed.
pub fn encoder(seed: u64) -> TrainedEncoder {
    let set = ["image_size=16".to_owned(), "width=0.0625".to_owned()];
    let experiment: Experiment =
        resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).expect("a tiny network");
    let (encoder, layout) = Encoder::alone(EncoderConfig::of(&experiment));
    let weights = Weights::initialize(&layout, seed, 0, Device::Cpu);
    let origin = Origin {
        stage: Stage::Pretrain,
        labels_per_class: None,
        draw: 0,
        step: 0,
        finished: true,
        data: None,
        pretrain: None,
        test: None,
        planned: false,
        head: None,
    };
    TrainedEncoder { experiment, encoder, weights, origin }
}

/// One thread in float32.
pub fn hardware() -> Hardware {
    Hardware { precision: Precision::Full, ..Hardware::auto().with_threads(1) }
}
