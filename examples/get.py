"""Blade's first example: fetch a page."""

import sys

import bladehttp as http

url = sys.argv[1] if len(sys.argv) > 1 else "http://example.com"
print(http.get(url))
