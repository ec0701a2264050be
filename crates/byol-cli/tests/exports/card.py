"""Runs the Python lines of model cards, and of the modules beside safetensors files, on images that programs read differently.

    python card.py FOLDER

FOLDER holds `model.onnx`, `normalized.onnx` and `model.safetensors` with what goes beside them. Without them, the images are
made in FOLDER/images; with them, the probabilities are printed, one JSON object a line.
"""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image


def make(folder):
    """A transparent upper half, a palette with transparency, gray of 16 bits, a turned photograph, gray with alpha."""
    folder.mkdir()
    x, y = np.meshgrid(np.linspace(0, 9, 120), np.linspace(0, 7, 90))
    waves = [127.5 + 120 * np.sin(a * x + b * y) for a, b in ((1, 2), (2, 0.5), (0.3, 1.7))]
    levels = np.stack(waves, 2).astype(np.uint8)
    alpha = np.where(y < 3.5, 0, np.where(x < 4, 128, 255)).astype(np.uint8)
    Image.fromarray(np.dstack([levels, alpha])).save(folder / "transparent.png")
    Image.fromarray(np.dstack([levels[..., 1], alpha])).save(folder / "gray-alpha.png")
    palette = Image.fromarray(levels).quantize(16)
    palette.save(folder / "palette.png", transparency=bytes([0, 40, 90, 255, 0] + [255] * 11))
    Image.fromarray((waves[0] / 255 * 65535).astype(np.uint16)).save(folder / "sixteen.png")
    Image.fromarray((waves[1] / 255 * 65535).astype(np.uint16)).save(folder / "sixteen.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(levels).save(folder / "turned.jpg", exif=exif, quality=95)


def lines_of(card):
    """The last block of Python."""
    return re.findall(r"```python\n(.*?)```", Path(card).read_text(), re.S)[-1]


def answer(card, image):
    scope = {}
    exec(lines_of(card).replace("image.jpg", str(image)), scope)
    return scope["values"][0].tolist()


def main(folder):
    os.chdir(folder)
    if not Path("model.onnx").exists():
        return make(Path("pictures"))
    specification = importlib.util.spec_from_file_location("exported", "model.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    network = module.load()
    facts = onnxruntime.InferenceSession("model.onnx").get_modelmeta().custom_metadata_map
    for image in sorted(Path("pictures").iterdir()):
        sys.stdout = sys.stderr
        graph, normalized = answer("model.onnx.md", image), answer("normalized.onnx.md", image)
        with torch.inference_mode():
            logits = network(module.preprocess(Image.open(image))[None]) / float(facts.get("temperature", 1))
        sys.stdout = sys.__stdout__
        answers = {"graph": graph, "normalized": normalized, "torch": logits.softmax(1)[0].tolist()}
        print(json.dumps({"name": image.name, "classes": module.CLASS_NAMES, **answers}))


if __name__ == "__main__":
    main(sys.argv[1])
