"""Chromium: a browser without a window, told what to do over the DevTools protocol.

It is spoken over two pipes (--remote-debugging-pipe): JSON, each message ended by a NUL.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW_TO_GET = "there is no Chromium here: apt-get install chromium"
PATIENCE = 30
OPTIONS = (
    "--headless",
    "--no-sandbox",  # for root in a container
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)


def program() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Pipes:
    """The two ends of ours: commands go out, answers and events come in."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept.

        Raises:
            RuntimeError: The browser refuses it.
            TimeoutError: It does not answer.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._outgoing, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._take(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _take(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._incoming], [], [], left)[0]:
                raise TimeoutError(f"no answer to {method} in {PATIENCE} s")
            data = os.read(self._incoming, 1 << 20)
            if not data:
                raise RuntimeError(f"the browser has ended before it answered {method}")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """One page, and what went wrong on it."""

    def __init__(self, pipes: Pipes, width: int, height: int) -> None:
        self._pipes = pipes
        target = pipes.call("Target.createTarget", url="about:blank")["targetId"]
        attached = pipes.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._pipes.call(method, self._session, **params)

    def open(self, url: str) -> None:
        """Begin to load a URL.

        Raises:
            RuntimeError: There is nothing to be had there.
        """
        error = self.call("Page.navigate", url=url).get("errorText")
        if error:
            raise RuntimeError(f"{url}: {error}")

    def evaluate(self, expression: str) -> Any:
        """Return the value of JavaScript, a promise awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until JavaScript is true.

        Raises:
            TimeoutError: It does not become so.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} is not true after {PATIENCE} s")
            time.sleep(0.05)

    def events(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of every event of a kind so far."""
        mine = (event for event in self._pipes.events if event.get("sessionId") == self._session)
        return [event["params"] for event in mine if event["method"] == method]

    def complaints(self) -> list[str]:
        """Return console errors and warnings, exceptions, and requests that failed.

        One that the page itself has cancelled, as a player does that seeks, is none.
        """
        logged = [row["entry"] for row in self.events("Log.entryAdded")]
        called = self.events("Runtime.consoleAPICalled")
        return [
            *(f"log: {row['text']}" for row in logged if row["level"] in ("error", "warning")),
            *(f"console: {row['args']}" for row in called if row["type"] in ("error", "warning")),
            *(f"exception: {row}" for row in self.events("Runtime.exceptionThrown")),
            *(
                f"failed: {row['errorText']} ({row['type']})"
                for row in self.events("Network.loadingFailed")
                if not row.get("canceled")
            ),
            *(
                f"{row['response']['status']}: {row['response']['url']}"
                for row in self.events("Network.responseReceived")
                if row["response"]["status"] >= 400
            ),
        ]

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def browser(*options: str) -> Iterator[Pipes]:
    """Start a browser, and end it."""
    path = program()
    if path is None:
        raise FileNotFoundError(HOW_TO_GET)
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        script = f'exec "$@" 3<&{commands_out} 4>&{answers_in}'
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", path, *OPTIONS, *options, f"--user-data-dir={profile}"],
            pass_fds=(commands_out, answers_in),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_out)
        os.close(answers_in)
        pipes = Pipes(answers_out, commands_in)
        try:
            yield pipes
            pipes.call("Browser.close")
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            os.close(commands_in)
            os.close(answers_out)
