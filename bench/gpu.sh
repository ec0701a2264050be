#!/usr/bin/env bash
# Measures byol and the PyTorch programs in bench/peers in turn on this machine's NVIDIA GPU, prints medians and ratios, and
# writes them, with date, machine, commands and every single figure, into a section of docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/common.sh
source "$here/bench/common.sh"

usage() {
    cat <<'TEXT'
usage: bench/gpu.sh [--data DIR] [--quick] [--rounds N] [--budget SECONDS] [--only GROUPS] [--log FILE]
                    [--document FILE | --no-write]

  --data DIR        folder with STL-10's train_X.bin and train_y.bin, or with stl10_binary, or with image files, which are
                    then written as such a set once, for all programs (default: data)
  --quick           one round of the most telling programs, in about four minutes (--budget 240)
  --rounds N        how often every program runs, in turn (default 3; with --quick 1)
  --budget SECONDS  start nothing after so many seconds, and stop what then runs (default: none)
  --only GROUPS     some of main,batches,epoch,others,compute, in this order (default: all); main and others
                    are batch 512, compute is without data
  --log FILE        keep every figure there as it comes, one JSON object a line; `python bench/summary.py write FILE
                    docs/benchmarks.md` makes the section of it later
  --document FILE   write there (default: docs/benchmarks.md)
  --no-write        print, but write no document

environment:
  PEERS_PYTHON      a Python that has torch and torchvision (default: python3); kornia and lightly are used if it has them
  BYOL              the program, of several words if need be: 'env LD_LIBRARY_PATH=DIR DIR/byol'
                    (default: cargo run --release --quiet --bin byol --)
  DEVICE            cuda, or cpu to try this script out
TEXT
}

data=data quick='' rounds='' budget='' only=main,batches,epoch,others,compute log='' document=docs/benchmarks.md
command=$(command_shown "bench/gpu.sh${*:+ $*}")
while [ $# -gt 0 ]; do
    case $1 in
        --data | --rounds | --budget | --only | --log | --document)
            [ $# -ge 2 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        --quick) quick=yes && shift ;;
        --no-write) document=- && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && fail "unknown argument '$1'" ;;
    esac
