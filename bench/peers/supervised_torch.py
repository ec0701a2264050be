"""The lab's supervised baseline on STL-10, done right: what `byol supervised --preset lab` is compared with.

    python supervised_torch.py --data STL10 --seed 0

ResNet-18 from scratch at 96 px, the 5,000 labels, no augmentation, Adam 1e-3, batch 128, 10 epochs, a new order in every
epoch, ImageNet's mean and deviation. Test accuracy is measured once, at the end, unless `--curve` asks for it after every
epoch (nothing is chosen by it). A line per epoch, then one JSON object; its images per second are of training alone,
without the first five steps.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torchvision.models import resnet18

from stl10 import Normalize, split

WARMUP_STEPS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with train_X.bin, train_y.bin, test_X.bin, test_y.bin")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--curve", action="store_true", help="test accuracy after every epoch")
    parser.add_argument("--images", type=int, help="only so many training pictures, for a trial")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)

    pictures, labels = (part[: options.images] for part in split(options.data, "train"))
    test_pictures, test_labels = split(options.data, "test")
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    network = resnet18(num_classes=10).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate, fused=True)
    normalize = Normalize()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16")

    def logits(batch):
        with autocast:
            return network(normalize(batch).contiguous(memory_format=layout)).float()

    @torch.no_grad()
    def test_accuracy():
        network.eval()
        hits = sum(
            (logits(batch).argmax(1) == truth).sum().item()
            for batch, truth in zip(test_pictures.split(256), test_labels.split(256), strict=True)
        )
        return hits / len(test_labels)

    step, timed_images, training_seconds, curve = 0, 0, 0.0, []
    for epoch in range(1, options.epochs + 1):
        network.train()
        loss_sum, hits = 0.0, 0
        begun = time.perf_counter()
        for chosen in torch.randperm(len(pictures)).split(options.batch_size):
            output, truth = logits(pictures[chosen]), labels[chosen]
            loss = F.cross_entropy(output, truth)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(chosen)
            hits += (output.argmax(1) == truth).sum().item()
            step += 1
            if step > WARMUP_STEPS:
                timed_images += len(chosen)
            elif step == WARMUP_STEPS:
                begun = time.perf_counter()
        if step > WARMUP_STEPS:
            training_seconds += time.perf_counter() - begun
        line = f"epoch {epoch:2}  loss {loss_sum / len(pictures):.4f}  train accuracy {hits / len(pictures):.4f}"
        if options.curve:
            curve.append(test_accuracy())
            line += f"  test accuracy {curve[-1]:.4f}"
        print(line, flush=True)

    print(json.dumps({
        "program": "supervised_torch",
        "test_accuracy": curve[-1] if curve else test_accuracy(),
        "test_images": len(test_labels),
        "curve": curve,
        "images_per_second": round(timed_images / training_seconds, 1) if timed_images else None,
        "torch": torch.__version__,
        "settings": {name: value for name, value in vars(options).items() if name != "data"},
    }))


if __name__ == "__main__":
    main()
