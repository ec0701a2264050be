"""Processor time to open and shrink 12-megapixel JPEG files: `byol data pack` and `byol data info`, and the peers beside them.

    python bench/photographs.py FOLDER [--byol PROGRAM ...] [--run RUN] [--images 24] [--side 160] [--rounds 3]

makes 4000x3000 photographs in FOLDER where they are not there (blurred colours, detail and noise, quality 90, 4:2:0, about 3 MB each), runs
every program in turn, and prints a table of the median over the rounds with the least and the most, in milliseconds of processor time (user
and system, all threads). Each program is a process of its own that runs over one file and over all: what a file more takes is told apart from
what the program takes to start (libtorch's libraries, Python's imports) and to end, for every program alike. Several `--byol` are measured in
turn; with `--run`, a finished run, `embed` and `predict` of its network too. The peers need bench/peers/requirements.txt and `pyvips[binary]`;
what is not installed is said and left out.

    python bench/photographs.py FOLDER --only NAME --json

measures one program once and prints an object with `images_per_second` (files by seconds of processor time, the start apart) and
`start_seconds`. Names are pack, info, embed, predict, and those of the peers: pillow, draft, vips, torchvision.
"""

import argparse
import json
import os
import resource
import shlex
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
    "pillow": ("Pillow", lambda files, side: pillow(files, side, draft=False)),
    "draft": ("Pillow with `draft`", lambda files, side: pillow(files, side, draft=True)),
    "vips": ("pyvips, shrink on load", vips),
    "torchvision": ("torchvision `decode_jpeg`", torchvision),
}
COMMANDS = ["pack", "info", "embed", "predict"]


def spent(command):
    """Seconds of processor time of a process from its start to its end, its threads and libraries included; none where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"left out: {last} ({shlex.join(command)})", file=sys.stderr)
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(given, name, byol, folder, temporary):
    """What runs over the files of a folder."""
    if name in PEERS:
        return [sys.executable, __file__, str(folder), "--side", str(given.side), "--peer", name]
    program = [*shlex.split(byol), *(["data", name] if name in ("pack", "info") else [name]), str(folder), "--quiet"]
    if name == "pack":
        return [*program, "--out", os.path.join(temporary, "photographs.byolpack"), "--size", str(given.side)]
    if name == "embed":
        return [*program, "--from", str(given.run), "--out", os.path.join(temporary, "photographs.npy"), "--force"]
    return program if name == "info" else [*program, "--from", str(given.run)]


def measure(given, name, byol):
    """Seconds for a file more, and for what is not files."""
    files = sorted(given.folder.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as temporary:
        one = Path(temporary, "one")
        one.mkdir()
        (one / files[0].name).symlink_to(files[0].resolve())
        alone = spent(commands(given, name, byol, one, temporary))
        together = None if alone is None else spent(commands(given, name, byol, given.folder, temporary))
    if together is None:
        return None
    each = (together - alone) / (len(files) - 1)
    return each, alone - each


def row(values):
    values = [1000 * value for value in values]
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--byol", nargs="+", default=["target/release/byol"])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=[*COMMANDS, *PEERS])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        return PEERS[given.peer][1](sorted(map(str, given.folder.glob("*.jpg"))), given.side)
    if given.images < 2 or (given.json and given.only is None):
        parser.error("--images is 2 at least" if given.images < 2 else "--json is for one program, which --only names")

    make(given.folder, given.images)
    if given.json:
        measured = measure(given, given.only, given.byol[0])
        if measured is None:
            sys.exit(1)
        return print(json.dumps({"images_per_second": 1 / measured[0], "start_seconds": measured[1]}))
    with_run = COMMANDS if given.run else COMMANDS[:2]
    programs = [(name, byol) for byol in given.byol for name in with_run] + [(name, "") for name in PEERS]
    measured = {program: [] for program in programs if given.only in (None, program[0])}
    for _ in range(given.rounds):
        for program, found in measured.items():
            each = measure(given, *program)
            if each is not None:
                found.append(each)
    count = len(list(given.folder.glob("*.jpg")))
    print(f"{count} files of {WIDTH}x{HEIGHT}, shorter side to {given.side}; ms of processor time, median (least to most)\n")
    print("| program | a file | start and end |\n|---|---|---|")
    for (name, byol), found in measured.items():
        if found:
            words = {"pack": "data pack", "info": "data info"}.get(name, name)
            shown = PEERS[name][0] if name in PEERS else f"`{byol} {words}`"
            print(f"| {shown} | {row([each for each, _ in found])} | {row([start for _, start in found])} |")


main()
