"""How many changed copies of STL-10's images count as near copies, and which different images do (docs/data.md).

    python bench/near_copies.py STL10_FOLDER

needs NumPy and Pillow. The miniatures and their bounds are those of crates/byol/src/data/look.rs.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS, ROWS, FINE = 9, 8, 16
MOST_STEPS, MOST_LEVELS, MOST_FINE, LEAST_CONTRAST = 8, 6, 16, 16


def shares(length, parts):
    """How much of each pixel of a side lies in each part."""
    matrix = np.zeros((parts, length))
    for pixel in range(length):
        start, end = pixel * parts, (pixel + 1) * parts
        for part in range(start // length, -(-end // length)):
            matrix[part, pixel] = min(end, (part + 1) * length) - max(start, part * length)
    return matrix / length


def miniature(image, columns, rows):
    brightness = (77.0 * image[..., 0] + 150.0 * image[..., 1] + 29.0 * image[..., 2]) / 256
    return np.floor(shares(image.shape[0], rows) @ brightness @ shares(image.shape[1], columns).T + 1e-9)


def look(image):
    small = miniature(image, COLUMNS, ROWS)
    return small, small[:, :-1] > small[:, 1:], miniature(image, FINE, FINE)


def alike(one, other):
    steps = (one[1] != other[1]).sum()
    levels = np.abs(one[0] - other[0]).mean()
    difference = one[2] - other[2]
    fine = np.abs(difference - difference.mean()).max()
    contrast = min(np.ptp(one[0]), np.ptp(other[0]))
    return steps <= MOST_STEPS and levels <= MOST_LEVELS and fine <= MOST_FINE and contrast >= LEAST_CONTRAST


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.array(Image.open(file))


def scaled(image, factor, how):
    image = Image.fromarray(image)
    return np.array(image.resize((round(image.width * factor), round(image.height * factor)), how))


def shifted(image, change):
    return np.clip(change(image.astype(float)), 0, 255).astype(np.uint8)


CHANGES = {
    "JPEG, quality 95": lambda image: jpeg(image, 95),
    "JPEG, quality 75": lambda image: jpeg(image, 75),
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "scaled by 0.5, Lanczos": lambda image: scaled(image, 0.5, Image.LANCZOS),
    "scaled by 1.37, Lanczos, JPEG, quality 80": lambda image: jpeg(scaled(image, 1.37, Image.LANCZOS), 80),
    "scaled by 2, bicubic": lambda image: scaled(image, 2, Image.BICUBIC),
    "scaled by 0.5, nearest": lambda image: scaled(image, 0.5, Image.NEAREST),
    "scaled by 0.33, bilinear, JPEG, quality 75": lambda image: jpeg(scaled(image, 0.33, Image.BILINEAR), 75),
    "3 levels brighter": lambda image: shifted(image, lambda level: level + 3),
    "contrast 1.05": lambda image: shifted(image, lambda level: (level - 128) * 1.05 + 128),
    "one pixel cut off at every side": lambda image: image[1:-1, 1:-1],
    "without colours": lambda image: np.array(Image.fromarray(image).convert("L").convert("RGB")),
}


def stl10(path):
    return np.fromfile(path, np.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)


def camera(random, background, side):
    """Frames of a camera that stands still, before which a bright square moves."""
    frames = []
    for _ in range(100):
        frame = background + random.normal(0, 2, background.shape)
        left, top = random.integers(0, 256 - side, 2)
        frame[top : top + side, left : left + side] += 80
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


def slides(random, cells):
    """Dark cells on a bright slide."""
    y, x = np.mgrid[0:128, 0:128]
    frames = []
    for _ in range(100):
        frame = 200.0 - 20 * ((x - 64) ** 2 + (y - 64) ** 2) / 64**2
        for _ in range(cells):
            left, top = random.integers(0, 128, 2)
            frame -= 80 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / 50)
        frame = frame[..., None] + random.normal(0, 3, (128, 128, 3))
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


def pairs(images):
    looks = [look(image) for image in images]
    return sum(alike(one, other) for place, one in enumerate(looks) for other in looks[:place])


def main():
    folder = Path(sys.argv[1])
    random = np.random.default_rng(0)
    images = stl10(folder / "train_X.bin")
    chosen = images[random.choice(len(images), 300, replace=False)]
    for name, change in CHANGES.items():
        found = sum(alike(look(image), look(np.ascontiguousarray(change(image)))) for image in chosen)
        print(f"{name:44} {100 * found / len(chosen):5.1f} % are found")
    background = np.array(Image.fromarray(images[7]).resize((256, 256), Image.BICUBIC)).astype(float)
    for side in (8, 16, 32):
        found = pairs(camera(random, background, side))
        print(f"camera, a square of {side} of 256 pixels moves: {found} of 4950 pairs count as near copies")
    for cells in (1, 3, 10):
        print(f"slides with {cells} cells: {pairs(slides(random, cells))} of 4950 pairs")


if __name__ == "__main__":
    main()
