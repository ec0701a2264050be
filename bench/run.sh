#!/usr/bin/env bash
# Measures byol and the PyTorch programs in bench/peers in turn on this machine's CPU, prints medians and ratios, and writes
# them, with date, machine, commands and every single figure, into a section of docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/common.sh
source "$here/bench/common.sh"

usage() {
    cat <<'TEXT'
usage: bench/run.sh [--data DIR] [--rounds N] [--steps N] [--only SUBJECTS] [--log FILE] [--no-write]

  --data DIR       folder with STL-10's train_X.bin, train_y.bin, test_X.bin and test_y.bin, or with stl10_binary
                   (default: data, where `byol data fetch stl10` puts it)
  --rounds N       how often every program runs, in turn (default 3)
  --steps N        steps per run that are counted (default 30)
  --only SUBJECTS  some of pretrain,fp32,loaded,supervised,augment,photographs,ranks (default: all but ranks); fp32 is
                   pre-training in float32 on a processor that has bf16, loaded is pre-training beside two and eight busy
                   processes, photographs are JPEG files of 12 megapixels, ranks is pre-training by 1, 2 and 4 processes
                   that share the cores, beside DistributedDataParallel over Gloo
  --log FILE       keep every figure there, one JSON object a line
  --no-write       print, but leave docs/benchmarks.md as it is

environment:
  PEERS_PYTHON     a Python that has bench/peers/requirements.txt (default: one is made in the cache)
  BYOL             the program (default: cargo run --release --quiet --bin byol --)
  THREADS, WORKERS of the PyTorch programs (default: all cores, and 2)
  PHOTOGRAPHS      how many files of 12 megapixels are made (default 24)

Variants with tcmalloc need libtcmalloc_minimal (Debian: libtcmalloc-minimal4), compiled ones a C++ compiler; without,
they are skipped with a message. A program that fails is reported and left out.
TEXT
}

