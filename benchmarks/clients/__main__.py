"""One client under measurement: MODULE FUNCTION JOB. Each line on standard input is a round.

A line is how many seconds to work for; the answer is a line of JSON: units, seconds, processor
time, and the most memory there was above that before the first request.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path


def peak() -> int:
    """Return the most bytes this process ever held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Open the client and work."""
    module, function, job = sys.argv[1:]
    bit = getattr(importlib.import_module(f"benchmarks.clients.{module}"), function)(
        json.loads(job)
    )
    idle = peak()
    bit()  # connects
    print("ready", flush=True)
    for line in sys.stdin:
        start, used, count = time.perf_counter(), time.process_time(), 0
        end = start + float(line)
        while time.perf_counter() < end:
            count += bit()
        seconds, cpu = time.perf_counter() - start, time.process_time() - used
        figures = {"count": count, "seconds": seconds, "cpu": cpu, "growth": peak() - idle}
        print(json.dumps(figures), flush=True)
    os._exit(0)  # whatever threads of its own the client has


if __name__ == "__main__":
    main()
