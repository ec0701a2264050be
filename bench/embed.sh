#!/usr/bin/env bash
# Measures `byol embed` and PyTorch with its DataLoader in turn over JPEG files of the size of photographs; medians and ratios go to
# docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/common.sh
source "$here/bench/common.sh"

usage() {
    cat <<'TEXT'
usage: bench/embed.sh [--data DIR] [--pictures N] [--sides LIST] [--rounds N] [--keep DIR] [--log FILE]
                      [--no-write]

  --data DIR     folder with STL-10's train_X.bin, or with stl10_binary: the images are made of its own (default: data)
  --pictures N   how many JPEG files of 500x375 (default 10000: 800 MB)
  --sides LIST   sides in pixels that the network sees (default 96,224)
  --rounds N     how often every program runs, in turn (default 3)
  --keep DIR     make the JPEG files there, and take those that are there already
  --log FILE     keep every figure there, one JSON object a line
  --no-write     print, but do not write docs/benchmarks.md

environment:
  PEERS_PYTHON     a Python that has bench/peers/requirements.txt
  BYOL             the program (default: cargo run --release --quiet --bin byol --)
  THREADS, WORKERS of the PyTorch program (default: all cores, and 2)
TEXT
}

data=data images=10000 sides=96,224 rounds=3 keep='' log='' document=docs/benchmarks.md
command=$(command_shown "bench/embed.sh${*:+ $*}" | sed -E 's#--keep [^ ]+#--keep DIR#')
while [ $# -gt 0 ]; do
    case $1 in
        --data | --pictures | --sides | --rounds | --keep | --log)
            [ $# -ge 2 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        --no-write) document=- && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "unknown argument '$1'" ;;
    esac
done
check_number --pictures "$images"
check_number --rounds "$rounds"
for side in ${sides//,/ }; do check_number --sides "$side"; done
python=${PEERS_PYTHON:-}
[ -n "$python" ] || fail "name a Python that has bench/peers/requirements.txt with PEERS_PYTHON"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
raw=$(realpath "${log:-"$temporary/raw"}")
photographs=$(realpath -m "${keep:-"$temporary/photographs"}")
data=$(realpath "$data")
cd "$here"
threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)} workers=${WORKERS:-2}
find_byol

"$python" bench/peers/jpegs.py "$data" "$photographs" "$images"
# The network's weights do not change its speed: a run of two steps has it.
for side in ${sides//,/ }; do
    "${byol[@]}" supervised --data patterns --preset demo --quiet --out "$temporary/run$side" --set encoder=resnet18 \
        --set stem=imagenet --set width=1.0 --set "image_size=$side" --set draws=1 --set supervised.warmup_epochs=0 \
        --set supervised.epochs=1 --set supervised.minimum_steps=2 >"$temporary/training"
done
data=$photographs

warn_of_load
"$python" bench/summary.py begin "$raw" embed "$command"
for round in $(seq "$rounds"); do
    for side in ${sides//,/ }; do
        for precision in bf16 fp32; do
            subject="embed, $side px, $precision"
            measure "$subject" byol "${byol[@]}" embed --from "$temporary/run$side" "$photographs" --json --device cpu \
                --precision "$precision" --force --out "$temporary/byol.npy"
            measure "$subject" "PyTorch with its DataLoader" "$python" bench/peers/embed_torch.py "$photographs" \
                --image-size "$side" --precision "$precision" --threads "$threads" --workers "$workers" \
                --out "$temporary/torch.npy"
        done
    done
done
finish "$document"
