"""A page that shows news as they come: server-sent events, in a browser.

    python examples/events.py [PORT]

Every browser that has the page open is told, ten times a second, how late the server's timer was.
"""

import sys
import time

import bladehttp as http
from bladehttp import Events

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
<h1>How late the timer is</h1>
<svg viewBox="0 0 100 100" preserveAspectRatio="none"><polyline id="line"></polyline></svg>
<p><output id="now">no news yet</output> <span id="state">connecting</span></p>
<script>
  const late = [];
  const source = new EventSource("/events");
  const state = document.getElementById("state");
  source.onopen = () => { state.textContent = "connected"; };
  source.onerror = () => { state.textContent = "connecting again"; };
  source.addEventListener("tick", event => {
    const news = JSON.parse(event.data);
    late.push(news.late);
    if (late.length > 100) late.shift();
    const top = Math.max(1, ...late);
    const points = late.map((ms, x) => `${x},${95 - ms / top * 90}`);
    document.getElementById("line").setAttribute("points", points.join(" "));
    document.getElementById("now").textContent =
      `${news.late.toFixed(2)} ms at ${news.time}, event ${event.lastEventId}`;
  });
</script>
</html>
"""

server = http.server(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
listeners: list[Events] = []


@server.handle("GET", "/")
def page(request: http.HttpRequest, response: http.HttpResponse) -> None:
    response.write(PAGE)


@server.handle("GET", "/events")
def subscribe(request: http.HttpRequest, response: http.HttpResponse) -> None:
    listeners.append(response.events())
    if len(listeners) == 1:
        tick(1, time.monotonic())


def tick(number: int, due: float) -> None:
    """Tell all who listen how late it is; none is left out or waited for."""
    late = (time.monotonic() - due) * 1000
    news = {"late": round(late, 3), "time": time.strftime("%H:%M:%S")}
    listeners[:] = [events for events in listeners if events.send(news, "tick", id=number)]
    if listeners:
        due = time.monotonic() + PERIOD / 1000
        server.call_later(PERIOD, lambda: tick(number + 1, due))


if __name__ == "__main__":
    server.listen(
        signals=True, ready=lambda: print(f"Listening on Port {server.port}...", flush=True)
    )
