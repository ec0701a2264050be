#!/bin/sh
# Checks what must be there before anything is downloaded or built: one line for each thing that is not, saying how to
# get it. Changes nothing. With the argument `browser` it looks for the browser that the report's tests need, and only for that.
set -u

missing=0
need() { # what, how to get it on Debian/Ubuntu, Fedora, macOS
    echo "missing: $1; get it with: $2 (Debian, Ubuntu), $3 (Fedora), $4 (macOS)" >&2
    missing=1
}

if [ "${1:-}" = browser ]; then
    for name in ${CHROME:+"$CHROME"} google-chrome-stable google-chrome-beta chromium chromium-browser \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        command -v "$name" >/dev/null && exit 0
    done
    need "Chromium or Chrome, in which the report is tested" \
        "sudo apt-get install chromium" "sudo dnf install chromium" "brew install --cask google-chrome"
    exit "$missing"
fi

oldest_rust=89 # as rust-version in Cargo.toml
if ! rust=$(cargo --version 2>/dev/null); then
    echo "missing: Rust 1.$oldest_rust or newer (cargo); get it with the installer at https://rustup.rs" >&2
    missing=1
else
    minor=$(printf '%s' "$rust" | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
    if [ "${minor:-$oldest_rust}" -lt "$oldest_rust" ]; then
        echo "missing: Rust 1.$oldest_rust or newer (found: $rust); get it with: rustup update" >&2
        missing=1
    fi
fi

# Compiles rather than looks: a compiler without its C++ headers is of no use.
if ! printf '#include <optional>\nint main() { return std::optional<int>(0).value(); }\n' |
    ${CXX:-c++} -std=c++17 -x c++ -fsyntax-only - 2>/dev/null; then
    need "a C++17 compiler (${CXX:-c++})" "sudo apt-get install g++" "sudo dnf install gcc-c++" "xcode-select --install"
fi

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    need "Python 3.8 or newer (python3)" \
        "sudo apt-get install python3" "sudo dnf install python3" "brew install python3"
elif ! python3 -m pip --version >/dev/null 2>&1; then
    need "pip for python3" "sudo apt-get install python3-pip" "sudo dnf install python3-pip" "python3 -m ensurepip"
fi

exit "$missing"
