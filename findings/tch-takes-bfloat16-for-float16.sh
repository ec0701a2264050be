#!/usr/bin/env bash
# tch 0.24.0 takes the numbers of `half::bf16` for float16, in both directions and without an error. `Tensor::from_slice` of bfloat16
# numbers makes a tensor of kind `Half` with the same bits, so that 1.0 becomes 1.875 and 100.0 becomes 3.390625; and of a tensor of kind
# `BFloat16` with 1.0 and 100.0, `Vec::<bf16>::try_from` gives 0.0078125 and 5.277656e13: it is turned into float16 first, whose
# bits are then read as bfloat16. There and back the numbers are the same again, so that a test of the round trip sees nothing. `half::f16` is
# right both ways. Whoever hands bfloat16 pixels or weights to libtorch through tch must copy bytes into a tensor of kind `BFloat16`.
#
# Seen on 2026-11-29 (half 2.7.1, libtorch 2.11.0 of PyTorch's wheel, x86-64):
#   f16 1.0 and 100.0 as a tensor: Half [1.0, 100.0]
#   bf16 1.0 and 100.0 as a tensor: Half [1.875, 3.390625]
#   a BFloat16 tensor of 1.0 and 100.0 as f16: [1.0, 100.0]
#   a BFloat16 tensor of 1.0 and 100.0 as bf16: [0.0078125, 52776560000000.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6 setuptools==80.9.0
mkdir -p "$folder/half/src"
cat > "$folder/half/Cargo.toml" <<'TOML'
[package]
name = "half-numbers"
version = "0.0.0"
edition = "2024"

[dependencies]
tch = { version = "=0.24.0", default-features = false }
half = "=2.7.1"
TOML
cat > "$folder/half/src/main.rs" <<'RS'
use half::{bf16, f16};
use tch::{Kind, Tensor};

fn numbers(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float)).expect("float32")
}

fn main() {
    let values = [1.0f32, 100.0];
    let of_f16 = Tensor::from_slice(&values.map(f16::from_f32));
    let of_bf16 = Tensor::from_slice(&values.map(bf16::from_f32));
    println!("f16 1.0 and 100.0 as a tensor: {:?} {:?}", of_f16.kind(), numbers(&of_f16));
    println!("bf16 1.0 and 100.0 as a tensor: {:?} {:?}", of_bf16.kind(), numbers(&of_bf16));
    let tensor = Tensor::from_slice(&values).to_kind(Kind::BFloat16);
    let as_f16: Vec<f32> = Vec::<f16>::try_from(&tensor).expect("numbers").into_iter().map(f16::to_f32).collect();
    let as_bf16: Vec<f32> = Vec::<bf16>::try_from(&tensor).expect("numbers").into_iter().map(bf16::to_f32).collect();
    println!("a BFloat16 tensor of 1.0 and 100.0 as f16: {as_f16:?}");
    println!("a BFloat16 tensor of 1.0 and 100.0 as bf16: {as_bf16:?}");
    let as_seen = of_bf16.kind() == Kind::Half
        && numbers(&of_bf16) == [1.875, 3.390625]
        && numbers(&of_f16) == [1.0, 100.0]
        && as_f16 == [1.0, 100.0]
        && as_bf16 == [0.0078125, 52776558133248.0];
    std::process::exit(i32::from(!as_seen));
}
RS
export PATH="$folder/venv/bin:$PATH" LIBTORCH_USE_PYTORCH=1
libraries=$(python -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
cargo build --quiet --release --manifest-path "$folder/half/Cargo.toml"
LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$folder/half/target/release/half-numbers"
