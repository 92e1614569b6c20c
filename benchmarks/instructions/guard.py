"""Guard: fails when a change costs more instructions than it may. `make bench-check`.

The figures to compare with are in benchmarks/recorded.json, by interpreter, libcurl and type of
machine, since another build runs other instructions. `make bench-check RECORD=1` records them.
"""

import argparse
import json
import platform
import shutil
import sys
from pathlib import Path

import pycurl

from benchmarks.instructions.client_rows import count_client
from benchmarks.instructions.server_rows import count_server

COUNTS = {"server": count_server, "client": count_client}
"""What the rows are about to the function that counts them."""

RECORDED = Path(__file__).parent.parent / "recorded.json"

ALLOWED = 0.05
"""A change may cost this part more."""

WITHOUT = """\
instructions are counted by valgrind, which is not here; it comes with the system:
  Debian, Ubuntu: apt-get install valgrind    Fedora: dnf install valgrind"""


def build() -> str:
    """Return what figures hold for: the interpreter's build, libcurl and the machine's type."""
    parts = (
        platform.python_implementation(),
        platform.python_version(),
        platform.python_compiler(),
        f"libcurl {pycurl.version_info()[1]}",
        platform.machine(),
    )
    return ", ".join(parts)


def table(figures: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """Return lines that show each figure beside the recorded one."""
    lines = [f"{'instructions for each':<26}{'now':>14}{'recorded':>14}{'change':>10}"]
    for name, figure in figures.items():
        line = f"{name:<26}{figure:>14,.0f}"
        if name in recorded:
            line += f"{recorded[name]:>14,.0f}{figure / recorded[name] - 1:>+10.1%}"
        lines.append(line)
    return lines


def excesses(figures: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """Return what is more than it may be, or not comparable, a line each."""
    lines = [
        f"{name} costs {figure / recorded[name] - 1:.1%} more than recorded,"
        f" {ALLOWED:.0%} are allowed"
        for name, figure in figures.items()
        if name in recorded and figure > recorded[name] * (1 + ALLOWED)
    ]
    lines += [f"{name} is recorded and was not counted" for name in recorded.keys() - figures]
    return lines


def main() -> int:
    """Count, and compare or record."""
    parser = argparse.ArgumentParser(prog="make bench-check", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the figures as the new norm")
    parser.add_argument("--only", choices=COUNTS, help="count only these rows, for a look")
    arguments = parser.parse_args()
    if arguments.record and arguments.only:
        parser.error("a record has every row: leave --only out")
    if shutil.which("valgrind") is None:
        print(WITHOUT)
        return 1
    parts = [arguments.only] if arguments.only else COUNTS
    figures = {name: figure for part in parts for name, figure in COUNTS[part]().items()}
    every: dict[str, dict[str, float]] = json.loads(RECORDED.read_text())
    recorded = every.get(build(), {})
    print(build(), *table(figures, recorded), sep="\n")
    if arguments.record:
        every[build()] = {name: round(figure) for name, figure in figures.items()}
        RECORDED.write_text(json.dumps(every, indent=2) + "\n")
        return 0
    if arguments.only:
        recorded = {name: recorded[name] for name in recorded if name in figures}
    elif not recorded:
        print(
            "nothing is recorded for this interpreter: record the commit to compare with by"
            " make bench-check RECORD=1"
        )
        return 1
    wrong = excesses(figures, recorded)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
