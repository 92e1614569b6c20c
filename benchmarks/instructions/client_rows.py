"""The rows of the counted client, and how it is driven through them."""

from contextlib import closing

from benchmarks.instructions.counted import Counted
from benchmarks.instructions.wire import Answerer

ROWS = (
    # name                          command
    ("client get",                  "get"),
    ("client get, read JSON",       "read"),
    ("client get, two headers",     "headers"),
    ("client get, new header",      "new-header"),
    ("client get, timeout",         "timeout"),
    ("client get, auth",            "auth"),
    ("client post 1 byte",          "post-byte"),
    ("client post 1 KB",            "post"),
    ("client post JSON",            "post-json"),
    ("client five redirects",       "chain"),
    ("client send_many",            "many"),
    ("client send_many, mixed",     "mixed"),
    ("client get, asyncio",         "async-get"),
    ("bare pycurl get",             "bare"),
    ("bare pycurl two headers",     "bare-headers"),
    ("bare pycurl post 1 byte",     "bare-post"),
    ("bare pycurl five redirects",  "bare-chain"),
)  # fmt: skip
TIMES = 80
STRETCHES = 3
"""Of each row the least counts, as a busy machine can only cost polls."""


def count_client() -> dict[str, float]:
    """Return instructions for each request of the client's rows, and for the import."""
    with closing(Answerer()) as answerer, Counted("counted_client", answerer.url) as client:
        with client.stretch("import bladehttp", 1):
            client.do("import 1")
        client.do("load-async 1")
        for name, command in ROWS:
            client.do(f"{command} {TIMES}")
            for _ in range(STRETCHES):
                with client.stretch(name, TIMES):
                    client.do(f"{command} {TIMES}")
    return client.figures
