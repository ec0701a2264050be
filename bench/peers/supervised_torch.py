"""The lab's supervised baseline, done right: what `byol supervised --preset lab` and `byol bench supervised` are compared with.

    python supervised_torch.py --data DIR --seed 0
    python supervised_torch.py --data DIR --precision bf16 --loader --steps 30

ResNet-18 from scratch at 96 px, no augmentation, Adam 1e-3, batch 128, 10 epochs, a new order in every epoch, ImageNet's mean
and deviation, channels-last, a fused optimiser. Images lie in memory and are normalised in whole batches; with `--loader`
they come from DataLoader workers over the mapped file, each normalised by torchvision v2.

Test accuracy is measured once, at the end, unless `--curve` asks for it after every epoch (nothing is chosen by it). A line per
epoch, then one JSON object; its images per second are of training alone, without the first steps, and those of evaluation of a
whole pass over the test images after one that is not counted.
"""

import argparse
import json

import torch
import torch.nn.functional as F
from torchvision.models import resnet18
from torchvision.transforms import v2

from clock import Clock
from images import DEVIATION, MEAN, Normalize, Images, labels, split

EVALUATION_BATCH = 256


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with STL-10's files, or with image files by split and class")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, help="count so many steps and end, for a measurement")
    parser.add_argument("--evaluate", action="store_true", help="do not train: the throughput of evaluation alone")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--loader", action="store_true", help="a DataLoader over the mapped file")
    parser.add_argument("--workers", type=int, default=2, help="of the loader")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--curve", action="store_true", help="test accuracy after every epoch")
    parser.add_argument("--images", type=int, help="only so many training images, for a trial")
    options = parser.parse_args()
    options.warmup_steps = 5 + 2 * options.workers if options.loader else 5
    return options


class InMemory:
    """Batches of uint8 images and labels, all of which lie on the device."""

    def __init__(self, options, name, count, batch_size, shuffled):
        self.images, self.labels = (part.to(options.device) for part in split(options.data, name, count))
        self.batch_size, self.shuffled = batch_size, shuffled

    def __len__(self):
        return len(self.labels)

    def __iter__(self):
        order = torch.randperm if self.shuffled else torch.arange
        for chosen in order(len(self), device=self.labels.device).split(self.batch_size):
            yield self.images[chosen], self.labels[chosen]


class Labeled(torch.utils.data.Dataset):
    """Normalised images and labels."""

    def __init__(self, data, name, count):
        self.labels = labels(data, name)[:count]
        self.images = Images(data, name, len(self.labels))
        self.transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


class Loaded:
    """Batches of normalised images and labels from a DataLoader."""

    def __init__(self, options, name, count, batch_size, shuffled):
        self.device = options.device
        self.loader = torch.utils.data.DataLoader(
            Labeled(options.data, name, count),
            batch_size=batch_size,
            shuffle=shuffled,
            num_workers=options.workers,
            persistent_workers=options.workers > 0,
            pin_memory=options.device == "cuda",
        )

    def __len__(self):
        return len(self.loader.dataset)

    def __iter__(self):
        for batch in self.loader:
            yield [part.to(self.device, non_blocking=True) for part in batch]


def main():
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True

    batches = Loaded if options.loader else InMemory
    training = batches(options, "train", options.images, options.batch_size, shuffled=True)
    testing = batches(options, "test", None, EVALUATION_BATCH, shuffled=False)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    network = resnet18(num_classes=10).to(options.device, memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate, fused=True)
    classify = torch.compile(network) if options.compile else network
    normalize = (lambda batch: batch) if options.loader else Normalize(options.device)
    autocast = torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16")

    def logits(batch):
        with autocast:
            return classify(normalize(batch).contiguous(memory_format=layout)).float()

    @torch.no_grad()
    def test_accuracy():
        network.eval()
        return sum((logits(batch).argmax(1) == truth).sum() for batch, truth in testing).item() / len(testing)

    def train():
        """Accuracies after the epochs, if asked for, and what was measured."""
        clock, step, images, curve = Clock(options.device), 0, 0, []
        for epoch in range(1, options.epochs + 1):
            network.train()
            loss_sum, hits = 0.0, 0
            for batch, truth in training:
                if step == options.warmup_steps:
                    clock.begin()
                output = logits(batch)
                loss = F.cross_entropy(output, truth)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                loss_sum += loss.detach() * len(truth)
                hits += (output.argmax(1) == truth).sum()
                step += 1
                if clock.counting:
                    images += len(truth)
                if options.steps and step == options.warmup_steps + options.steps:
                    clock.end()
                    return curve, clock.result(images, options.steps)
            if clock.counting and (options.curve or epoch == options.epochs):
                # Accuracy between the epochs is no part of training; later epochs are not counted then.
                clock.end()
            loss_mean, accuracy = loss_sum.item() / len(training), hits.item() / len(training)
            line = f"epoch {epoch:2}  loss {loss_mean:.4f}  train accuracy {accuracy:.4f}"
            if options.curve:
                curve.append(test_accuracy())
                line += f"  test accuracy {curve[-1]:.4f}"
            print(line, flush=True)
        return curve, clock.result(images, step) if images else {"images_per_second": None}

    curve, measured = ([], {}) if options.evaluate else train()
    accuracy = curve[-1] if curve else test_accuracy()
    clock = Clock(options.device)
    clock.begin()
    test_accuracy()
    clock.end()
    evaluated = clock.result(len(testing), 1)["images_per_second"]

    print(json.dumps({
        "program": "supervised_torch",
        "images_per_second": evaluated if options.evaluate else measured["images_per_second"],
        "evaluation_images_per_second": evaluated,
        **{name: value for name, value in measured.items() if name != "breakdown"},
        "test_accuracy": accuracy,
        "test_images": len(testing),
        "curve": curve,
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
