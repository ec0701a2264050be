"""Representations of a folder of images as PyTorch's users compute them: a DataLoader whose workers decode with Pillow and
prepare with torchvision's transforms, and torchvision's ResNet without its last layer.

    python embed_torch.py FOLDER [--encoder resnet18] [--image-size 96] [--precision fp32|bf16] [--out FILE.npy]

The network's weights do not change its speed, so they are random ones.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from images import DEVIATION, EXTENSIONS, MEAN


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=2, help="of the loader")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--draft", action="store_true", help="let Pillow decode at half the size where that is enough")
    parser.add_argument("--out", help="write the representations there")
    return parser.parse_args()


class Files(torch.utils.data.Dataset):
    def __init__(self, folder, side, draft):
        self.paths = sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in EXTENSIONS)
        self.side, self.draft = side, draft
        self.transform = v2.Compose(
            [
                v2.Resize(side, InterpolationMode.BICUBIC),
                v2.CenterCrop(side),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index])
        if self.draft:
            image.draft("RGB", (self.side, self.side))
        return self.transform(image.convert("RGB"))


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    files = Files(options.folder, options.image_size, options.draft)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    network = getattr(torchvision.models, options.encoder)()
    network.fc = torch.nn.Identity()
    network = network.eval().to(memory_format=layout)
    represent = torch.compile(network) if options.compile else network
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16")
    loader = torch.utils.data.DataLoader(files, batch_size=options.batch_size, num_workers=options.workers)

    begun, forward, rows = time.perf_counter(), 0.0, []
    with torch.inference_mode(), autocast:
        for batch in loader:
            before = time.perf_counter()
            rows.append(represent(batch.contiguous(memory_format=layout)).float())
            forward += time.perf_counter() - before
    rows = torch.cat(rows).numpy()
    if options.out:
        np.save(options.out, rows)
    seconds = time.perf_counter() - begun
    print(json.dumps({
        "program": "embed_torch",
        "images_per_second": round(len(files) / seconds, 2),
        "seconds": round(seconds, 3),
        "breakdown": {
            "forward_ms": round(1000 * forward / len(files), 3),
            "waiting_ms": round(1000 * (seconds - forward) / len(files), 3),
        },
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name not in ("folder", "out")},
    }))


if __name__ == "__main__":
    sys.exit(main())
