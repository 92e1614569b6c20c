"""`make bench`: measure beside the field. ROWS=hello,tls chooses, ROUNDS=3 shortens.

A run of every row writes docs/evidence/benchmarks.md; a run of some prints them.
"""

import argparse
import os
import shutil
import signal
import sys
import time

from benchmarks import client_rows, interleave, server_rows
from benchmarks.model import AbsentError, Outcome
from benchmarks.report import page
from benchmarks.report.tables import targets
from benchmarks.servers import nginx
from benchmarks.setting import Setting

ROUNDS = 5

ROWS = {"server": server_rows.ROWS, "client": client_rows.ROWS}


def main() -> int:
    """Measure what was asked for."""
    arguments = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way
    missing()
    start, before = time.monotonic(), page.load_average()
    outcomes: dict[str, list[Outcome]] = {side: [] for side in ROWS}
    with Setting() as setting:
        for side, rows in ROWS.items():
            for row in rows:
                if not arguments.rows or row.name in arguments.rows:
                    outcomes[side].append(interleave.run(row, setting, arguments.rounds))
    for measured in outcomes.values():
        for outcome in measured:
            print("\n".join(page.details(outcome)))
    print("", *targets([one for measured in outcomes.values() for one in measured]), sep="\n")
    if not arguments.rows:
        page.write(outcomes, arguments.rounds, time.monotonic() - start, before)
    return 0


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    names = [row.name for rows in ROWS.values() for row in rows]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=lambda text: text.split(","), default=[])
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(names):
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(names)}")
    return arguments


def missing() -> None:
    """Say what cannot be measured here.

    Raises:
        SystemExit: There is no wrk, without which there is no load.
    """
    if shutil.which("wrk") is None:
        sys.exit("the load comes from wrk, which is not here; Debian, Ubuntu: apt-get install wrk")
    try:
        nginx.program()
    except AbsentError as error:
        print(f"{error}. Most clients' rows need it.", file=sys.stderr)
    if len(os.sched_getaffinity(0)) == 1:
        print("one core only: server and load share it", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # what was started has been ended
