"""A page with everything, loaded by a browser over TLS: ``make browser``.

Twenty assets, a recording that is played from its middle by ranges, and server-sent events. It fails if
the browser's console has an error or a request has failed. With ``--screens`` it also writes the pictures
in docs/images.
"""

import runpy
import struct
import sys
import tempfile
import wave
import zlib
from collections import Counter
from pathlib import Path

import chromium

import bladehttp as http
from bladehttp._message.sse import Events
from bladehttp.server._dispatch.access_log import Answered
from bladehttp.server._net.tls import throw_away_certificate

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SECONDS = 300
RATE = 44_100
EVENTS = 5
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Everything</title>
<link rel="icon" href="picture-0.png">
{styles}
<h1>Everything</h1>
{pictures}
<audio id="audio" src="recording.wav" preload="metadata" controls></audio>
<ol id="events"></ol>
<script>window.loaded = [];</script>
{scripts}
<script>
  const audio = document.getElementById("audio");
  const seeked = new Promise((resolve, reject) => {{
    audio.onerror = () => reject(audio.error);
    audio.onloadedmetadata = () => {{ audio.currentTime = audio.duration - 20; }};
    audio.onseeked = () => {{ audio.onseeked = null; resolve(audio.currentTime); }};
  }});
  const told = new Promise(resolve => {{
    const news = [];
    const source = new EventSource("events");
    source.addEventListener("news", event => {{
      news.push(JSON.parse(event.data).number);
      if (news.length === {events}) {{ source.close(); resolve(news); }}
    }});
  }});
  const complete = new Promise(resolve => {{ window.onload = resolve; }});
  window.everything = Promise.all([complete, seeked, told]).then(([_, time, news]) => ({{
    time, news, scripts: window.loaded.length,
    pictures: [...document.images].filter(picture => picture.naturalWidth === 16).length,
    styles: [...document.styleSheets].filter(sheet => sheet.cssRules.length === 1).length,
  }}));
</script>
</html>
"""


def png(shade: int) -> bytes:
    """Return a picture of 16 x 16 points of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = (b"\0" + bytes((shade, 120, 255 - shade)) * 16) * 16
    head = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def write_site(directory: Path) -> None:
    """Write the page, ten pictures, five styles, five scripts, and five minutes of silence."""
    for number in range(10):
        (directory / f"picture-{number}.png").write_bytes(png(number * 25))
    for number in range(5):
        (directory / f"style-{number}.css").write_text(f".c{number} {{ color: #00{number} }}\n")
        (directory / f"script-{number}.js").write_text(f"window.loaded.push({number});\n")
    with wave.open(str(directory / "recording.wav"), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(RATE)
        recording.writeframes(bytes(2 * RATE * SECONDS))
    page = PAGE.format(
        events=EVENTS,
        pictures="".join(f'<img src="picture-{n}.png" alt="{n}">' for n in range(10)),
        styles="".join(f'<link rel="stylesheet" href="style-{n}.css">' for n in range(5)),
        scripts="".join(f'<script src="script-{n}.js"></script>' for n in range(5)),
    )
    (directory / "index.html").write_text(page)


def site_server(directory: Path, certificates: Path) -> tuple[http.HttpServer, Counter[int]]:
    """Return a server of the directory and of events, and where it counts its answers."""
    server = http.tls_server(0)
    server.load_certs(throw_away_certificate(certificates).cert_file)
    server.serve_files("/", directory)
    statuses: Counter[int] = Counter()

    @server.on_answered
    def count(answered: Answered) -> None:
        statuses[answered.response.status] += 1

    @server.handle("GET", "/events")
    def tell(request: http.HttpRequest, response: http.HttpResponse) -> None:
        go_on(response.events(), 0)

    def go_on(events: Events, number: int) -> None:
        if events.send({"number": number}, "news", id=number):
            server.call_later(50, lambda: go_on(events, number + 1))

    return server, statuses


def check(pipes: chromium.Pipes) -> list[str]:
    """Load the page; return what is wrong."""
    with tempfile.TemporaryDirectory() as site, tempfile.TemporaryDirectory() as certificates:
        write_site(Path(site))
        server, statuses = site_server(Path(site), Path(certificates))
        with server:
            page = chromium.Page(pipes, 800, 600)
            page.open(f"{server.url}/")
            page.wait_for("window.everything !== undefined")
            found = page.evaluate("window.everything")
            wrong = page.complaints()
            versions = {
                row["response"]["securityDetails"]["protocol"]
                for row in page.events("Network.responseReceived")
                if "securityDetails" in row["response"]  # one from the cache has none
            }
            requests = len(page.events("Network.requestWillBeSent"))
    print(f"{requests} requests over {', '.join(versions)}; answers {dict(statuses)}; {found}")
    expected = {"news": [*range(EVENTS)], "scripts": 5, "pictures": 10, "styles": 5}
    if found | expected != found:
        wrong.append(f"to be found was {expected}")
    if not SECONDS - 21 < found["time"] < SECONDS - 19 or statuses[206] < 2:
        wrong.append("the recording was not played from its middle by ranges")
    return wrong


def take_screens(pipes: chromium.Pipes) -> None:
    """Write the pictures in docs/images, as far as what they show is there."""
    argv, sys.argv = sys.argv, ["events.py", "0"]
    live = runpy.run_path(str(ROOT / "examples" / "events.py"))["server"]
    sys.argv = argv
    with live:
        page = chromium.Page(pipes, 720, 370)
        page.open(live.url)
        page.wait_for("typeof late !== 'undefined' && late.length >= 60")
        page.screenshot(IMAGES / "events.png")
        print(page.complaints() or "examples/events.py: nothing wrong")
    start = ROOT / "site" / "index.html"
    if start.exists():
        page = chromium.Page(pipes, 1240, 600)
        page.open(start.as_uri())
        page.wait_for("document.readyState === 'complete'")
        page.screenshot(IMAGES / "documentation.png")


def main() -> int:
    path = chromium.program()
    if path is None:
        print(chromium.HOW_TO_GET)
        return 1
    with chromium.browser("--ignore-certificate-errors") as pipes:
        print(pipes.call("Browser.getVersion")["product"])
        wrong = check(pipes)
        if "--screens" in sys.argv:
            take_screens(pipes)
    print("\n".join(wrong) or "nothing wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
