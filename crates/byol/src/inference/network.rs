//! A trained network as it is used: an encoder in evaluation mode, and the linear layers on it, if any.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::folded::{FoldedEncoder, ImageShape};
use crate::augment::{FixedViews, Normalization};
use crate::data::Levels;
use crate::device::Hardware;
use crate::device::Precision;
use crate::eval::knn::Bank;
use crate::eval::knn::log_votes;
use crate::model::layers::Pass;
use crate::model::{Encoder, EncoderConfig, Leaves, Mode, ModelError, Weights};
use crate::ranks::Ranks;
use crate::trained::classifiers::{AnyClassifier, TrainedKnn};
use crate::trained::model::{TrainedClassifier, TrainedEncoder};

/// Names of a classifier's linear layers, first to last.
const HEAD: [&str; 2] = ["logits", "fc"];

/// What a network is made of.
pub struct NetworkParts<'a> {
    /// The encoder's structure.
    pub config: EncoderConfig,
    /// The encoder's parameters and statistics by name.
    pub encoder: &'a BTreeMap<String, Tensor>,
    /// Linear layers on the representation, first to last; none where representations alone are wanted.
    pub head: Vec<Affine>,
    /// Side of the images that the network was trained on.
    pub side: usize,
    /// Share of an image's centre square that it sees.
    pub evaluation_crop: f64,
    /// What its inputs are normalised with.
    pub normalization: Normalization,
    /// The stored values that were black and white in training.
    pub levels: Levels,
}

/// `y = x W^T + b`.
///
/// # Shapes
/// `weight` `[outputs, inputs]`, `bias` `[outputs]`, of any floating-point type.
#[derive(Debug)]
pub struct Affine {
    /// A row for each output.
    pub weight: Tensor,
    /// A value for each output.
    pub bias: Tensor,
}

/// See [`NetworkParts`].
pub struct Network {
    encoder: Encoder,
    computing: Computing,
    head: Vec<Affine>,
    votes: Option<Votes>,
    device: Device,
    precision: Precision,
    side: usize,
    evaluation_crop: f64,
    views: FixedViews,
    normalization: Normalization,
    levels: Levels,
}

/// Labelled representations whose nearest vote.
struct Votes {
    bank: Bank,
    classes: usize,
}

/// How representations are computed.
enum Computing {
    /// As in training.
    Layers {
        weights: Weights,
        leaves: Leaves,
    },
    Folded(FoldedEncoder),
}

// SAFETY: nothing changes the tensors after `new`, and reading them from several threads is what libtorch allows; the counts
// of who holds them are atomic.
unsafe impl Sync for Network {}

impl Network {
    /// # Errors
    /// The weights do not fit the encoder, or a linear layer does not fit what it stands on.
    pub fn new(parts: NetworkParts, hardware: &Hardware) -> Result<Network, ModelError> {
        let (encoder, layout) = Encoder::alone(parts.config);
        let weights = Weights::of(&layout, parts.encoder, hardware.device)?;
        let mut inputs = encoder.features();
        let mut head = Vec::new();
        for (number, layer) in parts.head.into_iter().enumerate() {
            let outputs = layer.bias.size()[0];
            if layer.weight.size() != [outputs, inputs] {
                let (name, found) = (format!("linear layer {}", number + 1), layer.weight.size());
                return Err(ModelError::Shape { name, found, expected: vec![outputs, inputs] });
            }
            let single = |tensor: &Tensor| tensor.detach().to_device(hardware.device).to_kind(Kind::Float);
            head.push(Affine { weight: single(&layer.weight), bias: single(&layer.bias) });
            inputs = outputs;
        }
        let NetworkParts { side, evaluation_crop, normalization, levels, .. } = parts;
        let Hardware { device, precision, .. } = *hardware;
        let folded = (device == Device::Cpu && precision == Precision::Full).then(|| {
            let images = ImageShape { batch: fitting_batch(device) as i64, side: side as i64 };
            FoldedEncoder::new(&encoder, parts.encoder, images)
        });
        let computing = match folded.flatten() {
            Some(folded) => Computing::Folded(folded),
            None => Computing::Layers { leaves: weights.leaves(precision), weights },
        };
        Ok(Network {
            encoder,
            computing,
            head,
            votes: None,
            device,
            precision,
            side,
            evaluation_crop,
            views: FixedViews::Plain,
            normalization,
            levels,
        })
    }

