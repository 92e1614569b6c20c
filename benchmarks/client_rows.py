"""The rows of the clients: work, who takes part, and what is to be reached."""

from benchmarks.client_peers import imported, working
from benchmarks.model import (
    CPU,
    MILLISECONDS,
    OURS,
    RATE,
    Entrant,
    Metric,
    Row,
    Target,
)

ROUND = 0.5
"""Seconds of a round: its processor time is exact to the microsecond."""

MEGABYTES = Metric("rate", "MB per second", ",.0f", less=False)
CPU_MB = Metric("cpu", "CPU µs per MB", ",.0f")
GROWTH = Metric("growth", "MB above idle", ",.1f")

FLOOR = "pycurl"
RUST = ("pyreqwest", "primp")
EVERYBODY = (
    FLOOR, "requests", "httpx", "urllib3", "aiohttp", "niquests", "curl_cffi", *RUST,
)  # fmt: skip


def sequential(*labels: str, **job: object) -> tuple[Entrant, ...]:
    """Return ours and others, each with one GET after another."""
    return tuple(working(label, "sequential", label, **job) for label in (OURS, *labels))


def many(**job: object) -> tuple[Entrant, ...]:
    """Return those who can send many requests at once."""
    return (
        working(OURS, "many", "bladehttp", **job),
        working("CurlMulti", "many", "curl_multi", **job),
        *(working(label, "many", label, **job) for label in RUST),
    )


def many_async(**job: object) -> tuple[Entrant, ...]:
    """Return those who do so on asyncio."""
    return (
        working(OURS, "many", "bladehttp_async", **job),
        working("AsyncCurlMulti", "many", "async_curl_multi", **job),
        *(working(label, "many", label, **job) for label in ("aiohttp", *RUST)),
    )


def transfer(kind: str, *labels: str, **job: object) -> tuple[Entrant, ...]:
    """Return ours and others, moving large bodies."""
    return tuple(working(label, "transfers", f"{label}_{kind}", **job) for label in (OURS, *labels))


GET_TARGETS = (Target(CPU, 1.2, FLOOR),)
MANY_TARGETS = (
    Target(RATE, 0.88, "CurlMulti", least=True),
    *(Target(RATE, 1.8, label, least=True) for label in RUST),
)
BULK = (MEGABYTES, CPU_MB, GROWTH)
AS_FAST = Target(MEGABYTES, 1.0, FLOOR, least=True)
FLAT = Target(GROWTH, 10)


def call(name: str, title: str, bound: float, *, post: str | None = "", **options: object) -> Row:
    """Return the row of a call with options, beside pycurl that sets the same for each request.

    Args:
        name: Of the row.
        title: Of the row.
        bound: Most CPU, in terms of pycurl's.
        post: The body of a POST; None: of ``options``. "": a GET.
        options: Keyword arguments of ours.
    """
    job: dict[str, object] = {"url": "plain:", "options": options}
    if post != "":
        job["post"] = post
    return Row(
        name, title, (CPU, RATE), sequential(FLOOR, **job),
        (Target(CPU, bound, FLOOR),), ROUND,
    )  # fmt: skip


ROWS = (
    Row(
        "get", "GET of 13 bytes, one after another", (CPU, RATE),
        sequential(*EVERYBODY, url="plain:"), GET_TARGETS, ROUND,
    ),
    Row(
        "json", "GET of 1 KB of JSON, parsed, one after another", (CPU, RATE),
        sequential(*EVERYBODY, url="plain:json", json=True), GET_TARGETS, ROUND,
    ),
    call("header", "GET with a header", 1.3, headers={"X-Request-Id": "7"}),
    call("timeout", "GET with a timeout", 1.25, receive_timeout=5_000),
    call("auth", "GET with a name and password", 1.3, auth=("name", "password"), auth_method=1),
    call("post1", "POST of 1 byte", 1.4, post="x"),
    call("postjson", "POST of JSON", 1.4, post=None, json={"name": "ada byron", "count": 12}),
    Row(
        "https", "GET of 13 bytes over HTTPS, connection kept", (CPU, RATE),
        sequential(*EVERYBODY, url="tls:"), GET_TARGETS, ROUND,
    ),
    Row(
        "chain", "GET through 5 redirects", (CPU, RATE),
        sequential(FLOOR, "requests", "httpx", "urllib3", *RUST, url="plain:hop5"),
        (Target(CPU, 1.2, FLOOR),), ROUND,
    ),
    Row(
        "many", "2,000 GETs, 100 at a time, HTTP/1.1: send_many", (RATE, CPU),
        many(url="plain:"), MANY_TARGETS, ROUND,
    ),
    Row(
        "mixed", "2,000 requests of four kinds, 100 at a time: send_many", (RATE, CPU),
        (
            working(OURS, "many", "bladehttp", url="plain:", mixed=True),
            working("CurlMulti", "many", "curl_multi", url="plain:", mixed=True),
        ),
        (Target(RATE, 0.85, "CurlMulti", least=True),), ROUND,
    ),
    Row(
        "many2", "2,000 GETs, 100 at a time, HTTP/2: send_many", (RATE, CPU),
        many(url="http2:"), MANY_TARGETS, ROUND,
    ),
    Row(
        "async", "2,000 GETs, 100 at a time, HTTP/1.1: AsyncHttpClient", (RATE, CPU),
        many_async(url="plain:"),
        (
            Target(RATE, 1.0, "AsyncCurlMulti", least=True),
            Target(RATE, 2, "aiohttp", least=True),
        ), ROUND,
    ),
    Row(
        "memory", "100 MB to memory", BULK,
        transfer("memory", FLOOR, "requests", "httpx", *RUST, url="plain:100.bin", megabytes=100),
        (AS_FAST,), ROUND,
    ),
    Row(
        "file", "100 MB to a file", BULK,
        transfer("file", FLOOR, "requests", "httpx", url="plain:100.bin", megabytes=100),
        (AS_FAST, FLAT), ROUND,
    ),
    Row(
        "upload", "100 MB from a file", BULK,
        transfer("upload", FLOOR, "requests", "httpx", url="sink:", megabytes=100),
        (AS_FAST, FLAT), ROUND,
    ),
    Row(
        "multipart", "a file of 10 MB as multipart", BULK,
        transfer("multipart", FLOOR, "requests", "httpx", url="sink:", megabytes=10),
        (AS_FAST, FLAT), ROUND,
    ),
    Row(
        "import", "import, in a new process", (MILLISECONDS, CPU),
        tuple(imported(label) for label in (OURS, FLOOR, "requests", "httpx", "aiohttp")),
        (Target(MILLISECONDS, 45), Target(MILLISECONDS, 0.5, "requests")),
    ),
)  # fmt: skip
