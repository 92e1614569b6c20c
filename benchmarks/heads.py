"""The requests' heads that servers are measured with."""

import itertools
from collections.abc import Iterator

SIMPLE_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0"
    " Safari/537.36"
    for system in (
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "Linux; Android 14; Pixel 8",
    )
    for version in range(110, 126)
]
"""64 different browsers."""

JSON_CONTENT = b'{"name":"ada byron","count":12,"paid":true}'
"""43 bytes."""


def browser_fields(browser: int) -> list[tuple[str, str]]:
    """Return the twelve fields of one of 64 browsers; no two have the same."""
    version = 110 + browser % 16
    return [
        ("Host", "localhost"),
        ("User-Agent", AGENTS[browser]),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
        ("Accept-Language", f"en-US,en;q=0.{browser % 9 + 1}"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Referer", f"https://localhost/products/{browser}?page=2"),
        ("Cookie", f"session={browser * 2654435761 % 2**32:08x}; theme=dark; consent=yes"),
        ("Upgrade-Insecure-Requests", "1"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Ch-Ua", f'"Chromium";v="{version}", "Google Chrome";v="{version}"'),
        ("Cache-Control", "max-age=0"),
    ]


def browser_head(browser: int, path: str) -> bytes:
    """Return the head that one of 64 browsers sends for a path."""
    lines = [
        f"GET {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in browser_fields(browser)),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def browser_heads() -> Iterator[bytes]:
    """Yield heads without end: each of 64 browsers in turn asks for a path of its own."""
    for number in itertools.count():
        yield browser_head(
            number % len(AGENTS), f"/products/{number * 7919 % 10007}?page={number % 13}"
        )


def post_of_json() -> bytes:
    """Return a POST of 43 bytes of JSON, head and body at once, as most clients send it."""
    return (
        b"POST /orders HTTP/1.1\r\nHost: localhost\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(JSON_CONTENT), JSON_CONTENT)
    )


def proxied_heads() -> Iterator[bytes]:
    """Yield the browsers' heads as a proxy passes them on: two fields differ with every request."""
    for number, head in enumerate(browser_heads()):
        added = (
            f"X-Forwarded-For: 10.{number % 251}.{number // 251 % 251}.7\r\n"
            f"X-Request-Id: {number * 2654435761 % 2**64:032x}\r\n"
        )
        yield head[:-2] + added.encode() + b"\r\n"


def cookie_heads() -> Iterator[bytes]:
    """Yield heads of 64 browsers with 2.8 KB of cookies each."""
    for number, head in enumerate(browser_heads()):
        cookies = "; ".join(
            f"_ga_{index}={number % len(AGENTS) * 7919 + index:064d}" for index in range(38)
        )
        yield head.replace(b"Cookie: ", f"Cookie: {cookies}; ".encode())
