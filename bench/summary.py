"""Keeps what `bench/run.sh` measures, and turns it into a section of a Markdown document.

    python summary.py add RAW SUBJECT PROGRAM ROUND COMMAND JSON
    python summary.py write RAW DOCUMENT COMMAND        (DOCUMENT - only prints)
"""

import datetime
import json
import os
import pathlib
import platform
import statistics
import sys

BEGIN, END = "<!-- measured by bench/run.sh: begin -->", "<!-- measured by bench/run.sh: end -->"
TITLE = "# Benchmarks\n\nImages per second, more is better. An image of pre-training and of augmentation is two views.\n\n"
SUBJECTS = {
    "pretrain": "BYOL pre-training, data and views included (ResNet-18, 96 px, batch 64, heads 4096-256)",
    "supervised": "Supervised training, no augmentation (ResNet-18, 96 px, batch 128)",
    "augment, 96 px": "Rendering t and t' alone, one thread, 96 px",
    "augment, 224 px": "Rendering t and t' alone, one thread, 224 px",
}


def add(raw, subject, program, number, command, line):
    try:
        rate = float(json.loads(line)["images_per_second"])
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"{program}: its last line is no JSON object with images_per_second: {line[:200]}") from None
    with open(raw, "a", encoding="utf-8") as file:
        print(json.dumps([subject, program, command, rate]), file=file)
    print(f"round {number}  {subject}  {program}: {rate:.1f} images/s", file=sys.stderr)


def machine():
    """Processor, cores and memory."""
    model = platform.processor() or platform.machine()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError):
        memory = ""
    return f"{model}, {os.cpu_count()} cores{memory}, {platform.system()} {platform.machine()}"


def section(rows, command):
    text = [BEGIN, f"{datetime.date.today()}, {machine()}. Made by `{command}`; the programs ran in turn.", ""]
    for subject in dict.fromkeys(row[0] for row in rows):
        rates, commands = {}, {}
        for _, program, shown, rate in (row for row in rows if row[0] == subject):
            rates.setdefault(program, []).append(rate)
            commands[program] = shown
        own = statistics.median(rates["byol"])
        text += [f"## {SUBJECTS[subject]}", ""]
        text += ["| program | images/s, median | byol by program | every round |", "|---|---:|---:|---|"]
        for program, values in rates.items():
            middle = statistics.median(values)
            ratio = "" if program == "byol" else f"{own / middle:.2f}x"
            text.append(f"| {program} | {middle:.1f} | {ratio} | {', '.join(f'{value:.1f}' for value in values)} |")
        text += ["", "```", *commands.values(), "```", ""]
    return "\n".join([*text[:-1], END]) + "\n"


def write(raw, document, command):
    rows = [json.loads(line) for line in pathlib.Path(raw).read_text(encoding="utf-8").splitlines()]
    new = section(rows, command)
    print(new)
    if document == "-":
        return
    path = pathlib.Path(document)
    old = path.read_text(encoding="utf-8") if path.exists() else TITLE
    if BEGIN in old and END in old:
        before, after = old.split(BEGIN, 1)[0], old.split(END, 1)[1].removeprefix("\n")
    else:
        before, after = old.rstrip("\n") + "\n\n", ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + new + after, encoding="utf-8")


if __name__ == "__main__":
    {"add": add, "write": write}[sys.argv[1]](*sys.argv[2:])
