"""BYOL as lightly's documentation writes it, in plain PyTorch: what its users get without tuning.

    python pretrain_lightly.py --data DIR
    python pretrain_lightly.py --data DIR --device cuda --workers 8
    torchrun --nproc-per-node 2 pretrain_lightly.py --data DIR     by two processes (processes.py)

lightly's transform, heads, loss and moving average; PIL images, ResNet-18, heads 4096-256, SGD, fp32. The last line is one
JSON object; an image is two views. The steps before the counted ones empty the batches that the workers had ready.
"""

import argparse
import copy
import json

import torch
import torchvision
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform
from lightly.utils.scheduler import cosine_schedule
from PIL import Image
from torch import nn

from clock import Clock
import processes
from images import Images


class ViewsOfImages(torch.utils.data.Dataset):
    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index].permute(1, 2, 0).numpy()))


class BYOL(nn.Module):
    def __init__(self, hidden, projection):
        super().__init__()
        self.backbone = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
        self.projection_head = BYOLProjectionHead(512, hidden, projection)
        self.prediction_head = BYOLPredictionHead(projection, hidden, projection)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def forward(self, images):
        return self.prediction_head(self.projection_head(self.backbone(images).flatten(start_dim=1)))

    def forward_momentum(self, images):
        return self.projection_head_momentum(self.backbone_momentum(images).flatten(start_dim=1)).detach()


class Predictions(nn.Module):
    """Both views in one call, after which several processes expect the gradient."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, first, second):
        return self.model(first), self.model(second)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with STL-10's train_X.bin, or with image files")
    parser.add_argument("--set-size", type=int, help="cut the images off, or repeat them, to so many")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
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
    if options.warmup_steps is None:
        options.warmup_steps = 5 + 2 * options.workers
    processes.join(options)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)

    model = BYOL(options.hidden, options.projection).to(options.device)
    predictions_of = processes.shared(Predictions(model))
    transform = BYOLTransform(
        view_1_transform=BYOLView1Transform(input_size=options.image_size),
        view_2_transform=BYOLView2Transform(input_size=options.image_size),
    )
    loader = torch.utils.data.DataLoader(
        ViewsOfImages(Images(options.data, count=options.set_size), transform),
        batch_size=options.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    criterion = NegativeCosineSimilarity()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.06)

    clock = Clock(options.device)
    total, step = options.warmup_steps + options.steps, 0
    while step < total:
        for first, second in loader:
            if step == options.warmup_steps:
                # The wait for this step's batch is not counted, in lightly's favour: one wait of all.
                clock.begin()
            first, second = first.to(options.device), second.to(options.device)
            momentum = cosine_schedule(step, total, 0.996, 1)
            update_momentum(model.backbone, model.backbone_momentum, m=momentum)
            update_momentum(model.projection_head, model.projection_head_momentum, m=momentum)
            predictions = predictions_of(first, second)
            aims = model.forward_momentum(first), model.forward_momentum(second)
            loss = 0.5 * (criterion(predictions[0], aims[1]) + criterion(predictions[1], aims[0]))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            clock.lap("step")
            step += 1
            if step == total:
                break
    clock.end()

    if not processes.is_first():
        return
    print(json.dumps({
        "program": "pretrain_lightly",
        "processes": processes.processes(),
        **clock.result(options.steps * options.batch_size * processes.processes(), options.steps),
        "loss": round(loss.item(), 4),
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
