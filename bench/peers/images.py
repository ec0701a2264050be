"""The images that the programs in this folder train on: STL-10's binary files, or a folder of image files.

    python images.py FOLDER DIR    writes a folder of image files as STL-10's binary files, 96 px, for programs that read those
"""

import concurrent.futures
import pathlib
import sys

import numpy as np
import torch
from PIL import Image

SIDE = 96
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp"}


def binary_folder(data):
    """`data` itself or the `stl10_binary` in it, if one has STL-10's files."""
    data = pathlib.Path(data)
    return next((folder for folder in (data, data / "stl10_binary") if (folder / "train_X.bin").is_file()), None)


def files(data, split):
    """A split's image files: those in `data`/`split`, or in all of `data` if it is not divided into splits."""
    data = pathlib.Path(data)
    if (data / "train").is_dir():
        data = data / split
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise SystemExit(f"{data}: neither STL-10's train_X.bin nor image files")
    return found


def decode(path):
    """uint8 [3, height, width]"""
    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)


def decode_square(path):
    """The middle of an image, uint8 [3, 96, 96]"""
    image = Image.open(path).convert("RGB")
    if image.size != (SIDE, SIDE):
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (left, top, left + edge, top + edge))
    return np.asarray(image).transpose(2, 0, 1)


def decode_all(paths, how=decode):
    with concurrent.futures.ThreadPoolExecutor() as threads:
        decoded = list(threads.map(how, paths))
    sizes = {image.shape for image in decoded}
    if len(sizes) > 1:
        raise SystemExit(f"the images beside {paths[0]} have {len(sizes)} different sizes; all must have one")
    return np.stack(decoded)


class Images:
    """A split's images as uint8 tensors [3, height, width]: STL-10's file mapped, or image files decoded once.

    A `count` cuts the images off, or repeats them, to so many.
    """

    def __init__(self, data, split="train", count=None):
        folder = binary_folder(data)
        self.path = folder / f"{split}_X.bin" if folder else None
        self.array = None if folder else decode_all(files(data, split))
        self.there = self.path.stat().st_size // (3 * SIDE * SIDE) if folder else len(self.array)
        self.count = count or self.there

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.array is None:  # mapped by each worker for itself; the file holds each channel column by column
            shape = (self.there, 3, SIDE, SIDE)
            self.array = np.memmap(self.path, np.uint8, "r", shape=shape).transpose(0, 1, 3, 2)
        return torch.from_numpy(self.array[index % self.there].copy())

    def on(self, device):
        """All of them, uint8 [n, 3, height, width]."""
        there = torch.stack([self[index] for index in range(min(self.there, self.count))]).to(device)
        return there[torch.arange(self.count, device=device) % len(there)] if self.count > len(there) else there


def labels(data, split):
    """A split's labels from 0, int64 [n]: STL-10's file, or the names of the folders that image files lie in."""
    folder = binary_folder(data)
    if folder:
        return torch.from_numpy(np.fromfile(folder / f"{split}_y.bin", np.uint8).astype(np.int64) - 1)
    classes = [path.parent for path in files(data, split)]
    numbers = {name: number for number, name in enumerate(sorted(set(classes)))}
    return torch.tensor([numbers[name] for name in classes])


def split(data, name, count=None):
    """All images of a split, uint8 [n, 3, height, width], and their labels."""
    images, truth = Images(data, name, count).on("cpu"), labels(data, name)[:count]
    if len(images) != len(truth):
        raise SystemExit(f"{name}: {len(images)} images but {len(truth)} labels")
    return images, truth


class Normalize:
    """uint8 images in a batch, or floats from 0 to 1, to float32 by ImageNet's mean and deviation."""

    def __init__(self, device="cpu", largest=255):
        deviation = torch.tensor(DEVIATION, device=device).reshape(1, 3, 1, 1)
        self.factor = 1 / (largest * deviation)
        self.shift = -torch.tensor(MEAN, device=device).reshape(1, 3, 1, 1) / deviation

    def __call__(self, batch):
        return torch.addcmul(self.shift, batch.float(), self.factor)


def write_binary(data, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test") if (pathlib.Path(data) / "test").is_dir() else ("train",):
        paths = files(data, name)
        decode_all(paths, decode_square).transpose(0, 1, 3, 2).tofile(folder / f"{name}_X.bin")
        (labels(data, name) % 10 + 1).numpy().astype(np.uint8).tofile(folder / f"{name}_y.bin")
        print(f"{folder / name}_X.bin: {len(paths)} images")


if __name__ == "__main__":
    write_binary(*sys.argv[1:])
