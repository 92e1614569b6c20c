"""Blade's second example: a client of one's own, with a timeout."""

import sys

import bladehttp as http

url = sys.argv[1] if len(sys.argv) > 1 else "http://example/endpoint?query=1"
with http.HttpClient() as client:
    client.receive_timeout = 30000
    response = client.send_request(url, "GET")
    print(response.body)
