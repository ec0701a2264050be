"""Keeps what `bench/run.sh`, `bench/gpu.sh` and `bench/embed.sh` measure, and turns it into a section of a Markdown document.

    python summary.py begin LOG cpu|gpu|embed COMMAND
    python summary.py add LOG SUBJECT PROGRAM ROUND COMMAND RESULT        (RESULT: the JSON that the program printed)
    python summary.py fail LOG SUBJECT PROGRAM ROUND COMMAND STATUS
    python summary.py write LOG DOCUMENT                                  (DOCUMENT - only prints)

The log holds one JSON object a line: date, machine and command, then what each run gave. `write` replaces the section of the
CPU, of the GPU or of `embed`, and leaves the rest of the document as it is.
"""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

TITLE = "# Benchmarks\n\nImages per second, more is better. An image of pre-training and of augmentation is two views.\n\n"
SECTIONS = {
    "cpu": ("run.sh", "On a CPU"),
    "gpu": ("gpu.sh", "On a GPU"),
    "embed": ("embed.sh", "Representations of JPEG files, on a CPU"),
}
SUBJECTS = {
    "pretrain": "BYOL pre-training, data and views included (ResNet-18, 96 px, batch 64, heads 4096-256)",
    "pretrain, fp32": "BYOL pre-training, the same in fp32",
    **{
        f"pretrain, beside {count}": f"BYOL pre-training, the same beside {count} busy processes"
        for count in (2, 8)
    },
    **{
        f"pretrain, {count} processes": f"BYOL pre-training, the same by {count} process{'es' * (count > 1)} with equal shares of the "
        f"cores and of each batch; in the PyTorch programs each process has batch-norm statistics of its own share"
        for count in (1, 2, 4)
    },
    "supervised": "Supervised training and evaluation, no augmentation (ResNet-18, 96 px, batch 128)",
    "augment, 96 px": "Rendering t and t' alone, one thread, 96 px",
    "augment, 224 px": "Rendering t and t' alone, one thread, 224 px",
    **{
        f"gpu pretrain, batch {batch}": f"BYOL pre-training, data and views included (ResNet-18, 96 px, batch {batch}, bf16)"
        for batch in (64, 128, 256, 512, 1024)
    },
    **{
        f"embed, {side} px, {precision}": f"JPEG files of 500x375 to representations (ResNet-18, {side} px, {precision})"
        for side in (96, 224)
        for precision in ("bf16", "fp32")
    },
    "photographs": "JPEG files of 4000x3000 shrunk to 160 px: images by seconds of processor time, the programs' start apart",
    "gpu epoch": "An epoch of 100,000 images (ResNet-18, 96 px, batch 512, bf16)",
    "gpu compute": "Steps without data or views (ResNet-18, 96 px, batch 512, bf16)",
}
# Further figures that programs may give, and what they are called.
FURTHER = {
    "gpu_busy_percent": "GPU busy, %",
    "gpu_memory_used_mib": "GPU memory used, MiB",
    "start_seconds": "start and end, s of processor time",
    "collective_ms": "of a step in collective functions, ms",
    "gradient_ms": "of it for the gradient, ms",
    "efficiency": "rate by that of one process and their number",
}
EPOCH = 100_000


def append(log, row):
    with open(log, "a", encoding="utf-8") as file:
        print(json.dumps(row), file=file)


def begin(log, section, command):
    row = {"section": section, "date": str(datetime.date.today()), "machine": machine(section), "command": command}
    append(log, row)


def add(log, subject, program, number, command, result):
    try:
        result = json.loads(result)
        rate = float(result["images_per_second"])
        # What byol says of several processes stands beside the rest.
        result = {**result.pop("together", {}), **result}
    except (ValueError, KeyError, TypeError):
        fail(log, subject, program, number, command, "no JSON object with images_per_second as its last line")
        raise SystemExit(1) from None
    append(log, {"subject": subject, "program": program, "round": int(number), "command": command, "result": result})
    print(f"round {number}  {subject}  {program}: {rate:.1f} images/s", file=sys.stderr)


def fail(log, subject, program, number, command, status):
    append(log, {"subject": subject, "program": program, "round": int(number), "command": command, "failed": status})
    print(f"round {number}  {subject}  {program}: failed ({status}): {command}", file=sys.stderr)


def machine(section):
    """Processor, cores and memory; the GPU and its driver."""
    model = platform.processor() or platform.machine()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError):
        memory = ""
    words = f"{model}, {os.cpu_count()} cores{memory}, {platform.system()} {platform.machine()}"
    if section == "gpu":
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        try:
            first = subprocess.check_output(query, text=True).splitlines()[0].split(", ")
            words = "{} ({}, driver {}); ".format(*first) + words
        except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
            words = "no GPU; " + words
    return words


