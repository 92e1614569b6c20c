"""Print what create, start, stop and join a server takes, in milliseconds.

Of 200 times the first decile: the others may have waited for a processor that others use.
"""

import statistics
import sys
import time

from bladehttp.server import HttpServer


def cycle() -> float:
    start = time.perf_counter()
    HttpServer(0).start().close()
    return (time.perf_counter() - start) * 1000


cycle()
sys.stdout.write(str(statistics.quantiles([cycle() for _ in range(200)], n=10)[0]))
