"""BYOL pre-training in PyTorch, set as well as we know how: what `byol bench pretrain` is measured against.

    python pretrain_torch.py --data STL10 --precision bf16

ResNet-18 with heads 4096-256, the paper's views of STL-10 pictures made by torchvision v2 in DataLoader workers and
normalised in whole batches, bf16 autocast, channels-last, a fused optimiser, and a moving average over lists of tensors.
The last line is one JSON object; an image is two views.
"""

import argparse
import copy
import json
import math
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from stl10 import Normalize, Pictures
from views import paper

BASE_TAU = 0.99


class Pairs(torch.utils.data.Dataset):
    """Two views of the same picture, uint8 [3, side, side] each."""

    def __init__(self, pictures, side):
        self.pictures, self.transforms = pictures, paper(side)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        picture = self.pictures[index]
        return tuple(transform(picture) for transform in self.transforms)


def head(inputs, hidden, outputs):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs)
    )


class Projected(nn.Module):
    """Encoder and projector: the part that both networks have."""

    def __init__(self, hidden, outputs):
        super().__init__()
        self.encoder = resnet18()
        self.encoder.fc = nn.Identity()
        self.projector = head(512, hidden, outputs)

    def forward(self, images):
        return self.projector(self.encoder(images))


def endless(loader):
    while True:
        yield from loader


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with STL-10's train_X.bin")
    parser.add_argument("--no-data", action="store_true", help="one fixed batch: compute alone")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--projection", type=int, default=256)
    parser.add_argument("--warmup-steps", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data and not options.no_data:
        parser.error("give --data DIR or --no-data")
    return options


def batches(options):
    """Pairs of uint8 batches without end."""
    if options.no_data:
        shape = (options.batch_size, 3, options.image_size, options.image_size)
        pair = [torch.randint(0, 256, shape, dtype=torch.uint8) for _ in range(2)]
        return endless([pair])
    loader = torch.utils.data.DataLoader(
        Pairs(Pictures(options.data), options.image_size),
        batch_size=options.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    return endless(loader)


def main():
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)

    online = Projected(options.hidden, options.projection)
    predictor = head(options.projection, options.hidden, options.projection)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    online = online.to(memory_format=layout)
    target = copy.deepcopy(online).requires_grad_(False)
    trained = [*online.parameters(), *predictor.parameters()]
    followed, following = list(online.parameters()), list(target.parameters())
    if options.optimizer == "adam":
        optimizer = torch.optim.Adam(trained, lr=1e-3, fused=True)
    else:
        optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9, weight_decay=1e-4, fused=True)

    def predict(images):
        return predictor(online(images))

    project = target
    if options.compile:
        predict, project = torch.compile(predict), torch.compile(project)

    def regression(prediction, aim):
        return 2 - 2 * F.cosine_similarity(prediction.float(), aim.float(), dim=1).mean()

    normalize = Normalize()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16")
    total = options.warmup_steps + options.steps
    seconds = dict.fromkeys(("data", "forward", "backward", "optimizer", "average"), 0.0)
    source = batches(options)
    begun = last = 0.0

    def lap(part):
        nonlocal last
        now = time.perf_counter()
        seconds[part] += now - last
        last = now

    for step in range(total):
        if step == options.warmup_steps:
            seconds = dict.fromkeys(seconds, 0.0)
            begun = last = time.perf_counter()
        first, second = (normalize(view).contiguous(memory_format=layout) for view in next(source))
        lap("data")
        with autocast:
            with torch.no_grad():
                first_aim, second_aim = project(first), project(second)
            loss = regression(predict(first), second_aim) + regression(predict(second), first_aim)
        lap("forward")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        lap("backward")
        optimizer.step()
        lap("optimizer")
        tau = 1 - (1 - BASE_TAU) * (math.cos(math.pi * step / total) + 1) / 2
        torch._foreach_lerp_(following, followed, 1 - tau)
        value = loss.item()
        lap("average")
    elapsed = time.perf_counter() - begun

    print(json.dumps({
        "program": "pretrain_torch",
        "images_per_second": round(options.steps * options.batch_size / elapsed, 2),
        "breakdown": {f"{part}_ms": round(1000 * value / options.steps, 2) for part, value in seconds.items()},
        "loss": round(value, 4),
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
