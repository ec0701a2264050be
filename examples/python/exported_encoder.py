# %% [markdown]
# An encoder that byol pre-trained, in PyTorch and in ONNX Runtime: representations of a folder of images by both, the
# images most like one, and a classifier on the representations of a few labelled images.
#
#     byol export --from runs/mine --out encoder.onnx --encoder-only
#     byol export --from runs/mine --out encoder.safetensors --encoder-only
#     python exported_encoder.py encoder photos
#
# `photos` has a folder for each class. Needs torch, torchvision, safetensors, onnxruntime and pillow, and pillow-heif
# for HEIC. Editors that know
# `# %%` cells (VS Code, Spyder, Jupyter with jupytext) open this file as a notebook.

# %%
import importlib.util
import json
import random
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from torchvision.models import resnet
from torchvision.transforms.v2 import InterpolationMode, functional

try:  # pip install pillow-heif, for HEIC
    import pillow_heif

    pillow_heif.register_heif_opener()
except ImportError:
    pass

if len(sys.argv) != 3:
    sys.exit("usage: python exported_encoder.py ENCODER FOLDER; ENCODER.onnx and ENCODER.safetensors are what byol export wrote")
weights, graph = (Path(f"{sys.argv[1]}.{kind}") for kind in ("safetensors", "onnx"))
if missing := [str(path) for path in (weights, graph) if not path.is_file()]:
    sys.exit(f"{' and '.join(missing)} not found; byol export --encoder-only writes them")
files = sorted(path for path in Path(sys.argv[2]).glob("*/*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".heic"})
if len({path.parent for path in files}) < 2:
    sys.exit(f"{sys.argv[2]} has no two folders with images; give a folder with a folder for each class")
names = sorted({path.parent.name for path in files})
labels = torch.tensor([names.index(path.parent.name) for path in files])

# %% [markdown]
# ## In PyTorch
#
# An ImageNet ResNet of full width loads strictly into torchvision's. For others byol wrote a module beside the weights that
# builds the network.

# %%
with safe_open(weights, "pt") as file:
    facts, state = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}
side, mean, std = (json.loads(facts[key]) for key in ("image_size", "mean", "std"))
share = float(facts.get("evaluation_crop", 1))  # of the centre square, what the network saw in evaluations

if (facts["stem"], float(facts["width"])) == ("imagenet", 1.0):
    network = getattr(resnet, facts["encoder"])()
    network.fc = torch.nn.Identity()
else:
    found = importlib.util.spec_from_file_location("network", weights.with_suffix(".py"))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    network = module.build()
network.load_state_dict(state, strict=True)
network.eval()


def upright(image):
    """As it is meant to be looked at: turned, 16 bits scaled to 8, transparent pixels laid over white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(((np.asarray(image).clip(0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        image = Image.fromarray((np.asarray(image).clip(0, 1) * 255 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def prepared(path):
    """The centre square, or the inner share of it, resized and normalised, as byol evaluates."""
    levels = functional.pil_to_tensor(upright(Image.open(path)))
    height, width = levels.shape[1:]
    edge = int(min(height, width) * share + 0.5)
    square = functional.crop(levels, (height - edge) // 2, (width - edge) // 2, edge, edge)
    small = functional.resize(square, [side, side], InterpolationMode.BICUBIC, antialias=True)
    return functional.normalize(small.float() / 255, mean, std)


with torch.inference_mode():
    represented = torch.cat([network(prepared(path)[None]) for path in files])
print(f"PyTorch: {len(files)} images of {len(names)} classes, {represented.shape[1]} values each")

# %% [markdown]
# ## In ONNX Runtime
#
# The graph takes images as they are: cropping, resizing and normalising are in it.

# %%
session = onnxruntime.InferenceSession(graph)


def levels(path):
    return np.asarray(upright(Image.open(path))).transpose(2, 0, 1)[None]


rows = np.concatenate([session.run(["representation"], {"pictures": levels(path)})[0] for path in files])
far = np.abs(rows - represented.numpy()).max() / np.abs(rows).max()
print(f"ONNX Runtime: the same within {far:.1e} of the largest value")

# %% [markdown]
# ## The images most like the first

# %%
unit = torch.nn.functional.normalize(represented)
similar = unit @ unit[0]
for place in similar.argsort(descending=True)[1:4]:
    print(f"like {files[0].parent.name}/{files[0].name}: {files[place].parent.name}/{files[place].name} ({similar[place]:.3f})")

# %% [markdown]
# ## A classifier on the representations
#
# Logistic regression on half of the images, judged on the others. The network itself learns nothing here.

# %%
order = list(range(len(files)))
random.Random(0).shuffle(order)
train, test = order[::2], order[1::2]
spread = represented[train].std(0) + 1e-6
scaled = (represented - represented[train].mean(0)) / spread
layer = torch.nn.Linear(scaled.shape[1], len(names))
solver = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")


def loss():
    solver.zero_grad()
    value = torch.nn.functional.cross_entropy(layer(scaled[train]), labels[train]) + 0.01 * layer.weight.square().sum()
    value.backward()
    return value


solver.step(loss)
accuracy = (layer(scaled[test]).argmax(1) == labels[test]).float().mean()
print(f"logistic regression on {len(train)} images: {100 * accuracy:.1f} % of the other {len(test)} right")
