"""Runs a program that measures, and adds to its result how busy the GPU was meanwhile and how full its memory was.

    python busy.py COMMAND...

The share of time in which a kernel ran, in percent, is the driver's, sampled over the counted steps: their number, the batch
size and the rate in the program's last line, a JSON object, say how long they took until that line came. Their first second is
left out, for the driver averages over up to one. Without a GPU or its driver's library the result is passed on as it is.
"""

import json
import statistics
import subprocess
import sys
import threading
import time

INTERVAL, AVERAGED = 0.1, 1.0


def reader():
    """A function that gives busy percent and used MiB, or none."""
    try:
        import pynvml

        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        return lambda: (pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu, pynvml.nvmlDeviceGetMemoryInfo(gpu).used / 2**20)
    except Exception:  # whatever the library throws where there is no driver
        pass

    def ask():
        query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
        return tuple(float(part) for part in subprocess.check_output(query, text=True).split(","))

    try:
        ask()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return ask


def main():
    read, samples, ended = reader(), [], threading.Event()

    def sample():
        while not ended.wait(INTERVAL):
            try:
                samples.append((time.monotonic(), *read()))
            except Exception:  # a sample less
                continue

    if read:
        threading.Thread(target=sample, daemon=True).start()
    program = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    line = arrived = None
    for line in program.stdout:
        arrived = time.monotonic()
    ended.set()
    if program.wait() or line is None:
        raise SystemExit(program.returncode or 1)

    result = json.loads(line)
    settings = {**result, **result.get("settings", {})}
    if samples:
        seconds = settings["steps"] * settings["batch_size"] / result["images_per_second"]
        busy = [busy for at, busy, _ in samples if arrived - seconds + min(AVERAGED, seconds / 2) < at <= arrived]
        result["gpu_memory_used_mib"] = round(max(used for _, _, used in samples))
        if busy:
            result["gpu_busy_percent"] = round(statistics.fmean(busy), 1)
            result["gpu_busy_samples"] = len(busy)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
