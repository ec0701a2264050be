"""Writes JPEG files of the size and content of ordinary photographs: 500x375, quality 90, mosaics of STL-10's images.

    python jpegs.py DATA FOLDER COUNT

An image of 96 px that is enlarged has no detail, and its file decodes faster than a photograph's. A mosaic of images at
their own size has a photograph's detail everywhere. The same arguments give the same files.
"""

import pathlib
import sys

import numpy as np
from PIL import Image

from images import SIDE, Images

WIDTH, HEIGHT, QUALITY = 500, 375, 90


def mosaic(images, random):
    """uint8 [375, 500, 3]"""
    columns, rows = -(-WIDTH // SIDE), -(-HEIGHT // SIDE)
    chosen = random.integers(len(images), size=(rows, columns))
    tiles = [[images[int(index)].numpy().transpose(1, 2, 0) for index in row] for row in chosen]
    whole = np.concatenate([np.concatenate(row, axis=1) for row in tiles])
    top, left = random.integers(whole.shape[0] - HEIGHT + 1), random.integers(whole.shape[1] - WIDTH + 1)
    return whole[top : top + HEIGHT, left : left + WIDTH]


def main(data, folder, count):
    images, folder = Images(data, "train"), pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(int(count)):
        path = folder / f"{number // 1000:02}" / f"{number:05}.jpg"
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            image = mosaic(images, np.random.default_rng(number))
            Image.fromarray(np.ascontiguousarray(image)).save(path, quality=QUALITY)
        size += path.stat().st_size
    print(f"{count} JPEG files in {folder}, {size / int(count) / 1000:.0f} kB each", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
