#!/usr/bin/env bash
# Pillow 13.0.0 gives other pixels than 12.3.0 for the same `Image.resize` of the same image where the image is taller than it is wide;
# landscape and square images keep theirs. Between its two passes the values are rounded and clipped to 0-255, so the order of the
# passes shows: little with the bilinear filter, more with those that overshoot. "Resized by Pillow" is no reference value
# without a version, and features or fixtures made with one do not repeat with the other.
#
# Seen on 2026-11-28 (Python 3.11, x86-64), uint8 RGB noise:
#   landscape and square: 0 of 9 differ
#   portrait, BILINEAR: 3 of 3 differ, by at most 1 of 255
#   portrait, BICUBIC: 3 of 3 differ, by at most 10 of 255
#   portrait, LANCZOS: 3 of 3 differ, by at most 21 of 255
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/resize.py" <<'PY'
import sys
import numpy as np
from PIL import Image

random = np.random.default_rng(0)
results = {}
for name, width, height, size in [
    ("landscape", 400, 300, (224, 224)), ("landscape", 400, 30, (64, 64)), ("square", 300, 300, (224, 224)),
    ("portrait", 300, 400, (224, 224)), ("portrait", 30, 400, (64, 64)), ("portrait", 100, 1000, (64, 64)),
]:
    image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    for kind in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        results[f"{name} {width}x{height} {kind.name}"] = np.asarray(image.resize(size, kind))
np.savez(sys.argv[1], **results)
PY
for version in 12.3.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version" numpy==2.4.6
    "$folder/$version/bin/python" "$folder/resize.py" "$folder/$version.npz"
done
"$folder/13.0.0/bin/python" - "$folder/12.3.0.npz" "$folder/13.0.0.npz" <<'PY'
import sys
import numpy as np

old, new = (np.load(path) for path in sys.argv[1:])
differ = {key: int(np.abs(old[key].astype(int) - new[key]).max()) for key in old.files}
portrait = [value for key, value in differ.items() if key.startswith("portrait")]
others = [value for key, value in differ.items() if not key.startswith("portrait")]
print(f"landscape and square: {sum(value > 0 for value in others)} of {len(others)} differ")
for kind in ("BILINEAR", "BICUBIC", "LANCZOS"):
    found = [value for key, value in differ.items() if key.startswith("portrait") and key.endswith(kind)]
    print(f"portrait, {kind}: {sum(value > 0 for value in found)} of {len(found)} differ, by at most {max(found)} of 255")
sys.exit(any(others) or not all(portrait))
PY
