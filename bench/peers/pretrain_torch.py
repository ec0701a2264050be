"""BYOL pre-training in PyTorch: what `byol bench pretrain` is measured against.

    python pretrain_torch.py --data DIR                            tuned: the best we know without a compiler
    python pretrain_torch.py --data DIR --compile                  tuned, and compiled
    python pretrain_torch.py --data DIR --plain                    as its users commonly write it
    python pretrain_torch.py --data DIR --device cuda --augment batched --compile --cuda-graphs
    torchrun --nproc-per-node 2 pretrain_torch.py --data DIR       tuned, by two processes (processes.py)

ResNet-18 with heads 4096-256, the paper's views, bf16 autocast, and a constant tau, as in `byol bench`.

Tuned is channels-last, views of uint8 images from torchvision v2 in DataLoader workers, normalised in whole batches, a fused
optimiser, and a moving average over lists of tensors. Plain is the default layout, each view normalised by its worker, the
optimiser as it comes, and a moving average parameter by parameter.

On a GPU, `--augment` other than `workers` keeps all images on it and makes the views there (views_gpu.py), and
`--cuda-graphs` captures a whole step, the `batched` views with it, in a CUDA graph.

The last line is one JSON object; an image is two views. The steps before the counted ones cover compiling, and empty the
batches that the workers had ready.
"""

import argparse
import copy
import json

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18
from torchvision.transforms import v2

from clock import Clock
import processes
from images import DEVIATION, MEAN, Normalize, Images
from views import paper
from views_gpu import recipes

TAU = 0.99


