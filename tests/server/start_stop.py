"""Print what create, start, stop and join a server takes, in milliseconds.

Two figures of 200 times: the median processor time, and the first decile of the time by the clock,
since the others may have waited for a processor that other programs used.
"""

import statistics
import sys
import time

from bladehttp.server import HttpServer


def cycle() -> tuple[float, float]:
    used, start = time.process_time(), time.perf_counter()
    HttpServer(0).start().close()
    return (time.process_time() - used) * 1000, (time.perf_counter() - start) * 1000


cycle()
processor, clock = zip(*(cycle() for _ in range(200)), strict=True)
sys.stdout.write(f"{statistics.median(processor)} {statistics.quantiles(clock, n=10)[0]}")
