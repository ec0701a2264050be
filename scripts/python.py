#!/usr/bin/env python3
"""Makes the Python environment that the tests of exported networks and event files run in, once, in the user's cache,
and points this checkout at it (.python).

    python3 scripts/python.py

It holds PyTorch, torchvision, ONNX, ONNX Runtime and TensorBoard, pinned by their SHA-256 in python-requirements.txt. On
Linux PyTorch's wheel does not load without 2 GB of CUDA libraries that nothing on a CPU calls; here small stand-ins that
export their names take their place, so that of CUDA only its compiler NVRTC comes along, with which a test compiles the
kernels. A GPU is not used.

Environment: BYOL_CACHE (as for scripts/libtorch.py), BYOL_PYTHON (a Python that has these packages, to use instead).

What must not be here: anything that needs a Python package other than pip.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from libtorch import CHECKOUT, Failed, cache_folder, link, locked

REQUIREMENTS = Path(__file__).with_name("python-requirements.txt")
VERSIONS = [(3, minor) for minor in range(11, 15)]
MEGABYTES = 750

# The CUDA libraries that stand-ins are made for, and how the names of their functions begin. The CUDA runtime and CUPTI
# are not among them: they are called when PyTorch is loaded.
LIBRARY = re.compile(r"lib(cublas|cublasLt|cudnn|cufft|cufile|curand|cusolver|cusparse|cusparseLt|nccl|nvshmem_host)\.so")
FUNCTION = re.compile(r"(cublas|cudnn|cufft|cuFile|curand|cusolver|cusparse|nccl|nvshmem)\w*$")


def say(text):
    print(f"python: {text}", flush=True)


def main():
    chosen = os.environ.get("BYOL_PYTHON")
    if chosen:
        python = Path(shutil.which(chosen) or chosen).absolute()
        check(python)
        return
    if sys.version_info[:2] not in VERSIONS:
        raise Failed(
            f"the tests of exported networks need Python 3.11 to 3.14, and python3 is {platform.python_version()}; set "
            "BYOL_PYTHON to a Python that has scripts/python-requirements.txt"
        )
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "python.lock"):
        folder = cache / f"python-{wanted()}"
        if not (folder / "complete").is_file():
            make(folder)
    link(CHECKOUT / ".python", folder)


def wanted():
    """Tells environments apart: by what is in them, and by the Python that they were made with."""
    text = REQUIREMENTS.read_bytes() + Path(__file__).read_bytes() + f"{sys.version} {sys.executable}".encode()
    return hashlib.sha256(text).hexdigest()[:12]


def make(folder):
    free = shutil.disk_usage(folder.parent).free // 10**6
    if free < 4 * MEGABYTES:
        raise Failed(f"{folder.parent} has {free} MB free and {4 * MEGABYTES} are needed")
    say(f"making {folder} with PyTorch and ONNX Runtime for the tests of exported networks ({MEGABYTES} MB to download)")
    shutil.rmtree(folder, ignore_errors=True)
    # The system's pip installs: Debian's Python has none of its own for new environments.
    venv.create(folder)
    python = folder / "bin/python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
               "--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", REQUIREMENTS]
    if subprocess.run(command).returncode != 0:
        raise Failed(
            f"the packages of {REQUIREMENTS.relative_to(CHECKOUT)} cannot be installed (pip's message is above); run the "
            "command again when the network is back, or set BYOL_PYTHON to a Python that has them"
        )
    if platform.system() == "Linux":
        stand_in(next((folder / "lib").glob("python3*")) / "site-packages")
    check(python)
    (folder / "complete").touch()
    say("done")


def stand_in(site):
    """Libraries that export the names which PyTorch takes from CUDA's, and end the program when one is called."""
    libraries = [path for path in (site / "torch/lib").iterdir() if ".so" in path.name]
    needed, names = set(), set()
    for library in libraries:
        headers = run("objdump", "-p", library)
        needed.update(filter(LIBRARY.match, re.findall(r"NEEDED\s+(\S+)", headers)))
        undefined = run("nm", "-D", "--undefined-only", library)
        names.update(name for name in re.findall(r"\s[Uw]\s+(\w+)", undefined) if FUNCTION.match(name))
    place = site / "nvidia/cu13/lib"
    place.mkdir(parents=True, exist_ok=True)
    source = place / "stand-in.c"
    source.write_text("#include <stdlib.h>\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in sorted(names)))
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "clang"
    for name in sorted(needed):
        run(compiler, "-shared", "-fPIC", "-O1", "-w", f"-Wl,-soname,{name}", "-o", place / name, source)


def run(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Failed(f"'{command[0]}' is not there; install binutils and a C compiler") from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"{command[0]} failed: {error.stderr.strip()}") from None


def check(python):
    program = "import numpy, onnx, onnxruntime, PIL, safetensors.torch, tensorboard, torch, torchvision; print(torch.__version__)"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True)
    if found.returncode != 0:
        reason = (found.stderr.strip().splitlines() or ["it cannot be started"])[-1]
        raise Failed(f"{python} cannot be used for the tests of exported networks: {reason}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"python: {failure}")
    except OSError as failure:
        sys.exit(f"python: {failure.strerror}: {failure.filename}")
    except KeyboardInterrupt:
        sys.exit("python: interrupted; run `make python` to go on")
