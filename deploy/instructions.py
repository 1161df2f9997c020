#!/usr/bin/env python3
"""Counts the instructions of the inner loops of a check, and holds them against those that are written down.

They do not depend on what else the machine does. The loops are in node/examples/inner_loops.rs, each once over a thousand
numbers; valgrind counts, on a processor of its own that is the same everywhere.

    deploy/instructions.py EXAMPLE BASELINE           fails if a loop takes over 5 % more than is written down
    deploy/instructions.py EXAMPLE BASELINE --write   writes down what it takes now
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOLERANCE = 0.05
NUMBERS = 1_000
LOOPS = "inner_loops::measured::"


def count(example: Path) -> dict[str, float]:
    """Instructions a number of each loop, with all that it calls."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        run = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--toggle-collect={LOOPS}*", str(example)]
        subprocess.run(run, check=True, capture_output=True, text=True, timeout=600)
        annotate = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)]
        report = subprocess.run(annotate, check=True, capture_output=True, text=True, timeout=600).stdout
    counts = {}
    for line in report.splitlines():
        found = re.match(r"\s*([\d,]+)\s.*" + re.escape(LOOPS) + r"(\w+)", line)
        if found and found[2] not in counts:
            counts[found[2]] = int(found[1].replace(",", "")) / NUMBERS
    return counts


def main() -> int:
    example, baseline = Path(sys.argv[1]), Path(sys.argv[2])
    counts = count(example)
    if not counts:
        print("no loop was counted: does the example have symbols?", file=sys.stderr)
        return 1
    if "--write" in sys.argv[3:]:
        baseline.write_text(json.dumps(dict(sorted(counts.items())), indent=2) + "\n")
    known = json.loads(baseline.read_text())
    failed = counts.keys() ^ known.keys()
    print(f"{'instructions a number':32} {'now':>10} {'baseline':>10}")
    for loop in sorted(counts.keys() | known.keys()):
        now, before = counts.get(loop), known.get(loop)
        note = ""
        if now is None or before is None:
            note = "  only one of them knows it"
        elif now > before * (1 + TOLERANCE):
            note = f"  {now / before - 1:+.0%}: slower"
            failed.add(loop)
        elif now < before * (1 - TOLERANCE):
            note = f"  {now / before - 1:+.0%}: write it down, or it may be lost again unnoticed"
        show = lambda value: "-" if value is None else f"{value:.1f}"
        print(f"{loop:32} {show(now):>10} {show(before):>10}{note}")
    if failed:
        print(f"not as written down in {baseline}: {', '.join(sorted(failed))}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
