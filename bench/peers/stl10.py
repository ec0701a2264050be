"""STL-10's binary files for the programs in this folder: memory-mapped pictures and labels, and the usual statistics."""

import pathlib

import numpy as np
import torch

SIDE = 96
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def folder(data):
    """`data` itself or the `stl10_binary` in it."""
    data = pathlib.Path(data)
    for candidate in (data, data / "stl10_binary"):
        if (candidate / "train_X.bin").is_file():
            return candidate
    raise SystemExit(f"{data}: no train_X.bin in it, nor in its stl10_binary")


class Pictures:
    """A split's pictures as uint8 tensors [3, 96, 96]; the file holds each channel column by column."""

    def __init__(self, data, split="train"):
        self.path = folder(data) / f"{split}_X.bin"
        self.count = self.path.stat().st_size // (3 * SIDE * SIDE)
        self.file = None

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.file is None:  # opened by each worker for itself
            self.file = np.memmap(self.path, np.uint8, "r", shape=(self.count, 3, SIDE, SIDE))
        return torch.from_numpy(self.file[index].transpose(0, 2, 1).copy())


def split(data, name):
    """All pictures of a split, uint8 [n, 3, 96, 96], and their labels from 0, int64 [n]."""
    pictures = np.fromfile(folder(data) / f"{name}_X.bin", np.uint8).reshape(-1, 3, SIDE, SIDE)
    labels = np.fromfile(folder(data) / f"{name}_y.bin", np.uint8).astype(np.int64) - 1
    if len(pictures) != len(labels):
        raise SystemExit(f"{name}: {len(pictures)} pictures but {len(labels)} labels")
    return torch.from_numpy(pictures.transpose(0, 1, 3, 2).copy()), torch.from_numpy(labels)


class Normalize:
    """uint8 pictures in a batch to float32, by ImageNet's mean and deviation."""

    def __init__(self):
        deviation = torch.tensor(DEVIATION).reshape(1, 3, 1, 1)
        self.factor = 1 / (255 * deviation)
        self.shift = -torch.tensor(MEAN).reshape(1, 3, 1, 1) / deviation

    def __call__(self, batch):
        return torch.addcmul(self.shift, batch.float(), self.factor)
