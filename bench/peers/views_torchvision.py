"""Milliseconds per view of torchvision's v2 transforms on uint8 tensors: what `byol bench augment` is measured against.

    python views_torchvision.py --data DIR

t and t' at 96 and 224 px on one thread, of images that lie decoded in memory. The last line is one JSON object.
"""

import argparse
import json
import time

import torch

from images import Images
from views import paper


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with STL-10's train_X.bin, or with image files")
    parser.add_argument("--views", type=int, default=500, help="views per recipe and size")
    parser.add_argument("--image-size", type=int, nargs="+", default=[96, 224])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    file = Images(options.data)
    images = [file[index] for index in range(min(len(file), options.views))]

    milliseconds = {}
    for side in options.image_size:
        for name, transform in zip(("t", "t_prime"), paper(side), strict=True):
            for image in images[:20]:
                transform(image)
            begun = time.perf_counter()
            for index in range(options.views):
                transform(images[index % len(images)])
            milliseconds[f"{name}_{side}"] = round(1000 * (time.perf_counter() - begun) / options.views, 4)

    # Of the first size, as `byol bench augment` counts: an image is one view of each recipe.
    first = options.image_size[0]
    pair = milliseconds[f"t_{first}"] + milliseconds[f"t_prime_{first}"]
    print(json.dumps({
        "program": "views_torchvision",
        "images_per_second": round(1000 / pair, 1),
        "ms_per_view": milliseconds,
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
