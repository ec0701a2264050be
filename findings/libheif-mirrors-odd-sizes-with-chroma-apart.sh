#!/usr/bin/env bash
# libheif turns and mirrors a HEIC plane by plane before it makes RGB of it. Chroma of 4:2:0 has half the width, rounded up; mirrored
# by itself it lies a pixel away from luma where the width is odd, and colours bleed over edges. The same coded picture without the
# mirroring, mirrored afterwards, does not have it, nor has one of even width. Test pictures of odd sizes compare a decoder with
# that, and not with what the file holds.
#
# Seen on 2026-11-28 (pillow-heif 1.8.1 with libheif 1.23.6), red left half and blue right half, mirrored by the container:
#   libheif 1.23.6
#   width 54: at most 0 levels from the same mirrored afterwards
#   width 53: at most 76 levels from the same mirrored afterwards
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 pillow-heif==1.8.1 numpy==2.4.6
cat > "$folder/mirror.py" <<'PY'
import io

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()


def written(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture.save(file, "HEIF", quality=90, chroma=420, exif=exif.tobytes())
    return Image.open(file).convert("RGB")


print(f"libheif {pillow_heif.libheif_version()}")
far = {}
for width in 54, 53:
    # The edge lies within a pair of columns that share their chroma, seen from the right.
    picture = Image.new("RGB", (width, 32), "blue")
    picture.paste("red", (0, 0, 26, 32))
    by_the_file = np.asarray(written(picture, 2), int)
    afterwards = np.asarray(ImageOps.mirror(written(picture, 1)), int)
    far[width] = np.abs(by_the_file - afterwards).max()
    print(f"width {width}: at most {far[width]} levels from the same mirrored afterwards")
assert far[54] <= 2 and far[53] > 30, "this has changed; odd widths were shifted"
PY
"$folder/venv/bin/python" "$folder/mirror.py"
