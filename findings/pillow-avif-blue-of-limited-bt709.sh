#!/usr/bin/env bash
# Pillow's AVIF plug-in shows saturated blue of a BT.709 AVIF in limited range (what video tools write) twelve levels too dark. Its wheels
# build libavif with libyuv, whose matrices for 8 bits are bytes in 64ths: blue's factor of 2.112 does not fit and becomes 2. The
# same samples under BT.601, whose factor of 2.017 nearly fits, come out within three levels. libavif's own arithmetic (10-bit files, or avifdec
# with --depth 16) does not have it, so that a file of 10 bits shows another blue than the same of 8.
#
# Seen on 2026-11-28 (Pillow 13.0.0, libavif 1.4.2), one colour of Y 50, Cb 220, Cr 128:
#   BT.601: shown (40, 4, 222), by ITU-T H.273 (40, 4, 225)
#   BT.709: shown (40, 20, 222), by ITU-T H.273 (40, 20, 234)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
cat > "$folder/blue.py" <<'PY'
import io

from PIL import Image


def by_the_standard(luma, blue, red, kr, kb):
    y, cb, cr = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return tuple(round(255 * value) for value in (r, (y - kr * r - kb * b) / (1 - kr - kb), b))


def shown(content):
    return Image.open(io.BytesIO(content)).getpixel((8, 8))


file = io.BytesIO()
Image.new("RGB", (16, 16), (40, 4, 225)).save(file, "AVIF", quality=100, subsampling="4:4:4", range="limited")
bt601 = file.getvalue()
# The colour information box: primaries, transfer, matrix, range. The matrix becomes that of BT.709; the samples stay.
at = bt601.index(b"nclx") + 8
assert bt601[at : at + 3] == b"\0\6\0", "matrix BT.601, limited range"
bt709 = bt601[:at] + b"\0\1" + bt601[at + 2 :]

found = {}
for name, content, kr, kb in ("BT.601", bt601, 0.299, 0.114), ("BT.709", bt709, 0.2126, 0.0722):
    is_, should = shown(content), by_the_standard(50, 220, 128, kr, kb)
    print(f"{name}: shown {is_}, by ITU-T H.273 {should}")
    found[name] = max(abs(a - b) for a, b in zip(is_, should))
assert found["BT.601"] <= 3, "this has changed; BT.601 was nearly right"
assert 9 <= found["BT.709"] <= 15, "this has changed; blue was ten levels too dark"
PY
"$folder/venv/bin/python" "$folder/blue.py"
