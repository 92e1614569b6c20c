"""What the command line shows on a terminal, written to docs/cli/*.txt.

    python tests/slow/cli_screens.py

Each screen is typed into a real terminal (tmux, which has to be installed) and kept as it looks
when the program has ended, or in the middle of it. The programs talk to servers of this script.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import trustme

import bladehttp as http

DOCS = Path(__file__).parents[2] / "docs" / "cli"
WIDTH, HEIGHT = 110, 60
PROMPT = "$"
PATIENCE = 20
PIECE = 400_000
LARGE = 20 * PIECE


class Screen(NamedTuple):
    """A screen: its file, what is typed, and what happens before it is kept, if not the end."""

    name: str
    commands: tuple[str, ...]
    meanwhile: Callable[["Terminal"], None] | None = None


class Terminal:
    """A shell in tmux, on a server of tmux of its own."""

    def __init__(self, directory: str) -> None:
        self._name = f"bladehttp-{os.getpid()}"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {
            "PS1": f"{PROMPT} ",
            "PROMPT_COMMAND": f"tmux -L {self._name} wait-for -S idle",
            "PATH": path,
            "LC_ALL": "C.UTF-8",
        }
        settings = shlex.join(f"{name}={value}" for name, value in environment.items())
        shell = f"env {settings} bash --norc --noprofile"
        size = ("-x", str(WIDTH), "-y", str(HEIGHT))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", directory, shell)
        self.idle()

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def screen(self) -> list[str]:
        """Return the lines that are on the screen, empty ones at the end left out."""
        lines = [line.rstrip() for line in self._tmux("capture-pane", "-p").splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def idle(self) -> None:
        """Wait until the shell asks for the next command, once for each."""
        self._tmux("wait-for", "idle")
        self.wait(lambda: self.screen()[-1:] == [PROMPT])

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(self.screen()))
            time.sleep(0.02)

    def type(self, command: str) -> None:
        self._tmux("send-keys", "-l", command)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def clear(self) -> None:
        self._tmux("send-keys", "C-l")
        self.wait(lambda: self.screen() == [PROMPT])
        self._tmux("clear-history")

    def close(self) -> None:
        self._tmux("kill-server")


def pieces(size: int) -> Iterator[bytes]:
    """Yield a body that takes its time."""
    while size > 0:
        yield bytes(min(PIECE, size))
        size -= PIECE
        time.sleep(0.1)


def answer(request: http.HttpRequest, response: http.HttpResponse) -> None:
    """Answer as an API might."""
    if request.path == "/users/1":
        response.json({"id": 1, "name": "Ada", "tags": ["admin", "author"], "rate": 1.5})
    elif request.path == "/users":
        response.json({"id": 2, **request.body}, http.CREATED)
    elif request.path == "/old":
        response.redirect("/users/1")
    elif request.path == "/logo.png":
        response.content_type("image/png")
        response.write(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    elif request.path == "/large.iso":
        response.content_type("application/octet-stream")
        response.headers["ETag"] = '"1"'
        begin = 0
        if "Range" in request.headers:  # as the client asks for it: bytes=N-
            begin = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            response.status = http.PARTIAL_CONTENT
            response.headers["Content-Range"] = f"bytes {begin}-{LARGE - 1}/{LARGE}"
        response.headers["Content-Length"] = str(LARGE - begin)
        response.stream(pieces(LARGE - begin))
    else:
        response.status = http.NOT_FOUND
        response.json({"error": "no such user"})


def interrupted(terminal: Terminal) -> None:
    """Press Ctrl-C half way."""
    terminal.wait(lambda: any(" 50%" in line for line in terminal.screen()))
    terminal.press("C-c")


def asked(terminal: Terminal) -> None:
    """Send a few requests to the server that was started."""
    terminal.wait(lambda: "--cacert" in terminal.screen()[-1])
    ca_file = terminal.screen()[-1].rpartition(" ")[2]
    with http.HttpClient(ca_cert=ca_file) as client:
        for path in ("/", "/notes.txt", "/missing"):
            client.get(f"https://localhost:8443{path}")
        client.get("https://localhost:8443/notes.txt", headers={"Range": "bytes=0-4"})
    terminal.press("C-c")


SCREENS = (
    Screen("help", ("bladehttp --help",)),
    Screen("get", ("bladehttp get -i localhost:3000/users/1",)),
    Screen("pipe", ("bladehttp get localhost:3000/users/1 | wc -c",
                    "bladehttp get localhost:3000/logo.png")),
    Screen("post", ("bladehttp :3000/users name=Grace age:=36",)),
    Screen("habits", ("bladehttp -s -o /dev/null -w '%{http_code} %{size_download}\\n' :3000/users/1",
                      "bladehttp -OJ :3000/logo.png && ls",
                      "bladehttp -I --no-redirect :3000/old",
                      "bladehttp :3000/users/1 --retires 3",
                      "bladehttp srve")),
    Screen("timing", ("bladehttp get https://localhost:3443/users/1 --cacert ca.pem --timing -o user.json",)),
    Screen("wire", ("bladehttp get localhost:3000/users/1 -v -u ada:secret -q",)),
    Screen("download", ("bladehttp get localhost:3000/large.iso -C -o large.iso",), interrupted),
    Screen("resume", ("ls large*", "bladehttp get localhost:3000/large.iso -C -o large.iso",
                      "ls large*")),
    Screen("errors", ("bladehttp get localhost:3000/users/9 --fail; echo $?",
                      "bladehttp get https://localhost:3443/users/1; echo $?",
                      "bladehttp get localhost:1; echo $?",
                      "bladehttp get nowhere.invalid; echo $?",
                      "bladehttp get localhost:3000/large.iso -m 0.3 > /dev/null; echo $?",
                      "bladehttp get localhost:3000 -d 1 -F a=2; echo $?")),
    Screen("serve", ("bladehttp serve site --port 8443 --tls",), asked),
    Screen("demo", ("bladehttp demo",)),
    Screen("info", ("bladehttp info",)),
)  # fmt: skip


def keep(terminal: Terminal, screen: Screen) -> None:
    """Show a screen and write it down."""
    terminal.clear()
    for command in screen.commands:
        terminal.type(command)
        if screen.meanwhile is not None:
            screen.meanwhile(terminal)
        terminal.idle()
    lines = terminal.screen()[:-1]
    (DOCS / f"{screen.name}.txt").write_text("\n".join([*lines, ""]))


def main() -> int:
    """Write every screen, or those that are named."""
    if shutil.which("tmux") is None:
        print("tmux is needed: apt install tmux")
        return 1
    DOCS.mkdir(exist_ok=True)
    names = sys.argv[1:]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(directory / "ca.pem"))
        pem = directory / "server.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
        (directory / "site").mkdir()
        (directory / "site" / "notes.txt").write_text("Hello, world!\n")
        for server in (http.server(3000), http.tls_server(3443)):
            server.on_receive(answer)
            server.load_certs(str(pem))
            stack.enter_context(server)
        terminal = Terminal(str(directory))
        stack.callback(terminal.close)
        for screen in SCREENS:
            if not names or screen.name in names:
                keep(terminal, screen)
                print(f"--- {screen.name}\n{(DOCS / f'{screen.name}.txt').read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
