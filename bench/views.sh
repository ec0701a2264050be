#!/usr/bin/env bash
# Whether averaging over several views pays: how many labelled images `byol predict --views` 1, 2 and 10 answer rightly, and how fast.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/common.sh
source "$here/bench/common.sh"

case ${1:-} in
    '' | -h | --help)
        cat <<'TEXT'
usage: bench/views.sh RUN FOLDER [OPTIONS of byol predict]

  RUN            a finished run
  FOLDER         labelled images that it was not trained on: class folders, or a table, with its classes

environment:
  BYOL           the program (default: cargo run --release --quiet --bin byol --)
TEXT
        exit 0
        ;;
esac
[ $# -ge 2 ] || fail "give a run and a folder of labelled images"
run=$1 folder=$2
shift 2
find_byol
for views in 1 2 10; do
    "${byol[@]}" predict --from "$run" "$folder" --views "$views" --json --quiet "$@" | python3 -c '
import json, sys
ended = json.loads(sys.stdin.readlines()[-1])
images, right = ended.get("labelled", 0), ended.get("right", 0)
if not images:
    sys.exit("no labels were found in the folder: its classes must be named as those of the run")
views, speed = ended["views"], ended["images_per_second"]
print(f"{views:>2} views: right on {right} of {images} ({100 * right / images:.2f} %), {speed:.1f} images/s")'
done
