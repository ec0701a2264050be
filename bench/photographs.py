"""Processor time to open and shrink 12-megapixel JPEG files: `byol data pack` and `byol data info`, and the peers beside them.

    python bench/photographs.py FOLDER [--byol PROGRAM ...] [--images 8] [--side 160] [--rounds 3]

makes 4000x3000 photographs in FOLDER where they are not there (blurred colours, detail and noise, quality 90, 4:2:0, about 3 MB each), runs
every program in turn, and prints a table of the median over the rounds with the least and the most, in milliseconds of processor time (user
and system, all threads) per file. Several `--byol` are measured in turn. A program is one process over all files: byol's whole time counts;
of the Python ones, what follows their imports. Needs bench/peers/requirements.txt and `pyvips[binary]`; what is not installed is said
and left out.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTH, HEIGHT = 4000, 3000


def make(folder, count):
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = folder / f"{index:03}.jpg"
        if path.exists():
            continue
        random = np.random.default_rng(index)

        def blurred(rows, columns):
            pixels = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
            return np.asarray(Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)

        noise = random.normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
        image = 0.75 * blurred(12, 16) + 0.25 * blurred(300, 400) + noise
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=90, subsampling="4:2:0")


def shrunk(side):
    """Width and height with the shorter side `side`, as `data pack` has them."""
    return round(WIDTH * side / HEIGHT), side


def pillow(files, side, draft):
    from PIL import Image

    width, height = shrunk(side)
    for file in files:
        with Image.open(file) as image:
            if draft:
                # Never below twice the final side.
                image.draft("RGB", (2 * width, 2 * height))
            image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)


def vips(files, side):
    import pyvips

    width, height = shrunk(side)
    for file in files:
        pyvips.Image.thumbnail(file, width, height=height, size="force").write_to_memory()


def torchvision(files, side):
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms.v2.functional import resize

    torch.set_num_threads(1)
    width, height = shrunk(side)
    for file in files:
        resize(decode_jpeg(read_file(file), ImageReadMode.RGB), [height, width], antialias=True)


PEERS = {
    "Pillow": (lambda files, side: pillow(files, side, draft=False), "PIL.Image"),
    "Pillow with draft": (lambda files, side: pillow(files, side, draft=True), "PIL.Image"),
    "pyvips, shrink on load": (vips, "pyvips"),
    "torchvision decode_jpeg": (torchvision, "torchvision.transforms.v2.functional"),
}


def spent(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def peer(name, files, side):
    """Seconds that a peer takes, measured in a process of its own."""
    __import__(PEERS[name][1])
    before = spent(resource.RUSAGE_SELF)
    PEERS[name][0](files, side)
    print(json.dumps(spent(resource.RUSAGE_SELF) - before))


def measure_peer(name, folder, side):
    command = [sys.executable, __file__, str(folder), "--side", str(side), "--peer", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{name}: left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def measure_byol(program, folder, side, what):
    with tempfile.TemporaryDirectory() as temporary:
        command = [program, "data", what, str(folder), "--quiet"]
        if what == "pack":
            command += ["--out", os.path.join(temporary, "photographs.byolpack"), "--size", str(side)]
        before = spent(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        return spent(resource.RUSAGE_CHILDREN) - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--byol", nargs="+", default=["target/release/byol"])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        return peer(given.peer, sorted(map(str, given.folder.glob("*.jpg"))), given.side)

    make(given.folder, given.images)
    count = len(list(given.folder.glob("*.jpg")))
    programs = {}
    for byol in given.byol:
        for what in ["pack", "info"]:
            name = f"`{byol} data {what}`"
            programs[name] = lambda byol=byol, what=what: measure_byol(byol, given.folder, given.side, what)
    for name in PEERS:
        programs[name] = lambda name=name: measure_peer(name, given.folder, given.side)
    times = {name: [] for name in programs}
    for _ in range(given.rounds):
        for name, program in programs.items():
            seconds = program()
            if seconds is not None:
                times[name].append(1000 * seconds / count)
    print(f"{count} files of {WIDTH}x{HEIGHT}, shorter side to {given.side}; ms of processor time per file\n")
    print("| program | median | least to most |\n|---|---|---|")
    for name, spread in times.items():
        if spread:
            print(f"| {name} | {statistics.median(spread):.0f} | {min(spread):.0f} to {max(spread):.0f} |")


main()
