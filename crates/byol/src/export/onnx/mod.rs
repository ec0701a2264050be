//! ONNX: the network as a graph of standard operators, with weights and preprocessing inside.
//!
//! Operator set 18, the first in which resizing smooths (`antialias`). Initializers have torchvision's names.

mod proto;

use std::fmt::Arguments;

use prost::Message;
use tch::{Device, Kind};

use super::state_dict::{bytes_of, state_dict};
use super::{Export, ExportError, ExportedNetwork, Format, GraphInput};
use crate::eval::knn::Bank;
use crate::model::NORM_EPSILON;
use crate::model::layers::{BatchNorm, Convolution, SquareWindow};
use crate::model::walk::{Operations, POOL};
use crate::trained::classifiers::TrainedKnn;
use proto::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

pub(super) const OPERATOR_SET: i64 = 18;
const IR_VERSION: i64 = 8;
/// Protocol buffers hold no more in one message.
const LARGEST: usize = 1 << 31;
/// The cubic's coefficient that Pillow and PyTorch smooth with.
const CUBIC: f32 = -0.5;

/// The names of inputs and outputs.
pub(super) const RAW_IMAGES: &str = "pictures";
pub(super) const IMAGES: &str = "images";
pub(super) const LOGITS: &str = "logits";
pub(super) const PROBABILITIES: &str = "probabilities";
pub(super) const REPRESENTATION: &str = "representation";

/// Tensors of a state dict that k-NN has.
const VOTERS: [&str; 2] = ["fc.vectors", "fc.labels"];

/// The bytes of the file.
pub(super) fn write(export: &Export, facts: &[(&'static str, String)]) -> Result<Vec<u8>, ExportError> {
    let Export { network, input, .. } = *export;
    let weights = network.weights();
    let bytes = 4 * (weights.flat().numel() + weights.buffers().numel());
    if bytes >= LARGEST - (1 << 20) {
        return Err(ExportError::TooLarge { bytes });
    }
    let mut graph = Graph::default();
    // What the votes read is written in a form of its own.
    for (name, tensor) in state_dict(network).into_iter().filter(|(name, _)| !VOTERS.contains(&name.as_str())) {
        if tensor.kind() == Kind::Float {
            let raw =
                bytes_of(&tensor, 4).map_err(|reason| ExportError::Form { format: Format::Onnx.name(), reason })?;
            graph.constant(&name, &tensor.size(), DataType::Float, raw);
        }
    }
    let side = network.experiment().image_size as i64;
    let images = match input {
        GraphInput::Images => {
            graph.proto.input.push(value(
                RAW_IMAGES,
                DataType::Uint8,
                &[BATCH, Size::Fixed(3), HEIGHT, WIDTH],
                ABOUT_RAW_IMAGES,
            ));
            graph.prepare(network, side)
        }
        GraphInput::Normalized => {
            let shape = [BATCH, Size::Fixed(3), Size::Fixed(side), Size::Fixed(side)];
            graph.proto.input.push(value(IMAGES, DataType::Float, &shape, ABOUT_IMAGES));
            IMAGES.to_owned()
        }
    };
    let representation = network.encoder().walk(&mut graph, &images);
    match network {
        ExportedNetwork::Encoder(_) => {
            graph.node("Identity", REPRESENTATION, &[&representation], Vec::new());
            let shape = [BATCH, Size::Fixed(network.encoder().features())];
            graph.proto.output.push(value(
                REPRESENTATION,
                DataType::Float,
                &shape,
                "what the encoder makes of an image",
            ));
        }
        ExportedNetwork::Classifier(_) | ExportedNetwork::Knn(_) => {
            match network {
                ExportedNetwork::Knn(knn) => graph.votes(knn, &representation)?,
                _ => graph.node("Gemm", LOGITS, &[&representation, "fc.weight", "fc.bias"], vec![int("transB", 1)]),
            };
            graph.probabilities(export.calibration.temperature().0);
            let shape = [BATCH, Size::Fixed(network.class_names().len() as i64)];
            graph.proto.output.push(value(LOGITS, DataType::Float, &shape, "one for each class, before the softmax"));
            graph.proto.output.push(value(PROBABILITIES, DataType::Float, &shape, "as byol predict gives them"));
        }
    }
    graph.proto.name = super::facts::encoder_name(network.encoder().config());
    let entry = |(name, text): &(&str, String)| StringStringEntryProto { key: (*name).to_owned(), value: text.clone() };
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        producer_name: "byol".to_owned(),
        producer_version: crate::version(),
        doc_string: format!(
            "{} made by byol; class names and preprocessing are in the metadata",
            super::facts::kind(network)
        ),
        graph: Some(graph.proto),
        metadata_props: facts.iter().map(entry).collect(),
    };
    Ok(model.encode_to_vec())
}

const ABOUT_RAW_IMAGES: &str = "red, green, blue, 0-255, of any size: the graph crops, resizes and normalises them";
const ABOUT_IMAGES: &str = "red, green, blue, resized and normalised";
const BATCH: Size = Size::Open("batch");
const HEIGHT: Size = Size::Open("height");
const WIDTH: Size = Size::Open("width");

#[derive(Clone, Copy)]
enum Size {
    Fixed(i64),
    Open(&'static str),
}

fn value(name: &str, elements: DataType, shape: &[Size], about: &str) -> ValueInfoProto {
    let dimension = |size: &Size| match size {
        Size::Fixed(size) => DimensionProto { dim_value: Some(*size), dim_param: None },
        Size::Open(name) => DimensionProto { dim_value: None, dim_param: Some((*name).to_owned()) },
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dimension).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: elements as i32, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }), doc_string: about.to_owned() }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, AttributeType::String) }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