data=data rounds=3 steps=30 only=pretrain,fp32,loaded,supervised,augment,photographs log='' document=docs/benchmarks.md
command=$(command_shown "bench/run.sh${*:+ $*}")
while [ $# -gt 0 ]; do
    case $1 in
        --data | --rounds | --steps | --only | --log)
            [ $# -ge 2 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        --no-write) document=- && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "unknown argument '$1'" ;;
    esac
done
check_number --rounds "$rounds"
check_number --steps "$steps"
for subject in ${only//,/ }; do
    [[ $subject =~ ^(pretrain|fp32|loaded|supervised|augment|photographs|ranks)$ ]] ||
        fail "--only $subject: choose from pretrain,fp32,loaded,supervised,augment,photographs,ranks"
done
[ -d "$data" ] || fail "$data is not a folder; fetch STL-10 with 'byol data fetch stl10' or name it with --data"
data=$(cd "$data" && pwd)
[ -f "$data/train_X.bin" ] || data=$data/stl10_binary
[ -f "$data/train_X.bin" ] || fail "no train_X.bin in ${data%/stl10_binary}; fetch STL-10 with 'byol data fetch stl10'"
temporary=$(mktemp -d)
busy=()
# Ends the busy processes, if any.
rest() {
    [ ${#busy[@]} = 0 ] || kill "${busy[@]}" 2>/dev/null || true
    busy=()
}
trap 'rest; rm -rf "$temporary"' EXIT
raw=$(realpath "${log:-"$temporary/raw"}")
cd "$here"

threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)} workers=${WORKERS:-2}
find_byol

python=${PEERS_PYTHON:-}
if [ -z "$python" ]; then
    cache=${BYOL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/byol}
    wanted=$(cksum <bench/peers/requirements.txt | cut -d' ' -f1)
    environment=$cache/peers-$wanted
    python=$environment/bin/python
    if [ ! -f "$environment/complete" ]; then
        echo "making the peers' Python environment in $environment (PyTorch: several GB)" >&2
        python3 -m venv --clear "$environment"
        "$python" -m pip install --quiet --requirement bench/peers/requirements.txt
        touch "$environment/complete"
    fi
fi

tcmalloc=$( (ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true) |
    sed -n 's/.*libtcmalloc_minimal\.so\.[0-9]* .* => //p' | head -n 1)
for place in /usr/lib/*/libtcmalloc_minimal.so.4 /usr/lib/libtcmalloc_minimal.so.4 /usr/lib64/libtcmalloc_minimal.so.4; do
    [ -n "$tcmalloc" ] || [ ! -f "$place" ] || tcmalloc=$place
done
[ -n "$tcmalloc" ] || echo "skipped: the variants with tcmalloc, for libtcmalloc_minimal.so is not installed" >&2
compiler=$(command -v "${CXX:-g++}" || command -v clang++ || true)
[ -n "$compiler" ] || echo "skipped: the compiled variants, for there is no C++ compiler" >&2

# with_tcmalloc SUBJECT PROGRAM COMMAND...
with_tcmalloc() {
    [ -z "$tcmalloc" ] || measure "$1" "$2, tcmalloc" env "LD_PRELOAD=$tcmalloc" "${@:3}"
}

# What byol chooses by itself on this processor, and whether PyTorch has instructions for bf16, which may be the slower type.
precision=$("${byol[@]}" bench pretrain --preset demo --device cpu --steps 1 --json |
    "$python" -c 'import json, sys; print(json.loads(sys.stdin.readlines()[-1])["hardware"].split(", ")[-1])')
has_bf16=$(grep -qw avx512_bf16 /proc/cpuinfo 2>/dev/null && echo yes || true)

pretrain() {
    local peer=("$python" bench/peers/pretrain_torch.py --data "$data" --steps "$steps" --threads "$threads"
        --workers "$workers")
    # shellcheck disable=SC2046
    measure pretrain byol "${byol[@]}" bench pretrain --data "$data" --json --steps "$steps" --device cpu \
        --precision "$precision" $(networks 64)
    measure pretrain "PyTorch as its users write it, $precision" "${peer[@]}" --precision "$precision" --plain
    [ "$precision" = fp32 ] || measure pretrain "PyTorch tuned, fp32" "${peer[@]}" --precision fp32
    [ "$precision" = bf16 ] || [ -z "$has_bf16" ] || measure pretrain "PyTorch tuned, bf16" "${peer[@]}" --precision bf16
    measure pretrain "PyTorch tuned, $precision" "${peer[@]}" --precision "$precision"
    with_tcmalloc pretrain "PyTorch tuned, $precision" "${peer[@]}" --precision "$precision"
    if [ -n "$compiler" ]; then
        measure pretrain "PyTorch tuned, $precision, compiled" "${peer[@]}" --precision "$precision" --compile
        with_tcmalloc pretrain "PyTorch tuned, $precision, compiled" "${peer[@]}" --precision "$precision" --compile
    fi
    measure pretrain "lightly, fp32" "$python" bench/peers/pretrain_lightly.py --data "$data" \
        --steps "$steps" --threads "$threads" --workers "$workers"
}

# Pre-training in float32, where `pretrain` is in bf16.
fp32() {
    [ "$precision" != fp32 ] || return 0
    local peer=("$python" bench/peers/pretrain_torch.py --data "$data" --steps "$steps" --threads "$threads"
        --workers "$workers" --precision fp32)
    # shellcheck disable=SC2046
    measure "pretrain, fp32" byol "${byol[@]}" bench pretrain --data "$data" --json --steps "$steps" --device cpu \
        --precision fp32 $(networks 64)
    measure "pretrain, fp32" "PyTorch tuned, fp32" "${peer[@]}"
    with_tcmalloc "pretrain, fp32" "PyTorch tuned, fp32" "${peer[@]}"
    [ -z "$compiler" ] || measure "pretrain, fp32" "PyTorch tuned, fp32, compiled" "${peer[@]}" --compile
}

# Pre-training by several processes with equal shares of the cores and of each batch: statistics of batch norm are those of all in
# byol, and each process's own in the others, where PyTorch has none of all on CPUs.
ranks() {
    local count each
    for count in 1 2 4; do
        each=$((threads / count > 0 ? threads / count : 1))
        local torchrun=("$python" -m torch.distributed.run --nproc-per-node "$count" --master-port 29511)
        local peers=(--data "$data" --steps "$steps" --threads "$each" --workers 1)
        # shellcheck disable=SC2046
        measure "pretrain, $count processes" byol "${torchrun[@]}" --no-python "${byol[@]}" bench pretrain --data "$data" \
            --json --steps "$steps" --device cpu --threads "$each" --precision "$precision" $(networks 64)
        measure "pretrain, $count processes" "PyTorch tuned, $precision" "${torchrun[@]}" bench/peers/pretrain_torch.py \
            "${peers[@]}" --precision "$precision"
        measure "pretrain, $count processes" "lightly, fp32" "${torchrun[@]}" bench/peers/pretrain_lightly.py "${peers[@]}"
    done
}

# Pre-training while other processes want the cores, the same ones for every program.
loaded() {
    local count fewer=$(((steps + 4) / 5))
    local peer=("$python" bench/peers/pretrain_torch.py --data "$data" --steps "$fewer" --threads "$threads"
        --workers "$workers" --precision "$precision")
    for count in 2 8; do
        for _ in $(seq "$count"); do
            sh -c 'while :; do :; done' &
            busy+=($!)
        done
        # shellcheck disable=SC2046
        measure "pretrain, beside $count" byol "${byol[@]}" bench pretrain --data "$data" --json --steps "$fewer" \
            --device cpu --precision "$precision" $(networks 64)
        measure "pretrain, beside $count" "PyTorch tuned, $precision" "${peer[@]}"
        with_tcmalloc "pretrain, beside $count" "PyTorch tuned, $precision" "${peer[@]}"
        rest
    done
}

supervised() {
    local peer=("$python" bench/peers/supervised_torch.py --data "$data" --steps "$steps" --precision "$precision"
        --threads "$threads" --workers "$workers")
    measure supervised byol "${byol[@]}" bench supervised --preset lab --data "$data" --json --steps "$steps" \
        --device cpu --precision "$precision"
    measure supervised "PyTorch with its loader, $precision" "${peer[@]}" --loader
    with_tcmalloc supervised "PyTorch with its loader, $precision" "${peer[@]}" --loader
    measure supervised "PyTorch, images in memory, $precision" "${peer[@]}"
    with_tcmalloc supervised "PyTorch, images in memory, $precision" "${peer[@]}"
    [ -z "$compiler" ] || measure supervised "PyTorch, images in memory, $precision, compiled" "${peer[@]}" --compile
}

augment() {
    local side
    for side in 96 224; do
        local peer=("$python" bench/peers/views_torchvision.py --data "$data" --image-size "$side")
        measure "augment, $side px" byol "${byol[@]}" bench augment --data "$data" --json --steps 64 \
            --set "image_size=$side" --set batch_size=64 --set views=paper
        measure "augment, $side px" "torchvision v2" "${peer[@]}"
        with_tcmalloc "augment, $side px" "torchvision v2" "${peer[@]}"
    done
}

photographs() {
    local name files=("$python" bench/photographs.py "$temporary/photographs" --images "${PHOTOGRAPHS:-24}" --json)
    measure photographs byol "${files[@]}" --only pack --byol "${byol[*]}"
    for name in draft pillow vips torchvision; do
        measure photographs "${photograph_peers[$name]}" "${files[@]}" --only "$name"
    done
}
declare -A photograph_peers=([draft]="Pillow with draft" [pillow]=Pillow [vips]="pyvips, shrink on load"
    [torchvision]="torchvision decode_jpeg")

warn_of_load
"$python" bench/summary.py begin "$raw" cpu "$command"
for round in $(seq "$rounds"); do
    for subject in ${only//,/ }; do
        "$subject"
    done
done
finish "$document"
