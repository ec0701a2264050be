"""Times the counted steps and their parts: on a CPU by the clock, on a GPU by events, which wait for nothing."""

import time

import torch


class Clock:
    def __init__(self, device):
        self.cuda = torch.device(device).type == "cuda"
        self.counting = False
        self.marks = []

    def now(self):
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def begin(self):
        """Counts from here."""
        if self.cuda:
            torch.cuda.synchronize()
        self.counting = True
        self.begun = time.perf_counter()
        self.marks = [("", self.now())]

    def lap(self, part):
        """What was done since the last mark is a `part`."""
        if self.counting:
            self.marks.append((part, self.now()))

    def end(self):
        """Waits for the GPU, and stops counting."""
        if self.cuda:
            torch.cuda.synchronize()
        self.seconds = time.perf_counter() - self.begun
        self.counting = False

    def result(self, images, steps):
        """Images per second, mean milliseconds of the parts of a step, and the GPU's memory at its fullest.

        The memory is of the whole program: that of a CUDA graph is taken when it is captured.
        """
        parts = {}
        for (_, before), (part, after) in zip(self.marks, self.marks[1:]):
            milliseconds = before.elapsed_time(after) if self.cuda else 1000 * (after - before)
            parts[part] = parts.get(part, 0.0) + milliseconds
        result = {
            "images_per_second": round(images / self.seconds, 2),
            "seconds": round(self.seconds, 3),
            "breakdown": {f"{part}_ms": round(value / steps, 2) for part, value in parts.items()},
        }
        if self.cuda:
            result["peak_gpu_memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
        return result
