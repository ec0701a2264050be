#!/bin/sh
# Checks licences, sources and known vulnerabilities of the dependencies with cargo-deny (deny.toml), which it builds
# into the cache once. What cannot be checked without the network is said in one line and does not fail.
set -eu

version=0.20.2
tools=${BYOL_CACHE:?set by the Makefile}/tools
deny=$tools/bin/cargo-deny

skip() {
    echo "audit: NOT CHECKED: $1" >&2
}

if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
    echo "audit: building cargo-deny $version into $tools (once, about two minutes)"
    # Unoptimised it is built in a third of the time and still runs in a second.
    if ! CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR="$tools/build" \
        cargo install --quiet --locked --debug --force --version "$version" --root "$tools" cargo-deny; then
        skip "licences, sources, advisories (cargo-deny could not be had, see above)"
        exit 0
    fi
    rm -rf "$tools/build"
fi

# The crates of the other platforms are needed too: their licences count.
if cargo fetch --quiet; then
    "$deny" --offline check bans licenses sources
else
    skip "licences and sources (some crates are not on this machine and could not be fetched, see above)"
fi

# Without the network, an advisory database that was fetched earlier is better than none.
databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if ! message=$("$deny" fetch db 2>&1); then
    reason=$(printf '%s' "$message" | grep -v '^$' | tail -n 1)
    if ! ls -d "$databases"/*/crates >/dev/null 2>&1; then
        skip "advisories ($reason)"
        exit 0
    fi
    echo "audit: the advisory database is as old as $(ls -dt "$databases"/*/ | head -n 1): $reason" >&2
fi
"$deny" --offline check advisories