done
rounds=${rounds:-${quick:+1}} && rounds=${rounds:-3}
budget=${budget:-${quick:+240}}
check_number --rounds "$rounds"
[ -z "$budget" ] || check_number --budget "$budget"
for group in ${only//,/ }; do
    [[ $group =~ ^(main|batches|epoch|others|compute)$ ]] || fail "--only $group: choose from main,batches,epoch,others,compute"
done
[ -d "$data" ] || fail "$data is not a folder; name one with --data"
data=$(cd "$data" && pwd)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
raw=$(realpath "${log:-"$temporary/raw"}")
[ "$document" = - ] || [ "$document" = docs/benchmarks.md ] || document=$(realpath "$document")
cd "$here"

python=${PEERS_PYTHON:-python3} device=${DEVICE:-cuda}
find_byol
[ "$device" = cpu ] || nvidia-smi --list-gpus >&2 || fail "there is no NVIDIA GPU that nvidia-smi can see"
watch=("$python" bench/busy.py)

if [ -f "$data/stl10_binary/train_X.bin" ]; then
    data=$data/stl10_binary
elif [ ! -f "$data/train_X.bin" ]; then
    "$python" bench/peers/images.py "$data" "$temporary/stl10_binary" >&2
    data=$temporary/stl10_binary
fi

has() {
    "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)" && return
    echo "skipped: what needs $1, for $python has no such package" >&2
    return 1
}
has_kornia='' has_lightly='' has_set_size=''
! has kornia || has_kornia=yes
! has lightly || has_lightly=yes
if "${byol[@]}" bench --help 2>/dev/null | grep -q -e --set-size; then
    has_set_size=yes
else
    echo "skipped: the epoch of 100,000 images, for byol bench has no --set-size" >&2
fi

# Images that are counted per run at each batch size, for programs that are not held up by their loaders.
counted=${COUNTED:-${quick:+40960}} && counted=${counted:-81920}
loaded_steps=${LOADED_STEPS:-20}

# timed SUBJECT PROGRAM COMMAND...: measures within the budget
timed() {
    limit=300
    if [ -n "$budget" ]; then
        local left=$((budget - SECONDS))
        if [ "$left" -lt 15 ]; then
            echo "skipped: $1, $2, for the $budget s are nearly over" >&2
            return
        fi
        [ "$left" -ge "$limit" ] || limit=$left
    fi
    measure "$@"
}

# ours SUBJECT BATCH STEPS ARGUMENT...
ours() {
    # shellcheck disable=SC2046
    timed "$1" byol "${byol[@]}" bench pretrain --data "$data" --json --device "$device" --precision bf16 --steps "$3" \
        $(networks "$2") "${@:4}"
}

# torch SUBJECT PROGRAM BATCH STEPS ARGUMENT...
torch() {
    timed "$1" "PyTorch $2" "$python" bench/peers/pretrain_torch.py --data "$data" --device "$device" --precision bf16 \
        --batch-size "$3" --steps "$4" "${@:5}"
}

graphs=--cuda-graphs
[ "$device" = cuda ] || graphs=

steps=$((counted / 512 + 1))

main() {
    local subject="gpu pretrain, batch 512"
    ours "$subject" 512 "$steps"
    torch "$subject" "tuned, views on the GPU, compiled, CUDA graph" 512 "$steps" --augment batched --compile $graphs
    torch "$subject" "tuned, 16 workers" 512 "$loaded_steps" --workers 16
    [ -z "$has_lightly" ] || timed "$subject" "lightly, fp32, 8 workers" "$python" bench/peers/pretrain_lightly.py \
        --data "$data" --device "$device" --workers 8 --batch-size 512 --steps "$loaded_steps"
}

batches() {
    local batch subject
    for batch in 64 128 256 1024; do
        subject="gpu pretrain, batch $batch"
        ours "$subject" "$batch" $((counted / batch + 1))
        [ -n "$quick" ] || torch "$subject" "tuned, views on the GPU, compiled, CUDA graph" "$batch" \
            $((counted / batch + 1)) --augment batched --compile $graphs
    done
}

epoch() {
    [ -n "$has_set_size" ] || return 0
    local subject="gpu epoch"
    ours "$subject" 512 195 --set-size 100000
    torch "$subject" "tuned, views on the GPU, compiled, CUDA graph" 512 195 --set-size 100000 --augment batched \
        --compile $graphs
}

others() {
    local subject="gpu pretrain, batch 512"
    [ -z "$has_kornia" ] ||
        torch "$subject" "tuned, kornia's views on the GPU" 512 "$loaded_steps" --augment kornia
    torch "$subject" "tuned, views on the GPU, CUDA graph" 512 "$steps" --augment batched $graphs
    [ -z "$quick" ] || return 0
    torch "$subject" "tuned, views on the GPU" 512 "$steps" --augment batched
    torch "$subject" "tuned, views on the GPU, compiled" 512 "$steps" --augment batched --compile
    torch "$subject" "tuned, views on the GPU, compiled by max-autotune, CUDA graph" 512 "$steps" --augment batched \
        --compile max-autotune-no-cudagraphs $graphs
    [ -z "$has_kornia" ] || torch "$subject" "tuned, kornia's views on the GPU, compiled, CUDA graph" 512 "$loaded_steps" \
        --augment kornia --compile $graphs
    torch "$subject" "tuned, torchvision v2's views on the GPU" 512 5 --augment torchvision --warmup-steps 3
    torch "$subject" "tuned, 8 workers" 512 "$loaded_steps" --workers 8
    torch "$subject" "tuned, 16 workers, compiled, CUDA graph" 512 "$loaded_steps" --workers 16 --compile $graphs
    torch "$subject" "as its users write it, 8 workers" 512 "$loaded_steps" --workers 8 --plain
}

compute() {
    [ -z "$quick" ] || return 0
    local subject="gpu compute"
    torch "$subject" "tuned" 512 "$steps" --no-data
    torch "$subject" "tuned, compiled, CUDA graph" 512 "$steps" --no-data --compile $graphs
}

"$python" bench/summary.py begin "$raw" gpu "$command"
for round in $(seq "$rounds"); do
    for group in ${only//,/ }; do
        "$group"
    done
done
finish "$document"
