#!/usr/bin/env python3
"""Copies the built program to PREFIX/bin and libtorch to PREFIX/lib/byol, where it runs without checkout and cache; manual
pages and completions go to PREFIX/share.

    python3 scripts/install.py [--cuda | --no-cuda] PREFIX

The libraries keep the relative places that they have in their wheels: they find each other by rpaths that start from
where they are. The program's own rpath (crates/byol-cli/build.rs) begins with ../lib/byol/torch/lib.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# Python's, and on Linux the empty library that only ties the CPU and the GPU half together.
NOT_NEEDED = ("libtorch_python.", "libshm", "libtorch_global_deps.", "libtorch.so")
GPU_ONLY = ("libtorch_cuda", "libc10_cuda", "libcaffe2_nvrtc", "libtorch_nvshmem")
# What libtorch's CPU half of a wheel with CUDA cannot be loaded without.
CUDA_TO_LOAD = ("libcudart.so", "libcupti.so")


def main():
    parser = argparse.ArgumentParser(description="Installs the program with the libraries that it needs.")
    parser.add_argument("--cuda", action="store_true", default=None, help="the CUDA libraries must be there")
    parser.add_argument("--no-cuda", dest="cuda", action="store_false", help="leave the CUDA libraries out")
    parser.add_argument("prefix", type=Path)
    arguments = parser.parse_args()

    program = built_program()
    torch = libtorch()
    nvidia = torch.parent / "nvidia"
    has_cuda = (nvidia / "cudnn").is_dir()
    if arguments.cuda and not has_cuda:
        sys.exit("install: the CUDA libraries are not there; run `make libtorch CUDA=1` first")
    cuda = has_cuda if arguments.cuda is None else arguments.cuda

    prefix = arguments.prefix.expanduser().absolute()
    libraries = prefix / "lib/byol"
    fresh = libraries.with_name("byol.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for source in wanted(torch, nvidia, cuda):
        target = fresh / source.relative_to(torch.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)

    # Whole or not at all; a program that is running keeps the files that it has opened.
    old = libraries.with_name("byol.old")
    shutil.rmtree(old, ignore_errors=True)
    if libraries.exists():
        libraries.rename(old)
    fresh.rename(libraries)
    shutil.rmtree(old, ignore_errors=True)
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, prefix / "bin/byol.new")
    os.replace(prefix / "bin/byol.new", prefix / "bin/byol")

    install_help(prefix)

    size = sum(path.stat().st_size for path in libraries.rglob("*") if path.is_file()) // 10**6
    print(f"install: {prefix}/bin/byol and {libraries} ({size} MB, {'with' if cuda else 'without'} CUDA)")


def install_help(prefix):
    """Manual pages, and completions for the shells that look for them under PREFIX/share."""
    program, share = prefix / "bin/byol", prefix / "share"
    run(program, "man", "--out", share / "man/man1")
    for shell, name in [
        ("bash", "bash-completion/completions/byol"),
        ("fish", "fish/vendor_completions.d/byol.fish"),
        ("zsh", "zsh/site-functions/_byol"),
    ]:
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(run(program, "completions", shell))


def run(*command):
    """What the installed program prints: it starts without the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ran.returncode != 0:
        sys.exit(f"install: the installed program does not start: {ran.stderr.strip()}")
    return ran.stdout


def built_program():
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )
    program = Path(json.loads(metadata.stdout)["target_directory"]) / "release/byol"
    if not program.is_file():
        sys.exit(f"install: {program} is not there; run `make build` first")
    return program


def libtorch():
    """The `torch` folder that the program was built against."""
    sdk = Path(os.environ.get("LIBTORCH") or CHECKOUT / ".libtorch")
    name = "libtorch_cpu.dylib" if platform.system() == "Darwin" else "libtorch_cpu.so"
    library = sdk / "lib" / name
    if not library.is_file():
        sys.exit(f"install: {library} is not there; run `make libtorch` first")
    return library.resolve().parent.parent


def wanted(torch, nvidia, cuda):
    for path in sorted((torch / "lib").iterdir()):
        skipped = NOT_NEEDED + (() if cuda else GPU_ONLY)
        if path.is_file() and is_library(path) and not path.name.startswith(skipped):
            yield path
    for path in sorted(nvidia.glob("*/lib/*")):
        if path.is_file() and is_library(path) and (cuda or path.name.startswith(CUDA_TO_LOAD)):
            yield path
    for path in sorted(torch.parent.glob("*.dist-info/licenses/*")):
        if path.parts[-3].startswith(("torch-", "nvidia_")):
            yield path


def is_library(path):
    return ".so" in path.suffixes or path.suffix == ".dylib"


if __name__ == "__main__":
    main()
