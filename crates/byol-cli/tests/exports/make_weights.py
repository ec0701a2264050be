"""Weights of torchvision's ResNet-18 in the forms that people have them in, for the tests of `--weights`.

    python make_weights.py FOLDER
"""

import sys
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=1000)
    # One step of training, so that the running statistics are not those of an untrained network.
    network(torch.randn(4, 3, 64, 64))
    state = network.state_dict()
    save_file({name: tensor.clone() for name, tensor in state.items()}, folder / "plain.safetensors")
    torch.save(state, folder / "archive.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    wrapped = OrderedDict((f"module.encoder.{name}", tensor) for name, tensor in state.items())
    torch.save({"epoch": 1, "state_dict": wrapped}, folder / "wrapped.pt")
    children = torch.nn.Sequential(*list(network.children())[:-1])
    backbone = {f"backbone.{name}": tensor for name, tensor in children.state_dict().items()}
    # What training programs keep beside the weights.
    beside = {"rng": torch.get_rng_state(), "classes": {"a", "b"}, "size": torch.Size([3, 64, 64])}
    torch.save({"state_dict": backbone, "args": Namespace(lr=0.1), **beside}, folder / "lightly.ckpt")
    torch.save(network, folder / "module.pth")
    network.eval()
    torch.jit.trace(network, torch.randn(1, 3, 64, 64)).save(folder / "script.pt")


if __name__ == "__main__":
    main()
