"""Check the links of the pages of a site: every page below a URL, and each link on them once.

    python examples/link_checker.py URL [MOST]

Links that are broken are printed with the page they are on. It ends with 1 if there are any.
"""

import re
import sys
from collections import deque
from urllib.parse import urldefrag, urljoin

import bladehttp as http

find_links = re.compile(r"""<a\s[^>]*href=["']?([^"'\s>]+)""", re.IGNORECASE).findall


def show(done, known):
    if sys.stderr.isatty():
        bar = "#" * (30 * done // max(known, 1))
        print(f"\r[{bar:<30}] {done} of {known}", end="", file=sys.stderr)


def check(start, most):
    """Yield each broken link, the page it is on and the reason."""
    found_on, queue = {start: "the command line"}, deque([start])
    requests = iter(lambda: queue.popleft() if queue else None, object())  # None: not now
    with http.HttpClient(max_body_size=1 << 20, total_timeout=10_000) as client:
        for done, result in enumerate(client.send_many(requests, concurrency=10), 1):
            url = result.request.given
            if isinstance(result, Exception):
                yield url, found_on[url], result
            elif not result.ok:
                yield url, found_on[url], f"{result.status} {result.reason}"
            elif url.startswith(start) and "html" in result.headers.get("Content-Type", ""):
                for link in find_links(result.text):
                    target = urldefrag(urljoin(result.url, link)).url
                    is_new = target.startswith("http") and target not in found_on
                    if is_new and len(found_on) < most:
                        found_on[target] = url
                        queue.append(target)
            show(done, len(found_on))


start, most = sys.argv[1], int((sys.argv[2:] or ["1000"])[0])
broken = list(check(start, most))
if sys.stderr.isatty():
    print(file=sys.stderr)
for link, page, reason in broken:
    print(f"{link} (on {page}): {reason}")
print(f"broken links: {len(broken)}")
sys.exit(bool(broken))