class Program:
    """What one program gave for one subject."""

    def __init__(self, rows):
        self.name, self.command = rows[0]["program"], rows[-1]["command"]
        self.results = [row["result"] for row in rows if "result" in row]
        self.failed = len(rows) - len(self.results)

    def values(self, figure):
        return [result[figure] for result in self.results if result.get(figure) is not None]

    def median(self, figure):
        values = self.values(figure)
        return statistics.median(values) if values else None


def number(value):
    return "" if value is None else f"{value:.2f}" if value < 2 else f"{value:.1f}" if value < 10_000 else f"{value:,.0f}"


def ratio(own, other):
    return f"{own / other:.2f}x" if own and other else ""


def table(subject, programs):
    """A Markdown table, and the sentence that sums it up."""
    rate, evaluation = "images_per_second", "evaluation_images_per_second"
    own = next((program for program in programs if program.name == "byol"), None)
    evaluated = any(program.values(evaluation) for program in programs)
    further = [figure for figure in FURTHER if any(program.values(figure) for program in programs)]

    columns = ["images/s, median", "least to most", "byol by program"]
    columns += [f"{EPOCH:,} in, s"] if subject == "gpu epoch" else []
    columns += ["evaluation images/s", "byol by program"] if evaluated else []
    columns += [FURTHER[figure] for figure in further]
    lines = [f"| program | {' | '.join(columns)} | every round |", f"|---|{'---:|' * len(columns)}---|"]
    for program in programs:
        values, other = program.values(rate), program is not own

        def against(figure, program=program, other=other):
            return ratio(own.median(figure), program.median(figure)) if own and other else ""

        cells = [number(program.median(rate)), f"{number(min(values))} to {number(max(values))}" if values else ""]
        cells += [against(rate)]
        cells += [f"{EPOCH / program.median(rate):.1f}" if values else ""] if subject == "gpu epoch" else []
        cells += [number(program.median(evaluation)), against(evaluation)] if evaluated else []
        cells += [number(program.median(figure)) for figure in further]
        rounds = [number(value) for value in values] + ["failed"] * program.failed
        lines.append(f"| {program.name} | {' | '.join(cells)} | {', '.join(rounds)} |")

    others = [program for program in programs if program is not own and program.values(rate)]
    if own and own.values(rate) and others:
        best = max(others, key=lambda program: program.median(rate))
        lines += ["", f"byol against the fastest of the others ({best.name}): {ratio(own.median(rate), best.median(rate))}."]
    return lines


def text(rows):
    head, rows = rows[0], rows[1:]
    _, title = SECTIONS[head["section"]]
    lines = [marker(head["section"], "begin"), f"## {title}", ""]
    lines += [f"{head['date']}, {head['machine']}. Made by `{head['command']}`; the programs ran in turn.", ""]
    for subject in dict.fromkeys(row["subject"] for row in rows):
        of_subject = [row for row in rows if row["subject"] == subject]
        names = dict.fromkeys(row["program"] for row in of_subject)
        programs = [Program([row for row in of_subject if row["program"] == name]) for name in names]
        lines += [f"### {SUBJECTS.get(subject, subject)}", "", *table(subject, programs), ""]
        lines += ["```", *(program.command for program in programs), "```", ""]
    return "\n".join([*lines[:-1], marker(head["section"], "end")]) + "\n"


def marker(section, which):
    return f"<!-- measured by bench/{SECTIONS[section][0]}: {which} -->"


def write(log, document):
    rows = [json.loads(line) for line in pathlib.Path(log).read_text(encoding="utf-8").splitlines()]
    rows = rows[max(place for place, row in enumerate(rows) if "section" in row) :]  # the last time that it was begun
    new = text(rows)
    print(new)
    if document == "-":
        return
    path = pathlib.Path(document)
    old = path.read_text(encoding="utf-8") if path.exists() else TITLE
    first, last = (marker(rows[0]["section"], which) for which in ("begin", "end"))
    if first in old and last in old:
        before, after = old.split(first, 1)[0], old.split(last, 1)[1].removeprefix("\n")
    else:
        before, after = old.rstrip("\n") + "\n\n", ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + new + after, encoding="utf-8")


if __name__ == "__main__":
    {"begin": begin, "add": add, "fail": fail, "write": write}[sys.argv[1]](*sys.argv[2:])
