"""Fetch the pages of a site, many at once, and print the title of each.

    python examples/crawler.py URL [MOST]

Pages of other origins are left out, and those below another path.
"""

import asyncio
import re
import sys
from collections import deque
from urllib.parse import urldefrag, urljoin

import bladehttp as http

find_links = re.compile(r"""<a\s[^>]*href=["']?([^"'\s>]+)""", re.IGNORECASE).findall
find_title = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL).search


def show(done, known):
    if sys.stderr.isatty():
        bar = "#" * (30 * done // max(known, 1))
        print(f"\r[{bar:<30}] {done} of {known}", end="", file=sys.stderr)


def end_of_bar():
    if sys.stderr.isatty():
        print(file=sys.stderr)


async def crawl(start, most):
    """Yield status, URL and title of each page."""
    known, queue = {start}, deque([start])
    requests = iter(lambda: queue.popleft() if queue else None, object())  # None: not now
    async with http.AsyncHttpClient(retry=http.Retry(2), max_body_size=1 << 20) as client:
        done = 0
        async for result in client.send_many(requests, concurrency=10):
            done += 1
            if isinstance(result, Exception):
                print(f"{result.request.given}: {result}")
                continue
            title = find_title(result.text)
            yield result.status, result.url, title[1].strip() if title else ""
            for link in find_links(result.text):
                target = urldefrag(urljoin(result.url, link)).url
                if target.startswith(start) and target not in known and len(known) < most:
                    known.add(target)
                    queue.append(target)
            show(done, len(known))


async def main(start, most=1000):
    pages = sorted([page async for page in crawl(start, int(most))])
    end_of_bar()
    for page in pages:
        print(*page)


asyncio.run(main(*sys.argv[1:]))
