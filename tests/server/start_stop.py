"""Print the median of 200 times create, start, stop and join a server, in milliseconds."""

import statistics
import sys
import time

from bladehttp.server import HttpServer


def cycle() -> float:
    start = time.perf_counter()
    HttpServer(0).start().close()
    return (time.perf_counter() - start) * 1000


cycle()
sys.stdout.write(str(statistics.median(cycle() for _ in range(200))))
