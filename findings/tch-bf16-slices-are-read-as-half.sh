#!/usr/bin/env bash
# tch 0.24.0 takes half::bf16 for float16: a tensor made of a slice of bfloat16 values holds their bits as another type, so that 1.0
# becomes 1.875, and a bfloat16 tensor is refused where a vector of bf16 is asked for. No error says that the type is another one; sums of
# such a tensor are plausible numbers. float16 and float32 are right. Convert through float32, or set the type by
# Tensor::from_data_size with Kind::BFloat16.
#
# Seen on 2026-11-29 (tch 0.24.0, half 2.7.1, libtorch of PyTorch 2.11.0):
#   bf16: Half [1.875, 2.0, -1.75]
#   f16: Half [1.0, 2.0, -0.5]
#   from_data_size: BFloat16 [1.0, 2.0, -0.5]
#   a bfloat16 tensor to Vec<bf16>: refused
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
mkdir -p "$folder/program/src"
cat > "$folder/program/Cargo.toml" <<'TOML'
[package]
name = "program"
version = "0.0.0"
edition = "2024"

[dependencies]
half = "=2.7.1"
tch = "=0.24.0"
TOML
cat > "$folder/program/src/main.rs" <<'RUST'
use half::{bf16, f16};
use tch::{Kind, Tensor};

fn shown(tensor: &Tensor) -> String {
    format!("{:?} {:?}", tensor.kind(), Vec::<f32>::try_from(tensor.to_kind(Kind::Float)).unwrap())
}

fn main() {
    let values = [1.0f32, 2.0, -0.5];
    let narrow = values.map(bf16::from_f32);
    println!("bf16: {}", shown(&Tensor::from_slice(&narrow)));
    println!("f16: {}", shown(&Tensor::from_slice(&values.map(f16::from_f32))));
    let bytes: Vec<u8> = narrow.iter().flat_map(|value| value.to_bits().to_ne_bytes()).collect();
    println!("from_data_size: {}", shown(&Tensor::from_data_size(&bytes, &[3], Kind::BFloat16)));
    let back = Vec::<bf16>::try_from(Tensor::from_slice(&values).to_kind(Kind::BFloat16));
    println!("a bfloat16 tensor to Vec<bf16>: {}", if back.is_err() { "refused" } else { "taken" });
}
RUST
cd "$folder/program"
libraries=$("$folder/venv/bin/python" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent / "lib")')
PATH="$folder/venv/bin:$PATH" LIBTORCH_USE_PYTORCH=1 CARGO_TARGET_DIR="$folder/target" cargo build --quiet
found=$(LD_LIBRARY_PATH="$libraries" "$folder/target/debug/program")
echo "$found"
diff <(echo "$found") - <<'TEXT'
bf16: Half [1.875, 2.0, -1.75]
f16: Half [1.0, 2.0, -0.5]
from_data_size: BFloat16 [1.0, 2.0, -0.5]
a bfloat16 tensor to Vec<bf16>: refused
TEXT
