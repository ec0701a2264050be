//! The lines of Python that build a residual network from torchvision's parts.

use super::python::PythonParts;
use crate::config::StemKind;
use crate::model::layers::SquareWindow;
use crate::model::resnet::{BlockKind, ResNet, ResNetConfig, ResNetDepth};

/// The function of torchvision's that builds the network; nothing where it has none of that form.
pub(super) fn torchvision_name(resnet: &ResNet) -> Option<&'static str> {
    let ResNetConfig { depth, stem, width, .. } = resnet.config();
    if stem != StemKind::Imagenet || width != 1.0 {
        return None;
    }
    match depth {
        ResNetDepth::Ten => None,
        ResNetDepth::Eighteen => Some("resnet18"),
        ResNetDepth::ThirtyFour => Some("resnet34"),
        ResNetDepth::Fifty => Some("resnet50"),
    }
}

pub(super) fn parts(resnet: &ResNet) -> PythonParts {
    let block = match resnet.config().depth.block() {
        BlockKind::Basic => "BasicBlock",
        BlockKind::Bottleneck => "Bottleneck",
    };
    let (stem, stages) = (resnet.stem(), resnet.stages());
    let depths: Vec<usize> = stages.iter().map(|stage| stage.blocks.len()).collect();
    let ([inputs, channels], window) = (stem.convolution.channels(), stem.convolution.window());
    let SquareWindow { side, stride } = window;
    let mut lines = vec![
        format!("block = resnet.{block}"),
        format!("network = resnet.ResNet(block, {depths:?})"),
        format!("network.inplanes = {channels}"),
        format!(
            "network.conv1 = nn.Conv2d({inputs}, {channels}, {side}, stride={stride}, padding={}, bias=False)",
            window.padding()
        ),
        format!("network.bn1 = nn.BatchNorm2d({channels})"),
    ];
    if !stem.pools {
        lines.push("network.maxpool = nn.Identity()".to_owned());
    }
    for (number, stage) in (1..).zip(stages) {
        let (channels, depth, stride) = (stage.channels, stage.blocks.len(), stage.stride);
        lines.push(format!("network.layer{number} = network._make_layer(block, {channels}, {depth}, stride={stride})"));
    }
    PythonParts { import: "from torchvision.models import resnet", lines }
}
