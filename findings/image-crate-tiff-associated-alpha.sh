#!/usr/bin/env bash
# The Rust crate image 0.25.10 gives the pixels of a TIFF with associated (premultiplied) alpha as if their alpha were straight: it decodes
# ExtraSamples 1 and 2 alike and says Rgba8 of both. A program that then lays the image over a background multiplies by alpha twice and
# gets a picture that is too dark. Pillow divides by alpha.
#
# Seen on 2026-11-28 (image 0.25.10, Pillow 13.0.0), one pixel of which the file holds (100, 50, 25) at alpha 128:
#   image:  Rgba8 [100, 50, 25, 128]
#   Pillow: (199, 99, 49, 128)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==13.0.0
cat > tiff.py <<'PY'
import struct
from PIL import Image

# Width, height, bits (at an offset), no compression, RGB, strip (at an offset), 4 samples, 1 row, 4 bytes, associated alpha.
short, long = 3, 4
entries = 10
bits = 8 + 2 + 12 * entries + 4
tags = [(256, short, 1, 1), (257, short, 1, 1), (258, short, 4, bits), (259, short, 1, 1), (262, short, 1, 2),
        (273, long, 1, bits + 8), (277, short, 1, 4), (278, short, 1, 1), (279, long, 1, 4), (338, short, 1, 1)]
with open("associated.tif", "wb") as file:
    file.write(b"II*\0" + struct.pack("<IH", 8, entries))
    for tag, kind, count, value in tags:
        file.write(struct.pack("<HHII", tag, kind, count, value))
    file.write(struct.pack("<I4H", 0, 8, 8, 8, 8) + bytes([100, 50, 25, 128]))
print("Pillow:", Image.open("associated.tif").convert("RGBA").getpixel((0, 0)))
PY
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "associated"
version = "0.0.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["tiff"] }
TOML
cat > src/main.rs <<'RS'
fn main() {
    let image = image::open("associated.tif").expect("a valid TIFF");
    println!("image:  {:?} {:?}", image.color(), image.to_rgba8().into_raw());
}
RS
venv/bin/python tiff.py > seen
cargo run --quiet >> seen
export LC_ALL=C
sort seen
diff <(sort seen) - <<'SEEN'
Pillow: (199, 99, 49, 128)
image:  Rgba8 [100, 50, 25, 128]
SEEN
