#!/usr/bin/env bash
# Hugging Face's datasets 5.2.0 takes labels from folders that are splits where a folder of images has one metadata.csv in its root.
# With images in train/ and test/ and a table of `train/0.png,cat` and so on beside them, the table is passed over without a warning:
# the classes are "test" and "train", every test image has the label 0, and training images have none. The same table beside
# folders of other names is read. Put a table into each split's folder instead, with paths relative to it.
#
# Seen on 2026-11-28 (datasets 5.2.0, Python 3.11):
#   beside train/ and test/: {'train': [None, None, None, None], 'test': [0, 0, 0, 0]}
#   beside a/ and b/: {'train': ['cat', 'dog', 'cat', 'dog', 'cat', 'dog', 'cat', 'dog']}
#   in train/ and in test/: {'train': ['cat', 'dog', 'cat', 'dog'], 'test': ['cat', 'dog', 'cat', 'dog']}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cat > "$folder/read.py" <<'PY'
import sys
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
work = Path(sys.argv[1])


def read(name, parts, in_root):
    root = work / name
    rows = {part: [f"{i}.png,{['cat', 'dog'][i % 2]}" for i in range(4)] for part in parts}
    for part in parts:
        (root / part).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (4, 4), (i, i, i)).save(root / part / f"{i}.png")
        if not in_root:
            (root / part / "metadata.csv").write_text("\n".join(["file_name,label", *rows[part]]) + "\n")
    if in_root:
        lines = [f"{part}/{row}" for part in parts for row in rows[part]]
        (root / "metadata.csv").write_text("\n".join(["file_name,label", *lines]) + "\n")
    data = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(work / "cache" / name))
    return {split: data[split]["label"][:] for split in data}


pairs = ["cat", "dog"] * 2
for told, found, expected in [
    ("beside train/ and test/", read("splits", ("train", "test"), True), {"train": [None] * 4, "test": [0] * 4}),
    ("beside a/ and b/", read("others", ("a", "b"), True), {"train": pairs * 2}),
    ("in train/ and in test/", read("each", ("train", "test"), False), {"train": pairs, "test": pairs}),
]:
    print(f"{told}: {found}")
    assert found == expected, f"this has changed; it was {expected}"
PY
"$folder/venv/bin/python" "$folder/read.py" "$folder/data"
