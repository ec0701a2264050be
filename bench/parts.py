"""What each part of training is worth on photographs by itself, at equal processor time, on a version of `hour` that takes minutes.

    python bench/parts.py STL10 UNLABELED OUT [--byol PROGRAM] [--seeds 0,1,2] [--epochs 5] [--only "NAME;..."] [--table]

STL10 holds the data set's binary files, UNLABELED more images: some 4,000 of them, so that epochs are short and whole numbers of
them divide the time well. A fifth of the training images, drawn with a fixed seed, judges: neither
the official test images nor the judged images' labels are used. ResNet-18 of a quarter of the width at 32 px, float32 or bfloat16 as the
machine has it, one thread.

Every part is one change to the settings. Parts of pre-training are judged by the frozen encoder (linear and k-NN, 10 and 100 labels per
class and all); parts of fine-tuning start from the pre-trainings without changes and are judged by their classifiers, 10 and 100 labels per class,
two label draws. What makes a step of pre-training dearer gets fewer epochs, by processor time for each image of steps measured before (`cost`
in OUT/costs.json). A part that exists in OUT already is not run again; `--table` only prints what is there. Differences are paired by seed.
"""

import argparse
import json
import os
import random
import resource
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

CLASSES, IMAGES, JUDGED = 10, 5_000, 1_000
BYTES = 96 * 96 * 3

# Pixels of images whose sides grow evenly from a half in three quarters of the epochs, beside images of full size.
GROWING = 0.69

# Steps with few labels, and so many that they see as many pixels of images of 48 px.
STEPS = 300
LARGER_STEPS = STEPS * 32**2 // 48**2

SMALL = {
    "image_size": 32,
    "stem": "small-stride2",
    "width": 0.25,
    "pretrain.projector_hidden": 512,
    "pretrain.projection_size": 128,
    "supervised.minimum_steps": STEPS,
    "finetune.minimum_steps": STEPS,
}

# The first is what the others are held against.
PRETRAINING = {
    "as in hour": {},
    "BYOL": {"pretrain.method": "byol"},
    "four patches": {"pretrain.patches": 2},
    "four small crops more": {"pretrain.local_views": 4, "pretrain.local_size": 16},
    "small images first": {"pretrain.first_size": 16},
    "batches of 256": {"pretrain.batch_size": 256, "pretrain.learning_rate": 0.003, "pretrain.tau": 0.97},
    "decoupled weight decay": {"pretrain.optimizer": "adamw", "pretrain.weight_decay": 0.05},
    "residual branches begin at zero": {"zero_init_residual": True},
    "images of 48 px, views of 32": {"image_size": 48, "pretrain.view_size": 32},
}

FINETUNING = {
    "as in hour": {},
    "nothing mixed": {"finetune.mixup": 0, "finetune.cutmix": 0},
    "mixup alone": {"finetune.cutmix": 0},
    "linear probe first": {"finetune.head": "linear"},
    "learning rate by depth": {"finetune.layer_decay": 0.7},
    "averaged weights": {"finetune.average": 0.5},
    "label smoothing": {"finetune.label_smoothing": 0.1},
    "filters of their first norm": {"finetune.filter_norm": "initial"},
    "images of 48 px, as much time": {"image_size": 48, "finetune.minimum_steps": LARGER_STEPS},
}

BASELINE = {
    "baseline": {},
    "baseline, nothing mixed": {"supervised.mixup": 0, "supervised.cutmix": 0},
    "baseline, mixup alone": {"supervised.cutmix": 0},
    "baseline, images of 48 px, as much time": {"image_size": 48, "supervised.minimum_steps": LARGER_STEPS},
}

SELFTRAINING = {
    "self-training": {"selftrain.steps": 200, "selftrain.judge": "never"},
}


