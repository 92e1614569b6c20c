"""A page that shows news as they come: server-sent events, in a browser.

    python examples/events.py [PORT]

Every browser that has the page open is sent the load of this machine, ten times a second.
"""

import os
import sys
import time

import bladehttp as http
from bladehttp.later import Events

PERIOD = 100
"""Milliseconds between two events."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Live</title>
<link rel="icon" href="data:,">
<style>
  body { font: 16px system-ui, sans-serif; margin: 2rem auto; max-width: 40rem; color: #223 }
  svg { width: 100%; height: 12rem; background: #f4f6f8; border-radius: 6px }
  polyline { fill: none; stroke: #2a7; stroke-width: 2; vector-effect: non-scaling-stroke }
  #state { color: #678 }
</style>
<h1>Load of this machine</h1>
<svg viewBox="0 0 100 100" preserveAspectRatio="none"><polyline id="line"></polyline></svg>
<p><output id="now">no news yet</output> <span id="state">connecting</span></p>
<script>
  const loads = [];
  const source = new EventSource("/events");
  const state = document.getElementById("state");
  source.onopen = () => { state.textContent = "connected"; };
  source.onerror = () => { state.textContent = "connecting again"; };
  source.addEventListener("load", event => {
    const news = JSON.parse(event.data);
    loads.push(news.load);
    if (loads.length > 100) loads.shift();
    const top = Math.max(1, ...loads);
    const points = loads.map((load, x) => `${x},${95 - load / top * 90}`);
    document.getElementById("line").setAttribute("points", points.join(" "));
    document.getElementById("now").textContent =
      `${news.load.toFixed(2)} at ${news.time}, event ${event.lastEventId}`;
  });
</script>
</html>
"""

server = http.server(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
listeners: list[Events] = []
sent = 0


@server.handle("GET", "/")
def page(request: http.HttpRequest, response: http.HttpResponse) -> None:
    response.write(PAGE)


@server.handle("GET", "/events")
def subscribe(request: http.HttpRequest, response: http.HttpResponse) -> None:
    if not listeners:
        server.call_soon(tell)
    listeners.append(response.events())


def tell() -> None:
    """Send the load to all who listen; none is left out or waited for."""
    global sent  # noqa: PLW0603 - one server, one count
    sent += 1
    news = {"load": os.getloadavg()[0], "time": time.strftime("%H:%M:%S")}
    listeners[:] = [events for events in listeners if events.send(news, "load", id=sent)]
    if listeners:
        server.call_later(PERIOD, tell)


if __name__ == "__main__":
    print(f"Listening on Port {server.port}...", flush=True)
    server.listen(signals=True)