/// A graph that grows; a value is named by the node that makes it.
#[derive(Default)]
struct Graph {
    proto: GraphProto,
}

impl Graph {
    fn constant(&mut self, name: &str, dims: &[i64], elements: DataType, raw_data: Vec<u8>) {
        self.proto.initializer.push(TensorProto {
            dims: dims.to_vec(),
            data_type: elements as i32,
            name: name.to_owned(),
            raw_data,
        });
    }

    fn node(&mut self, operator: &str, output: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute,
        });
        output.to_owned()
    }

    /// Logarithms of the classes' shares of the votes of the nearest labelled representations.
    fn votes(&mut self, knn: &TrainedKnn, representation: &str) -> Result<String, ExportError> {
        let Bank { vectors, labels, neighbors, temperature } = &knn.bank;
        let form = |reason: String| ExportError::Form { format: Format::Onnx.name(), reason };
        let (rows, features, classes) = (vectors.size()[0], vectors.size()[1], knn.class_names.len() as i64);
        let across = vectors.to_device(Device::Cpu).transpose(0, 1).contiguous();
        self.constant("voters", &[features, rows], DataType::Float, bytes_of(&across, 4).map_err(form)?);
        let one_hot = labels.to_device(Device::Cpu).one_hot(classes).to_kind(Kind::Float).contiguous();
        self.constant("voters_classes", &[rows, classes], DataType::Float, bytes_of(&one_hot, 4).map_err(form)?);
        let number = |value: f32| value.to_le_bytes().to_vec();
        self.constant("smallest", &[1], DataType::Float, number(f32::MIN_POSITIVE));
        self.constant("votes_temperature", &[1], DataType::Float, number(*temperature as f32));
        let count = (*neighbors as i64).min(rows);
        for (name, value) in [("votes_count", count), ("votes_axis", 1), ("votes_last", 2)] {
            self.constant(name, &[1], DataType::Int64, value.to_le_bytes().to_vec());
        }
        // By the largest value first, so that no square overflows or vanishes.
        self.node("Abs", "magnitudes", &[representation], Vec::new());
        self.node("ReduceMax", "magnitude", &["magnitudes", "votes_axis"], vec![int("keepdims", 1)]);
        self.node("Max", "some_magnitude", &["magnitude", "smallest"], Vec::new());
        self.node("Div", "within_one", &[representation, "some_magnitude"], Vec::new());
        self.node("ReduceL2", "length", &["within_one", "votes_axis"], vec![int("keepdims", 1)]);
        self.node("Max", "some_length", &["length", "smallest"], Vec::new());
        self.node("Div", "direction", &["within_one", "some_length"], Vec::new());
        self.node("MatMul", "similarities", &["direction", "voters"], Vec::new());
        self.proto.node.push(NodeProto {
            input: vec!["similarities".to_owned(), "votes_count".to_owned()],
            output: vec!["nearest".to_owned(), "nearest_rows".to_owned()],
            name: "nearest".to_owned(),
            op_type: "TopK".to_owned(),
            attribute: vec![int("axis", 1), int("largest", 1), int("sorted", 1)],
        });
        self.node("Div", "nearest_scaled", &["nearest", "votes_temperature"], Vec::new());
        self.node("Softmax", "vote_weights", &["nearest_scaled"], vec![int("axis", 1)]);
        self.node("Unsqueeze", "vote_weights_column", &["vote_weights", "votes_last"], Vec::new());
        self.node("Gather", "nearest_classes", &["voters_classes", "nearest_rows"], vec![int("axis", 0)]);
        self.node("Mul", "single_votes", &["vote_weights_column", "nearest_classes"], Vec::new());
        self.node("ReduceSum", "votes", &["single_votes", "votes_axis"], vec![int("keepdims", 0)]);
        self.node("Max", "some_votes", &["votes", "smallest"], Vec::new());
        Ok(self.node("Log", LOGITS, &["some_votes"], Vec::new()))
    }

    /// Softmax of the logits divided by a temperature.
    fn probabilities(&mut self, temperature: f64) {
        let scaled = match temperature {
            1.0 => LOGITS.to_owned(),
            _ => {
                self.constant("temperature", &[1], DataType::Float, (temperature as f32).to_le_bytes().to_vec());
                self.node("Div", "scaled_logits", &[LOGITS, "temperature"], Vec::new())
            }
        };
        self.node("Softmax", PROBABILITIES, &[&scaled], vec![int("axis", 1)]);
    }

    /// Images of any size to what the network reads, as [`ViewParams::inner`](crate::augment::view::ViewParams::inner)
    /// has it: the centre square or its inner part, resized by a smoothing cubic.
    fn prepare(&mut self, network: &ExportedNetwork, side: i64) -> String {
        let mut numbers = |name: &str, values: &[i64]| {
            let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.constant(name, &[values.len() as i64], DataType::Int64, raw);
        };
        numbers("size", &[side, side]);
        numbers("two", &[2]);
        numbers("axes", &[2, 3]);
        self.node("Shape", "given", &[RAW_IMAGES], vec![int("start", 2), int("end", 4)]);
        self.node("ReduceMin", "shorter", &["given"], vec![int("keepdims", 1)]);
        let edge = self.edge(network.experiment().evaluation_crop);
        self.node("Sub", "excess", &["given", edge], Vec::new());
        self.node("Div", "begin", &["excess", "two"], Vec::new());
        self.node("Add", "end", &["begin", edge], Vec::new());
        self.node("Slice", "square", &[RAW_IMAGES, "begin", "end", "axes"], Vec::new());
        let cubic = vec![
            int("antialias", 1),
            ints("axes", &[2, 3]),
            text("coordinate_transformation_mode", "half_pixel"),
            float("cubic_coeff_a", CUBIC),
            int("exclude_outside", 1),
            text("mode", "cubic"),
        ];
        // Region of interest and scales are left out.
        self.node("Resize", "resized", &["square", "", "", "size"], cubic);
        self.node("Cast", "levels", &["resized"], vec![int("to", i64::from(DataType::Float as i32))]);
        let [red, green, blue, offset @ ..] = network.experiment().normalization().factors();
        for (name, values) in [("factor", [red, green, blue]), ("offset", offset)] {
            let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.constant(name, &[1, 3, 1, 1], DataType::Float, raw);
        }
        self.node("Mul", "scaled", &["levels", "factor"], Vec::new());
        self.node("Add", IMAGES, &["scaled", "offset"], Vec::new())
    }
}