    /// A trained encoder: rows are representations.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn encoder(trained: &TrainedEncoder, hardware: &Hardware) -> Result<Network, ModelError> {
        let parts = NetworkParts {
            config: trained.encoder.config(),
            encoder: &trained.weights.named(),
            head: Vec::new(),
            side: trained.experiment.image_size,
            evaluation_crop: trained.experiment.evaluation_crop,
            normalization: trained.normalization(),
            levels: trained.experiment.levels,
        };
        Network::new(parts, hardware)
    }

    /// A trained classifier: rows are logits.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn classifier(trained: &TrainedClassifier, hardware: &Hardware) -> Result<Network, ModelError> {
        let mut named = trained.weights.named();
        let mut head = Vec::new();
        for name in HEAD {
            if let (Some(weight), Some(bias)) =
                (named.remove(&format!("{name}.weight")), named.remove(&format!("{name}.bias")))
            {
                head.push(Affine { weight, bias });
            }
        }
        let parts = NetworkParts {
            config: trained.classifier.encoder().config(),
            encoder: &named,
            head,
            side: trained.experiment.image_size,
            evaluation_crop: trained.experiment.evaluation_crop,
            normalization: trained.normalization(),
            levels: trained.experiment.levels,
        };
        Network::new(parts, hardware)
    }

    /// k-NN on an encoder: rows are the logarithms of the classes' shares of the votes, which are logits.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn knn(trained: &TrainedKnn, hardware: &Hardware) -> Result<Network, ModelError> {
        let parts = NetworkParts {
            config: trained.encoder.config(),
            encoder: &trained.weights.named(),
            head: Vec::new(),
            side: trained.experiment.image_size,
            evaluation_crop: trained.experiment.evaluation_crop,
            normalization: trained.normalization(),
            levels: trained.experiment.levels,
        };
        let on_device = |tensor: &Tensor| tensor.to_device(hardware.device);
        let Bank { vectors, labels, neighbors, temperature } = &trained.bank;
        let bank = Bank {
            vectors: on_device(vectors),
            labels: on_device(labels),
            neighbors: *neighbors,
            temperature: *temperature,
        };
        let votes = Some(Votes { bank, classes: trained.class_names.len() });
        Ok(Network { votes, ..Network::new(parts, hardware)? })
    }

    /// A classifier of any kind.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn of(trained: &AnyClassifier, hardware: &Hardware) -> Result<Network, ModelError> {
        match trained {
            AnyClassifier::Layers(trained) => Network::classifier(trained, hardware),
            AnyClassifier::Knn(trained) => Network::knn(trained, hardware),
        }
    }

    /// Values that the row of one view has.
    pub fn columns(&self) -> usize {
        match (&self.votes, self.head.last()) {
            (Some(votes), _) => votes.classes,
            (None, Some(last)) => last.bias.size()[0] as usize,
            (None, None) => self.encoder.features() as usize,
        }
    }

    /// Side of the images that it sees, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Share of an image's centre square that it sees.
    pub fn evaluation_crop(&self) -> f64 {
        self.evaluation_crop
    }

    /// The same network, which sees these views of every file that it is given.
    #[must_use]
    pub fn seeing(self, views: FixedViews) -> Network {
        Network { views, ..self }
    }

    /// The views that it sees of every file: one, unless others were [asked for](Self::seeing).
    pub fn views(&self) -> FixedViews {
        self.views
    }

    /// What its inputs are normalised with.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// The stored values that are black and white to it.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Views that had best go through the network together.
    pub fn fitting_batch(&self) -> usize {
        fitting_batch(self.device)
    }

    /// The type that it computes in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Representations, or what the last linear layer or the votes make of them, in float32.
    ///
    /// # Shapes
    /// `[batch, 3, side, side]`, normalised, on the network's device, to float32 `[batch, columns]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        tch::no_grad(|| {
            let representation = match &self.computing {
                Computing::Folded(folded) => folded.forward(images),
                Computing::Layers { weights, leaves } => {
                    let precision = self.precision;
                    let pass =
                        Pass { weights, leaves, mode: Mode::Evaluate, precision, views: 1, ranks: Ranks::alone() };
                    self.encoder.represent(&pass, images).to_kind(Kind::Float)
                }
            };
            match &self.votes {
                Some(Votes { bank, classes }) => log_votes(bank, &representation, *classes),
                None => self.head.iter().fold(representation, |x, layer| x.linear(&layer.weight, Some(&layer.bias))),
            }
        })
    }
}

/// Small batches on a CPU, whose activations then stay in a core's cache; large ones keep a GPU busy.
fn fitting_batch(device: Device) -> usize {
    if device.is_cuda() { 128 } else { 16 }
}
