"""Download a file, however often the connection breaks off and the program is started again.

    python examples/download.py URL FILE [sha256:CHECKSUM]

The file is put in place once it is whole.
"""

import sys

import bladehttp as http


def show(done, total):
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total or done:,} bytes", end="", file=sys.stderr)


url, path, *checksum = sys.argv[1:]
with http.HttpClient(retry=http.Retry(10), receive_timeout=30_000, progress=show) as client:
    response = client.download(url, path, resume=True, checksum=checksum[0] if checksum else None)
print(response.raise_for_status().status, path)