impl Graph {
    /// The name of the square's side, made of the image's `shorter` one.
    fn edge(&mut self, share: f64) -> &'static str {
        if share == 1.0 {
            return "shorter";
        }
        for (name, value) in [("evaluation_crop", share), ("half", 0.5)] {
            self.constant(name, &[1], DataType::Double, value.to_le_bytes().to_vec());
        }
        let to = |elements: DataType| vec![int("to", i64::from(elements as i32))];
        self.node("Cast", "shorter_real", &["shorter"], to(DataType::Double));
        self.node("Mul", "inner", &["shorter_real", "evaluation_crop"], Vec::new());
        self.node("Add", "inner_and_half", &["inner", "half"], Vec::new());
        self.node("Cast", "edge", &["inner_and_half"], to(DataType::Int64));
        "edge"
    }
}

impl Operations for Graph {
    type Value = String;

    fn convolution(&mut self, layer: &Convolution, input: &String) -> String {
        let name = layer.name();
        self.node("Conv", &format!("{name}.output"), &[input, &format!("{name}.weight")], attributes(layer.window()))
    }

    fn norm(&mut self, layer: &BatchNorm, input: &String) -> String {
        let name = layer.name();
        let [weight, bias, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part}"));
        let inputs = [input.as_str(), &weight, &bias, &mean, &variance];
        let epsilon = vec![float("epsilon", NORM_EPSILON as f32)];
        let output = self.node("BatchNormalization", &format!("{name}.output"), &inputs, epsilon);
        // Behind the convolution that it belongs to, wherever the walk has come to by now.
        let convolution = self.proto.node.iter().rposition(|node| node.output.contains(input));
        self.proto.node[convolution.map_or(0, |place| place + 1)..].rotate_right(1);
        output
    }