def hold_out(stl10, folder):
    """The training images in two parts, as a data set of its own: what is judged stands where test images do."""
    if (folder / "class_names.txt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    labels = (stl10 / "train_y.bin").read_bytes()
    drawn = random.Random(17)
    judged = set()
    for label in range(1, CLASSES + 1):
        own = [index for index, value in enumerate(labels) if value == label]
        drawn.shuffle(own)
        judged.update(own[: JUDGED // CLASSES])
    images = (stl10 / "train_X.bin").read_bytes()
    for name, wanted in [("train", False), ("test", True)]:
        chosen = [index for index in range(IMAGES) if (index in judged) == wanted]
        (folder / f"{name}_X.bin").write_bytes(b"".join(images[i * BYTES : (i + 1) * BYTES] for i in chosen))
        (folder / f"{name}_y.bin").write_bytes(bytes(labels[i] for i in chosen))
    (folder / "class_names.txt").write_bytes((stl10 / "class_names.txt").read_bytes())


def settings(*dictionaries):
    together = {key: value for each in dictionaries for key, value in each.items()}
    return [word for key, value in together.items() for word in ("--set", f"{key}={str(value).lower()}")]


class Program:
    def __init__(self, words):
        self.words = words

    def run(self, *words):
        """Processor seconds of one call, and what it wrote."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [*self.words, *map(str, words), "--threads", "1", "--device", "cpu"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{shlex.join(command)}\n{done.stderr[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def cost(program, data, change):
    """Processor time of an image of pre-training, the start apart: of two lengths the difference."""
    batch = change.get("pretrain.batch_size", 64)
    few, many = 512 // batch, 4_096 // batch
    seconds = []
    for steps in (few, many):
        words = ["bench", "pretrain", "--preset", "hour", "--data", data, "--steps", steps]
        change_of_size = {"pretrain.first_size": 0} if "pretrain.first_size" in change else {}
        seconds.append(program.run(*words, *settings(SMALL, change, change_of_size))[0])
    growing = GROWING if "pretrain.first_size" in change else 1
    return growing * (seconds[1] - seconds[0]) / ((many - few) * batch)


def accuracies(run, name):
    """Test accuracy in percent by label budget: the mean over draws."""
    found = {}
    evaluated = run / "evaluated.jsonl"
    records = evaluated if evaluated.exists() else run / "predictions.jsonl"
    for line in records.read_text().splitlines():
        record = json.loads(line)
        if record["name"] == name:
            found.setdefault(str(record["labels_per_class"]), []).append(100 * record["test_accuracy"])
    return {budget: statistics.mean(values) for budget, values in found.items()}


def finished(run):
    return (run / "finished").exists()


def finish(run):
    (run / "finished").write_text("")


class Parts:
    def __init__(self, options, program):
        self.options, self.program = options, program
        self.data = options.out / "held-out"
        self.plan = ["--preset", "hour", "--data", self.data]

    def wanted(self, name):
        return not self.options.only or name in self.options.only.split(";")

    def folder(self, kind, name, seed):
        return self.options.out / f"{kind}-{name.replace(' ', '-').replace(',', '')}-{seed}"

    def costs(self):
        file = self.options.out / "costs.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        for name, change in PRETRAINING.items():
            if name not in known and (self.wanted(name) or name == "as in hour"):
                known[name] = cost(self.program, self.data, change)
                file.write_text(json.dumps(known, indent=1))
        return known

    def pretrain(self, name, seed, epochs):
        run = self.folder("pretrain", name, seed)
        if finished(run):
            return
        subprocess.run(["rm", "-rf", run], check=True)
        change = {**SMALL, **PRETRAINING[name], "pretrain.epochs": epochs, "pretrain.monitor_every": 0}
        pool = ["--unlabeled", self.options.unlabeled]
        seconds, _ = self.program.run("pretrain", *self.plan, *pool, "--seed", seed, "--out", run, *settings(change))
        budgets = ["--labels-per-class", "10,100,all", "--draws", 2]
        for protocol in ("linear", "knn"):
            words = ["evaluate", protocol, "--from", run, "--data", self.data, *budgets, "--json", "--quiet"]
            _, written = self.program.run(*words)
            with (run / "evaluated.jsonl").open("a") as file:
                file.writelines(f"{line}\n" for line in written.splitlines() if json.loads(line)["event"] == "evaluated")
        (run / "seconds").write_text(f"{seconds:.1f}")
        finish(run)
        print(f"{name}, seed {seed}: {epochs} epochs, {seconds:.0f} s", flush=True)

    def classify(self, kind, name, seed, words, change):
        run = self.folder(kind, name, seed)
        if finished(run):
            return
        subprocess.run(["rm", "-rf", run], check=True)
        seconds, _ = self.program.run(*words, "--data", self.data, "--out", run, *settings(change))
        (run / "seconds").write_text(f"{seconds:.1f}")
        finish(run)
        print(f"{kind} {name}, seed {seed}: {seconds:.0f} s", flush=True)

    def run(self):
        hold_out(self.options.stl10, self.data)
        known = self.costs()
        for seed in self.options.seeds:
            for name in PRETRAINING:
                if name == "as in hour" or self.wanted(name):
                    epochs = max(1, round(self.options.epochs * known["as in hour"] / known[name]))
                    self.pretrain(name, seed, epochs)
            pretrained = self.folder("pretrain", "as in hour", seed)
            budgets = ["--labels-per-class", "10,100", "--draws", 2]
            for name, change in FINETUNING.items():
                if self.wanted(name) or (name == "as in hour" and any(map(self.wanted, SELFTRAINING))):
                    self.classify("finetune", name, seed, ["finetune", "--from", pretrained, *budgets], change)
            for name, change in BASELINE.items():
                if self.wanted(name):
                    words = ["supervised", "--preset", "hour", "--seed", seed, *budgets]
                    self.classify("supervised", name, seed, words, {**SMALL, **change})
            for name, change in SELFTRAINING.items():
                if self.wanted(name):
                    teacher = self.folder("finetune", "as in hour", seed)
                    words = ["selftrain", "--from", teacher, "--unlabeled", self.options.unlabeled]
                    self.classify("selftrain", name, seed, words, change)

    def rows(self, kind, names, classifier, against):
        """Lines of the table: mean and deviation over seeds, and the mean difference by seed from what it is held against."""
        first = {}
        for name in names:
            found = {s: self.folder(kind, name, s) for s in self.options.seeds}
            found = {s: accuracies(run, classifier) for s, run in found.items() if finished(run)}
            if not found:
                continue
            if name == next(iter(names)):
                first = found
            held = against if against is not None else first
            cells = []
            for budget in ("10", "100", "all"):
                if budget not in next(iter(found.values())):
                    cells.append("")
                    continue
                values = [each[budget] for each in found.values()]
                cell = f"{statistics.mean(values):.1f}"
                if len(values) > 1:
                    cell += f" ± {statistics.stdev(values):.1f}"
                pairs = [found[s][budget] - held[s][budget] for s in found if s in held and budget in held[s]]
                if pairs and found is not held:
                    cell += f" ({statistics.mean(pairs):+.1f})"
                cells.append(cell)
            print(f"| {name} | {classifier} | {len(found)} | " + " | ".join(cells) + " |")
        return first

    def table(self):
        print("| part | classifier | seeds | 10 | 100 | all |\n|---|---|---|---|---|---|")
        for classifier in ("byol_linear", "byol_knn"):
            self.rows("pretrain", PRETRAINING, classifier, None)
        tuned = self.rows("finetune", FINETUNING, "byol_finetuned", None)
        self.rows("supervised", BASELINE, "supervised", None)
        self.rows("selftrain", SELFTRAINING, "byol_selftrained", tuned)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stl10", type=Path)
    parser.add_argument("unlabeled", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--byol", default=os.environ.get("BYOL", "byol"))
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    parts = Parts(options, Program(shlex.split(options.byol)))
    if not options.table:
        parts.run()
    parts.table()


if __name__ == "__main__":
    main()
