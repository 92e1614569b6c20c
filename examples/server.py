"""Blade's third example: a server that answers with the JSON of the request."""

import json
import sys

import bladehttp as http

server = http.server(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)


@server.on_receive
def show(request: http.HttpRequest, response: http.HttpResponse) -> None:
    print(f"Request from {request.ip} to {request.path}.", flush=True)
    response.headers["Content-Type"] = "application/json"
    response.write(json.dumps(request, default=http.as_json))


server.listen(ready=lambda: print(f"Listening on Port {server.port}...", flush=True))
