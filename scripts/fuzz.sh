#!/bin/sh
# Fuzzes every target in fuzz/ for a bounded time (FUZZ_SECONDS each, by default 10), beginning with the committed corpus. cargo-fuzz
# is built into the cache once. libFuzzer's instrumentation needs compiler flags that stable Rust allows only with
# RUSTC_BOOTSTRAP. What could not be run is said in one line and does not fail; what a target finds does.
set -eu
cd "$(dirname "$0")/.."

version=0.13.1
seconds=${FUZZ_SECONDS:-10}
cache=${BYOL_CACHE:?set by the Makefile}
tools=$cache/tools

if [ "$("$tools/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    echo "fuzz: building cargo-fuzz $version into $tools (once)"
    if ! CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR="$tools/build" \
        cargo install --quiet --locked --debug --force --version "$version" --root "$tools" cargo-fuzz; then
        echo "fuzz: NOT RUN: cargo-fuzz could not be had, see above" >&2
        exit 0
    fi
    rm -rf "$tools/build"
fi

export RUSTC_BOOTSTRAP=1 PATH="$tools/bin:$PATH"
# Instrumented code is kept apart from the rest.
export CARGO_TARGET_DIR="$cache/fuzz-target"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo fuzz build --sanitizer none
for target in $(cargo fuzz list); do
    echo "fuzz: $target, $seconds s"
    # Findings go to fuzz/artifacts; new inputs to a folder that is thrown away.
    mkdir "$scratch/$target"
    if ! cargo fuzz run --sanitizer none "$target" "$scratch/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -verbosity=0 -print_final_stats=1 \
        2>"$scratch/log"; then
        cat "$scratch/log" >&2
        echo "fuzz: $target found something; the input is in fuzz/artifacts/$target" >&2
        exit 1
    fi
    grep -E 'stat::(number_of_executed_units|peak_rss_mb)' "$scratch/log" || true
done