    fn norm_relu(&mut self, layer: &BatchNorm, input: &String, relu: Arguments) -> String {
        let normed = self.norm(layer, input);
        self.node("Relu", &relu.to_string(), &[&normed], Vec::new())
    }

    fn norm_relu_pool(&mut self, layer: &BatchNorm, input: &String, [relu, pool]: [Arguments; 2]) -> String {
        let first = self.norm_relu(layer, input, relu);
        self.node("MaxPool", &pool.to_string(), &[&first], attributes(POOL))
    }

    fn norm_add_relu(
        &mut self,
        layer: &BatchNorm,
        [input, added]: [&String; 2],
        [add, relu]: [Arguments; 2],
    ) -> [String; 2] {
        let normed = self.norm(layer, input);
        let sum = self.node("Add", &add.to_string(), &[&normed, added], Vec::new());
        let output = self.node("Relu", &relu.to_string(), &[&sum], Vec::new());
        self.fork(output)
    }

    fn fork(&mut self, value: String) -> [String; 2] {
        [value.clone(), value]
    }

    fn average(&mut self, input: &String, name: Arguments) -> String {
        let mean = self.node("GlobalAveragePool", &name.to_string(), &[input], Vec::new());
        self.node("Flatten", "flatten", &[&mean], vec![int("axis", 1)])
    }
}

fn attributes(window: SquareWindow) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", &[window.side; 2]),
        ints("pads", &[window.padding(); 4]),
        ints("strides", &[window.stride; 2]),
    ]
}
