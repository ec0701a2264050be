#!/usr/bin/env bash
# PyTorch 2.11.0 says that it supports bfloat16 on Intel's Sapphire Rapids whose AMX is hidden, as virtual machines may do: the
# processor lists avx512_bf16, whose instruction takes twice as many products as a float32 multiply-add. Yet matrix products and
# convolutions in bfloat16 take nearly twice as long there as in float32, before anything is cast. On AMD's Zen 5, which lists the
# same flag, bfloat16 is the faster one. So neither the flag nor `is_mkldnn_bf16_supported` tells which precision to train in.
#
# Seen on 2026-11-30 (Python 3.11, Sapphire Rapids without amx_bf16, one thread): bfloat16's time by float32's
#   supported: True
#   matrix product of 1024: 1.83
#   3x3 convolution of 128 channels: 1.91
#
# On any other processor this has nothing to measure, says so and ends with 0.
set -euo pipefail
flags=$(sed -n 's/^flags[^:]*: //p;T;q' /proc/cpuinfo)
if ! grep -q GenuineIntel /proc/cpuinfo || [[ " $flags " != *" avx512_fp16 "* ]] || [[ " $flags " == *" amx_bf16 "* ]]; then
    echo "not an Intel processor with AVX-512 for float16 and without AMX: nothing to see here"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import statistics
import sys
import time

import torch

torch.set_num_threads(1)


def seconds(compute):
    compute()
    taken = []
    for _ in range(15):
        begun = time.process_time()
        compute()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def ratio(name, of_kind):
    taken = {kind: seconds(of_kind(kind)) for kind in (torch.float32, torch.bfloat16)}
    found = taken[torch.bfloat16] / taken[torch.float32]
    print(f"{name}: {found:.2f}")
    return found


def product(kind):
    a, b = torch.randn(1024, 1024).to(kind), torch.randn(1024, 1024).to(kind)
    return lambda: a @ b


def convolution(kind):
    images = torch.randn(32, 128, 28, 28).to(kind).to(memory_format=torch.channels_last)
    filters = torch.randn(128, 128, 3, 3).to(kind).to(memory_format=torch.channels_last)
    return lambda: torch.nn.functional.conv2d(images, filters, padding=1)


torch.manual_seed(0)
print("supported:", torch.ops.mkldnn._is_mkldnn_bf16_supported())
with torch.no_grad():
    ratios = [ratio("matrix product of 1024", product), ratio("3x3 convolution of 128 channels", convolution)]
sys.exit(not torch.ops.mkldnn._is_mkldnn_bf16_supported() or min(ratios) < 1.1)
PY
