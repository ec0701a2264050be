#!/usr/bin/env python3
"""Brings libtorch 2.11.0 into the user's cache and points this checkout at it.

    python3 scripts/libtorch.py [--cuda | --no-cuda]

libtorch is taken from the PyTorch wheel of the Python package index, together with the CUDA runtime and CUPTI that it
needs to load, and, where an NVIDIA GPU is present, the CUDA libraries that it computes with. Every wheel is pinned by
its SHA-256, which pip verifies. What is there already is not downloaded again.

Environment: BYOL_CACHE (where to keep it; by default byol under XDG_CACHE_HOME or ~/.cache), BYOL_LIBTORCH (the folder
of an installed PyTorch 2.11.0, .../site-packages/torch, or of an unpacked libtorch, to use instead).

What must not be here: anything that needs a Python package other than pip.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

VERSION = "2.11.0"
# CUDA 13.0 does not run on older drivers.
OLDEST_DRIVER = 580
CHECKOUT = Path(__file__).resolve().parent.parent

# (system, machine) -> what the CPU needs, and what a GPU needs besides: wheel, its SHA-256, its size in MB.
# The versions are those that PyTorch 2.11.0 and the cuda-toolkit 13.0.2 package, which it depends on, ask for.
# Linux on x86-64 is tested. Linux on arm64 and macOS are not: their wheels are pinned, and were looked into.
WHEELS = {
    ("Linux", "x86_64"): {
        "cpu": [
            ("torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
             "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756", 531),
            ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
             "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", 2),
            ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
             "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", 11),
        ],
        "cuda": [
            ("nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
             "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf", 366),
            ("nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
             "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42", 196),
            ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
             "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80", 60),
            ("nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
             "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd", 170),
            ("nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
             "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171", 423),
            ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
             "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", 214),
            ("nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
             "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44", 1),
            ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
             "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", 60),
            ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
             "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112", 201),
            ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
             "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b", 146),
            ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
             "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", 41),
            ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
             "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", 90),
            ("nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
             "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4", 1),
        ],
    },
    ("Linux", "aarch64"): {
        "cpu": [
            ("torch-2.11.0-cp312-cp312-manylinux_2_28_aarch64.whl",
             "f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f", 420),
            ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55", 2),
            ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
             "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151", 11),
        ],
        "cuda": [
            ("nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_aarch64.whl",
             "6ed29ffaee1176c612daf442e4dd6cfeb6a0caa43ddcbeb59da94953030b1be4", 433),
            ("nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl",
             "01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643", 196),
            ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9", 60),
            ("nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_aarch64.whl",
             "400c6ed1cf6780fc6efedd64ec9f1345871767e6a1a0a552a1ea0578117ea77c", 220),
            ("nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_aarch64.whl",
             "c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2", 542),
            ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5", 214),
            ("nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl",
             "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1", 1),
            ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl",
             "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a", 61),
            ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl",
             "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2", 223),
            ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c", 162),
            ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c", 38),
            ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b", 43),
            ("nvidia_nvtx-13.0.85-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
             "cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6", 1),
        ],
    },
    ("Darwin", "arm64"): {
        "cpu": [
            ("torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl",
             "4b5866312ee6e52ea625cd211dcb97d6a2cdc1131a5f15cc0d87eec948f6dd34", 81),
        ],
        "cuda": [],
    },
}

# Libraries, headers (for C++ code against libtorch) and licences; nothing of Python, no static libraries.
KEEP = re.compile(r"(torch/(lib|include)|nvidia/[^/]+/(lib|include))/|[^/]+\.dist-info/licenses/|nvidia/.*LICENSE")
LEAVE = re.compile(r"\.(a|bc|py|pyi)$|/libtorch_python\.|/libshm|\.alt\.so")


class Failed(Exception):
    """Ends the program with one line."""


def say(text):
    print(f"libtorch: {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Brings libtorch into the cache and points this checkout at it.")
    parser.add_argument("--cuda", action="store_true", default=None, help="fetch the CUDA libraries in any case")
    parser.add_argument("--no-cuda", dest="cuda", action="store_false", help="leave them out in any case")
    arguments = parser.parse_args()

    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "libtorch.lock"):
        installed = os.environ.get("BYOL_LIBTORCH") or installed_pytorch_in_use(cache)
        if installed:
            sdk = use_installed(Path(installed).expanduser().absolute(), cache)
        else:
            sdk = bring(cache / f"libtorch-{VERSION}", arguments.cuda)
    point_checkout_at(sdk)
    if os.environ.get("LIBTORCH", str(sdk)) != str(sdk):
        say(f"warning: the environment's LIBTORCH={os.environ['LIBTORCH']} has precedence over {sdk}; unset it")


def cache_folder():
    named = os.environ.get("BYOL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).expanduser().absolute() if named else Path(base) / "byol"


@contextlib.contextmanager
def locked(path):
    """Two checkouts that are set up at once take turns."""
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# From the package index.


def bring(folder, cuda):
    """Makes `folder` hold `site` (the wheels' own layout) and `sdk`, and returns the latter. The file `complete` names
    the wheels that are in it; a folder without it is filled afresh."""
    wheels = wanted_wheels(cuda)
    complete = folder / "complete"
    present = set(complete.read_text().split()) if complete.is_file() else set()
    if not library(folder / "sdk").is_file():
        present = set()
    missing = [wheel for wheel in wheels if wheel[0] not in present]
    if not missing:
        return folder / "sdk"

    parts = folder.with_name(folder.name + ".part")
    check_space(folder.parent, missing)
    say(f"bringing libtorch {VERSION} into {folder} ({sum(size for _, _, size in missing)} MB to download)")
    shutil.rmtree(parts / "site", ignore_errors=True)
    downloads = parts / "wheels"
    downloads.mkdir(parents=True, exist_ok=True)
    for name, sha256, size in missing:
        download(name, sha256, size, downloads)
        unpack(downloads / name, parts / "site")
    # Renaming file by file leaves a folder that is in use (another checkout, a running program) whole at every moment.
    for source in sorted(path for path in (parts / "site").rglob("*") if path.is_file()):
        target = folder / "site" / source.relative_to(parts / "site")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
    make_sdk(folder / "sdk", Path("../site/torch"))
    write(complete, "".join(f"{name}\n" for name in sorted(present | {name for name, _, _ in missing})))
    shutil.rmtree(parts)
    say("done")
    return folder / "sdk"


def wanted_wheels(cuda):
    system, machine = platform.system(), platform.machine()
    if (system, machine) not in WHEELS:
        raise Failed(
            f"PyTorch {VERSION} has no wheel for {system} on {machine}; set BYOL_LIBTORCH to the folder of a "
            f"PyTorch {VERSION} that you built"
        )
    libc, version = platform.libc_ver()
    if system == "Linux" and (libc != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 28)):
        found = f"{libc} {version}" if libc else "another C library"
        raise Failed(f"PyTorch's wheel needs glibc 2.28 or newer, this system has {found}")
    wheels = WHEELS[system, machine]
    if cuda is None:
        cuda = gpu_is_usable()
    return wheels["cpu"] + (wheels["cuda"] if cuda else [])


def gpu_is_usable():
    """Whether there is an NVIDIA GPU whose driver can run CUDA 13.0."""
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=60,
        )
        driver = re.match(r"\d+", asked.stdout) if asked.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        driver = None
    if driver and int(driver[0]) < OLDEST_DRIVER:
        say(f"warning: the GPU is left alone: its driver {asked.stdout.split()[0]} is older than {OLDEST_DRIVER}")
        return False
    return driver is not None or Path("/dev/nvidia0").exists()


def check_space(folder, wheels):
    # Unpacked, the wheels are up to twice their size; the downloads are kept until all is unpacked.
    needed, free = 3 * sum(size for _, _, size in wheels), shutil.disk_usage(folder).free // 10**6
    if free < needed:
        raise Failed(f"{folder} has {free} MB free and {needed} are needed; set BYOL_CACHE to a folder with more room")


def download(name, sha256, size, folder):
    """One wheel with pip, which verifies it, keeps one that is there already, and knows the user's index and proxy."""
    project, version, *_, platforms = name[: -len(".whl")].split("-")
    say(f"{name} ({size} MB)")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"{project}=={version} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
                   "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.12",
                   "--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
        for tag in platforms.split("."):
            command += ["--platform", tag]
        # pip collects the file in TMPDIR: how much lies there is the progress.
        pip = subprocess.Popen(command, env={**os.environ, "TMPDIR": scratch})
        try:
            told = time.monotonic()
            while pip.poll() is None:
                time.sleep(0.2)
                if time.monotonic() - told >= 5:
                    told = time.monotonic()
                    say(f"  {min(size, size_of(scratch) // 10**6)} of {size} MB")
        finally:
            pip.terminate()
            pip.wait()
    if pip.returncode != 0 or not (folder / name).is_file():
        raise Failed(
            f"cannot download {name} (pip's message is above); run `make libtorch` again when the network is back, "
            f"or set BYOL_LIBTORCH to the torch folder of an installed PyTorch {VERSION}"
        )


def size_of(folder):
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            # A file may be renamed between being listed and being measured.
            with contextlib.suppress(OSError):
                total += os.path.getsize(os.path.join(root, name))
    return total


def unpack(wheel, site):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.is_dir() and KEEP.match(entry.filename) and not LEAVE.search(entry.filename):
                archive.extract(entry, site)


# From a PyTorch that is installed already.


def installed_pytorch_in_use(cache):
    """The installed PyTorch that an earlier BYOL_LIBTORCH chose for this checkout: it stays chosen until the checkout's
    .cargo/config.toml is deleted."""
    config = CHECKOUT / ".cargo/config.toml"
    line = LIBTORCH_LINE.search(config.read_text()) if config.is_file() else None
    origin = Path(line[1]).parent / "origin" if line else None
    if origin is None or cache not in origin.parents or not origin.is_file():
        return None
    return origin.read_text().strip()


def use_installed(torch, cache):
    """Makes, in the cache, the folder that the build needs around an installed PyTorch."""
    found = version_of(torch)
    if found != VERSION:
        raise Failed(f"BYOL_LIBTORCH={torch} holds {found or 'no PyTorch'}, {VERSION} is needed")
    if not library(torch).is_file():
        raise Failed(f"BYOL_LIBTORCH={torch} holds no {library(torch).relative_to(torch)}")
    folder = cache / f"libtorch-{VERSION}-at-{hashlib.sha256(str(torch).encode()).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    make_sdk(folder / "sdk", torch)
    write(folder / "origin", f"{torch}\n")
    return folder / "sdk"


def version_of(torch):
    """2.11.0 for 2.11.0+cpu, 2.11.0+cu130; None where there is no PyTorch."""
    for name, pattern in [("version.py", r"^__version__\s*=\s*['\"]([^'\"+]+)"), ("build-version", r"([^+\s]+)")]:
        path = torch / name
        match = re.search(pattern, path.read_text(), re.MULTILINE) if path.is_file() else None
        if match:
            return match[1]
    return None


# What the build is pointed at.


def library(folder, name="torch_cpu"):
    return folder / "lib" / (f"lib{name}.dylib" if platform.system() == "Darwin" else f"lib{name}.so")


def make_sdk(sdk, torch):
    """A folder of the form that torch-sys expects, with only the CPU half of libtorch: given the GPU half, torch-sys
    would link it, and the program would not start without a GPU's libraries."""
    (sdk / "lib").mkdir(parents=True, exist_ok=True)
    link(sdk / "include", torch / "include")
    from_lib = torch if torch.is_absolute() else Path("..") / torch
    for name in ["torch_cpu", "c10"]:
        link(library(sdk, name), library(from_lib, name))
    if platform.system() == "Darwin":
        link(library(sdk, "torch"), library(from_lib, "torch"))
    else:
        write(library(sdk, "torch"), "/* GNU ld script */ INPUT ( libtorch_cpu.so )\n")
    write(sdk / "build-version", f"{VERSION}\n")


def point_checkout_at(sdk):
    link(CHECKOUT / ".libtorch", sdk)
    config = CHECKOUT / ".cargo/config.toml"
    config.parent.mkdir(exist_ok=True)
    line = f'LIBTORCH = "{sdk}"'
    text = config.read_text() if config.is_file() else ""
    if LIBTORCH_LINE.search(text):
        text = LIBTORCH_LINE.sub(lambda _: line, text, count=1)
    elif re.search(r"^\[env\]\s*$", text, re.MULTILINE):
        text = re.sub(r"^\[env\]\s*$", lambda _: f"[env]\n{line}", text, count=1, flags=re.MULTILINE)
    else:
        text = f"{text.rstrip()}\n\n[env]\n{line}\n".lstrip()
    write(config, text)


# Also in the form LIBTORCH = { value = "...", ... }.
LIBTORCH_LINE = re.compile(r'^LIBTORCH\s*=[^"\n]*"([^"\n]*)".*$', re.MULTILINE)


def link(path, target):
    if path.is_symlink() and os.readlink(path) == str(target):
        return
    beside = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(target)
    os.replace(beside, path)


def write(path, text):
    """Whole or not at all, and only if it says something new: cargo and make look at the time of a file."""
    if path.is_file() and not path.is_symlink() and path.read_text() == text:
        return
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    os.replace(beside, path)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"libtorch: {failure}")
    except OSError as failure:
        sys.exit(f"libtorch: {failure.strerror}: {failure.filename}")
    except KeyboardInterrupt:
        sys.exit("libtorch: interrupted; run `make libtorch` to go on")
