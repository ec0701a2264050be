"""Loads what `byol export` wrote in PyTorch, torchvision and ONNX Runtime, and compares with what byol computes.

    python check.py CASES.json

`crates/byol-cli/tests/exports.rs` writes the cases and runs this in the environment that `make python` makes.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

TOLERANCE = 1e-4
# Programs round differently when they resize, so that levels may differ by one; this much of the largest answer.
RESIZING_TOLERANCE = 4e-2


def main():
    for case in json.loads(Path(sys.argv[1]).read_text()):
        try:
            check(case)
        except Exception as failure:
            raise SystemExit(f"{case['name']}: {type(failure).__name__}: {failure}") from failure
        print(f"{case['name']}: fine")


def check(case):
    expected = load_file(case["expected"])
    weights = load_file(case["safetensors"])
    for name, tensor in weights.items():
        wanted = torch.int64 if name.endswith(("num_batches_tracked", "labels")) else torch.float32
        assert tensor.dtype == wanted and tensor.is_contiguous(), name
        assert not name.endswith("num_batches_tracked") or tensor.item() == case["batches"], (name, tensor)
    with safe_open(case["safetensors"], "pt") as file:
        check_facts(file.metadata(), case)

    networks = [module(case["python"]).load()]
    if case["torchvision"]:
        network = getattr(torchvision.models, case["torchvision"])(num_classes=case["outputs"])
        if case["kind"] == "encoder":
            network.fc = torch.nn.Identity()
        network.load_state_dict(weights, strict=True)
        networks.append(network.eval())

    model = onnx.load(case["onnx"])
    onnx.checker.check_model(model, full_check=True)
    assert {opset.version for opset in model.opset_import} == {18}
    graph = session(case["onnx"])
    check_facts(graph.get_modelmeta().custom_metadata_map, case)
    normalized = session(case["onnx_normalized"])

    mean, std = (torch.tensor(case[name]).view(3, 1, 1) for name in ("mean", "std"))
    for batch in case["batches_of"]:
        levels, answer = expected[f"levels{batch}"], expected[f"answer{batch}"].numpy()
        assert len(answer) == batch and np.abs(answer).max() > 1e-2
        images, tolerance = (levels / 255 - mean) / std, TOLERANCE
        if case["evaluation_crop"] != 1:  # images of the network's own size are resized too
            preprocess = module(case["python"]).preprocess
            images, tolerance = torch.stack([preprocess(picture(image)) for image in levels]), RESIZING_TOLERANCE
        for network in networks:
            close(network(images).detach().numpy(), answer, f"PyTorch, batch {batch}", tolerance)
        first, *rest = graph.run(None, {"pictures": levels.numpy()})
        close(first, answer, f"ONNX Runtime, batch {batch}", tolerance)
        found = normalized.run(None, {"images": images.numpy()})[0]
        close(found, answer, f"ONNX Runtime, normalised, batch {batch}", tolerance)
        if case["kind"] == "classifier":
            temperature = float(graph.get_modelmeta().custom_metadata_map.get("temperature", 1))
            wanted = (torch.tensor(answer) / temperature).softmax(1).numpy()
            close(rest[0], wanted, f"probabilities, batch {batch}", tolerance)
        else:
            assert not rest
    for name in [name for name in expected if name.startswith("odd_levels")]:
        levels, answer = expected[name], expected[name.replace("levels", "answer")].numpy()
        image = picture(levels[0])
        tolerance = RESIZING_TOLERANCE
        images = module(case["python"]).preprocess(image)[None]
        close(networks[0](images).detach().numpy(), answer, f"PyTorch, {image.size}", tolerance)
        close(graph.run(None, {"pictures": levels.numpy()})[0], answer, f"ONNX, {image.size}", tolerance)


def picture(levels):
    return Image.fromarray(levels.permute(1, 2, 0).numpy())


def check_facts(facts, case):
    assert facts["kind"] == case["kind"], facts
    assert json.loads(facts["class_names"]) == case["class_names"], facts
    assert int(facts["image_size"]) == case["image_size"], facts
    assert float(facts.get("evaluation_crop", 1)) == case["evaluation_crop"], facts
    assert json.loads(facts["mean"]) == case["mean"] and json.loads(facts["std"]) == case["std"], facts
    assert ("test_accuracy" in facts) == (case["kind"] == "classifier"), facts


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def module(path):
    specification = importlib.util.spec_from_file_location("exported", path)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


def close(found, wanted, what, tolerance=TOLERANCE):
    assert found.shape == wanted.shape, (what, found.shape, wanted.shape)
    # Rounding grows with the answers.
    distance = np.abs(found - wanted).max() / max(1, np.abs(wanted).max())
    assert distance <= tolerance, f"{what}: differs by {distance}"


if __name__ == "__main__":
    with torch.inference_mode():
        main()
