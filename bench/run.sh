#!/usr/bin/env bash
# Measures byol and the PyTorch programs in bench/peers in turn on this machine, prints medians and ratios, and writes
# them, with date, machine, commands and every single figure, into the measured section of docs/benchmarks.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bench/run.sh [--data DIR] [--rounds N] [--steps N] [--only SUBJECTS] [--no-write]

  --data DIR       folder with STL-10's train_X.bin, train_y.bin, test_X.bin and test_y.bin, or with stl10_binary
                   (default: data, where `byol data fetch stl10` puts it)
  --rounds N       how often every program runs, in turn (default 3)
  --steps N        steps per run that are counted (default 30)
  --only SUBJECTS  some of pretrain,supervised,augment (default: all three)
  --no-write       print, but leave docs/benchmarks.md as it is

environment:
  PEERS_PYTHON     a Python that has bench/peers/requirements.txt (default: one is made in the cache)
  BYOL             the program (default: cargo run --release --quiet --bin byol --)
  THREADS, WORKERS of the PyTorch programs (default: all cores, and 2)
TEXT
}

fail() {
    echo "bench/run.sh: $*" >&2
    exit 1
}

data=data rounds=3 steps=30 only=pretrain,supervised,augment write=yes
command="bench/run.sh${*:+ $*}"
while [ $# -gt 0 ]; do
    case $1 in
        --data | --rounds | --steps | --only)
            [ $# -ge 2 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        --no-write) write=no && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "unknown argument '$1'" ;;
    esac
done
for number in "$rounds" "$steps"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || fail "'$number' is no number of rounds or steps; it must be at least 1"
done
for subject in ${only//,/ }; do
    [[ $subject =~ ^(pretrain|supervised|augment)$ ]] || fail "--only $subject: choose from pretrain,supervised,augment"
done
[ -d "$data" ] || fail "$data is not a folder; fetch STL-10 with 'byol data fetch stl10' or name it with --data"
data=$(cd "$data" && pwd)
[ -f "$data/train_X.bin" ] || data=$data/stl10_binary
[ -f "$data/train_X.bin" ] || fail "no train_X.bin in ${data%/stl10_binary}; fetch STL-10 with 'byol data fetch stl10'"
cd "$(dirname "$0")/.."
command=$(sed -E 's/--data [^ ]+/--data DIR/' <<<"$command")

threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)} workers=${WORKERS:-2}
read -r -a byol <<<"${BYOL:-cargo run --release --quiet --bin byol --}"

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

load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo 0)
if awk "BEGIN { exit !($load > 0.5) }"; then
    echo "warning: the load average is $load; other programs on this machine disturb the figures" >&2
fi

raw=$(mktemp)
trap 'rm -f "$raw"' EXIT

# measure SUBJECT PROGRAM COMMAND...: the last line that the command prints is its result
measure() {
    local subject=$1 program=$2 line
    shift 2
    line=$("$@" | tail -n 1) || fail "$program failed: $*"
    local shown="$*"
    shown=${shown//"$data"/DIR}
    shown=${shown//"$python"/python}
    shown=${shown/#"${byol[*]}"/byol}
    "$python" bench/summary.py add "$raw" "$subject" "$program" "$round" "$shown" "$line"
}

pretrain() {
    measure pretrain byol "${byol[@]}" bench pretrain --data "$data" --json --steps "$steps" --precision bf16 \
        --set encoder=resnet18 --set stem=imagenet --set width=1.0 --set image_size=96 --set batch_size=64 \
        --set projector_hidden=4096 --set projection_size=256 --set optimizer=adam --set views=paper
    measure pretrain "PyTorch, bf16, channels-last" "$python" bench/peers/pretrain_torch.py --data "$data" \
        --steps "$steps" --precision bf16 --threads "$threads" --workers "$workers"
    measure pretrain "PyTorch, fp32, channels-last" "$python" bench/peers/pretrain_torch.py --data "$data" \
        --steps "$steps" --precision fp32 --threads "$threads" --workers "$workers"
    measure pretrain "lightly, fp32" "$python" bench/peers/pretrain_lightly.py --data "$data" \
        --steps "$steps" --threads "$threads" --workers "$workers"
}

supervised() {
    measure supervised byol "${byol[@]}" bench supervised --preset lab --data "$data" --json --steps "$steps" \
        --precision bf16
    measure supervised "PyTorch, bf16, channels-last" "$python" bench/peers/supervised_torch.py --data "$data" \
        --epochs 1 --images $(((steps + 5) * 128)) --precision bf16 --threads "$threads"
}

augment() {
    local side
    for side in 96 224; do
        measure "augment, $side px" byol "${byol[@]}" bench augment --data "$data" --json --steps 8 \
            --set "image_size=$side" --set batch_size=64 --set views=paper
        measure "augment, $side px" "torchvision v2" "$python" bench/peers/views_torchvision.py --data "$data" \
            --image-size "$side"
    done
}

for round in $(seq "$rounds"); do
    for subject in ${only//,/ }; do
        "$subject"
    done
done
target=docs/benchmarks.md
[ "$write" = yes ] || target=-
"$python" bench/summary.py write "$raw" "$target" "$command"