class Pairs(torch.utils.data.Dataset):
    """Two views of the same image, [3, side, side] each: uint8, or floats if each is normalised by itself."""

    def __init__(self, images, side, normalized):
        last = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)] if normalized else []
        self.images, self.transforms = images, [v2.Compose([transform, *last]) for transform in paper(side)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        return tuple(transform(image) for transform in self.transforms)


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


class Predictions(nn.Module):
    """Both views in one call, after which several processes expect the gradient."""

    def __init__(self, predict, *parts):
        super().__init__()
        self.predict, self.parts = predict, nn.ModuleList(parts)

    def forward(self, first, second):
        return self.predict(first), self.predict(second)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with STL-10's train_X.bin, or with image files of one size")
    parser.add_argument("--no-data", action="store_true", help="one fixed batch: compute alone")
    parser.add_argument("--set-size", type=int, help="cut the images off, or repeat them, to so many")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--plain", action="store_true", help="as its users commonly write it")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, help="default: unless --plain")
    parser.add_argument("--compile", nargs="?", const="default", metavar="MODE", help="torch.compile's mode")
    parser.add_argument("--cuda-graphs", action="store_true", help="capture a whole step in a CUDA graph")
    parser.add_argument("--augment", choices=("workers", "torchvision", "kornia", "batched"), default="workers")
    parser.add_argument("--optimizer", choices=("adam", "sgd"), default="adam")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--projection", type=int, default=256)
    parser.add_argument("--warmup-steps", type=int, help="default: 5, and what the workers can have ready")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data and not options.no_data:
        parser.error("give --data DIR or --no-data")
    if options.cuda_graphs and options.device != "cuda":
        parser.error("--cuda-graphs needs --device cuda")
    if options.channels_last is None:
        options.channels_last = not options.plain
    if options.no_data or options.augment != "workers":
        options.workers = 0
    if options.warmup_steps is None:
        options.warmup_steps = 5 + 2 * options.workers
    return options


def batches(options):
    """Without end, on the device: pairs of views, or images [n, 3, height, width] if views are made there."""
    if options.no_data:
        shape = (options.batch_size, 3, options.image_size, options.image_size)
        views = 2 if options.augment == "workers" else 1
        fixed = [torch.randint(0, 256, shape, dtype=torch.uint8, device=options.device) for _ in range(views)]
        while True:
            yield fixed
    images = Images(options.data, count=options.set_size)
    if len(images) < options.batch_size:
        raise SystemExit(f"{len(images)} images are fewer than a batch of {options.batch_size}")
    if options.augment != "workers":
        resident = images.on(options.device)
        while True:
            order = torch.randperm(len(resident), device=options.device)
            for chosen in order[: len(order) // options.batch_size * options.batch_size].split(options.batch_size):
                yield [resident[chosen]]
    loader = torch.utils.data.DataLoader(
        Pairs(images, options.image_size, normalized=options.plain),
        batch_size=options.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        pin_memory=options.device == "cuda",
    )
    while True:
        for views in loader:
            yield [view.to(options.device, non_blocking=True) for view in views]


def captured(step, inputs):
    """The same step as one CUDA graph."""
    fixed = [part.clone() for part in inputs]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step(*fixed)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(*fixed)

    def replay(*inputs):
        for place, part in zip(fixed, inputs, strict=True):
            place.copy_(part, non_blocking=True)
        graph.replay()
        return loss

    return replay


class Byol:
    """The networks and a step of their training."""

    def __init__(self, options, clock):
        self.clock, self.plain, device = clock, options.plain, options.device
        self.layout = torch.channels_last if options.channels_last else torch.contiguous_format
        self.online = Projected(options.hidden, options.projection).to(device, memory_format=self.layout)
        self.predictor = head(options.projection, options.hidden, options.projection).to(device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        trained = [*self.online.parameters(), *self.predictor.parameters()]
        self.followed, self.following = list(self.online.parameters()), list(self.target.parameters())
        tuned = {} if options.plain else {"fused": True}
        if options.optimizer == "adam":
            tuned |= {"capturable": True} if options.cuda_graphs else {}
            self.optimizer = torch.optim.Adam(trained, lr=1e-3, **tuned)
        else:
            self.optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9, weight_decay=1e-4, **tuned)
        self.autocast = torch.autocast(device, torch.bfloat16, enabled=options.precision == "bf16")

        self.recipes = None
        if options.augment != "workers":
            self.recipes = recipes(options.augment, options.image_size, device, options.compile)
        self.normalize = Normalize(device, largest=255 if self.recipes is None else 1)
        self.normalized = options.plain and self.recipes is None and not options.no_data
        self.project = self.target
        if options.compile:
            how = {"mode": options.compile, "dynamic": False}
            self.normalize = torch.compile(self.normalize.__call__, dynamic=False)
            self.predict, self.project = torch.compile(self.predict, **how), torch.compile(self.project, **how)
        self.predictions = processes.shared(Predictions(self.predict, self.online, self.predictor))

    def predict(self, images):
        return self.predictor(self.online(images))

    def step(self, *batch):
        return self.learn(*self.views(*batch))

    def views(self, *batch):
        return [recipe(batch[0]) for recipe in self.recipes] if self.recipes else batch

    def learn(self, *views):
        first, second = (self.prepared(view) for view in views)
        self.clock.lap("views")
        with self.autocast:
            with torch.no_grad():
                first_aim, second_aim = self.project(first), self.project(second)
            first_prediction, second_prediction = self.predictions(first, second)
            loss = regression(first_prediction, second_aim) + regression(second_prediction, first_aim)
        self.clock.lap("forward")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.clock.lap("backward")
        self.optimizer.step()
        self.clock.lap("optimizer")
        self.average()
        self.clock.lap("average")
        return loss.detach()

    def captured(self, batch, with_views):
        """`step` as a CUDA graph, or all of it but the views if they need the host."""
        if with_views:
            return captured(self.step, batch)
        learn = captured(self.learn, self.views(*batch))
        return lambda *batch: learn(*self.views(*batch))

    def prepared(self, view):
        return view if self.normalized else self.normalize(view.contiguous(memory_format=self.layout))

    @torch.no_grad()
    def average(self):
        if not self.plain:
            torch._foreach_lerp_(self.following, self.followed, 1 - TAU)
            return
        for follower, leader in zip(self.following, self.followed, strict=True):
            follower.data = follower.data * TAU + leader.data * (1 - TAU)


def regression(prediction, aim):
    return 2 - 2 * F.cosine_similarity(prediction.float(), aim.float(), dim=1).mean()


def main():
    options = arguments()
    processes.join(options)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    if not options.plain:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")

    clock = Clock(options.device)
    byol = Byol(options, clock)
    step, source = byol.step, batches(options)
    for number in range(options.warmup_steps + options.steps):
        if number == options.warmup_steps:
            clock.begin()
        batch = next(source)
        clock.lap("data")
        if options.cuda_graphs and number == 0:
            step = byol.captured(batch, with_views=options.augment in ("workers", "batched"))
        if options.compile == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        loss = step(*batch)
        if options.cuda_graphs:
            clock.lap("graph")
    clock.end()

    if not processes.is_first():
        return
    print(json.dumps({
        "program": "pretrain_torch",
        "processes": processes.processes(),
        **clock.result(options.steps * options.batch_size * processes.processes(), options.steps),
        "loss": round(loss.item(), 4),
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
