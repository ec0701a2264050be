#!/usr/bin/env bash
# The Rust crate image-webp 0.2.4 gives the first frame of an animated WebP file whose frames are blended one level too dark where it is
# translucent: it blends that frame with the empty canvas below it, multiplies by alpha, divides by it, and rounds down. libwebp never blends the
# first frame. An exact (lossless) file is then not exact.
#
# Seen on 2026-11-28 (image-webp 0.2.4 through image 0.25.10, Pillow 13.0.0 with libwebp), one pixel, (200, 100, 50) at alpha 100:
#   image:  [199, 99, 49, 100]
#   Pillow: [200, 100, 50, 100]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==13.0.0
cat > webp.py <<'PY'
from PIL import Image

first, second = (Image.new("RGBA", (16, 16), (200, 100, 50, alpha)) for alpha in (100, 200))
first.save("blended.webp", save_all=True, append_images=[second], lossless=True, exact=True, duration=50)
file = bytearray(open("blended.webp", "rb").read())
# The flags of the first frame stand after its place, size and duration; the second bit says that it is not blended.
file[file.index(b"ANMF") + 8 + 15] &= ~2
open("blended.webp", "wb").write(file)
print("Pillow:", list(Image.open("blended.webp").convert("RGBA").getpixel((0, 0))))
PY
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "blended"
version = "0.0.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["webp"] }
image-webp = "=0.2.4"
TOML
cat > src/main.rs <<'RS'
fn main() {
    let image = image::open("blended.webp").expect("a valid WebP").to_rgba8();
    println!("image:  {:?}", image.get_pixel(0, 0).0);
}
RS
venv/bin/python webp.py > seen
cargo run --quiet >> seen
export LC_ALL=C
sort seen
diff <(sort seen) - <<'SEEN'
Pillow: [200, 100, 50, 100]
image:  [199, 99, 49, 100]
SEEN
