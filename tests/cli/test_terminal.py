"""What is shown on a terminal (a real one: a pty), and what a pipe gets instead."""

import re
import sys

from command_line import PROGRAM, program

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

CALLED = [*PROGRAM[:-2], "-c"]
"""To be followed by Python in place of the program."""

WITHOUT_RICH = """
import sys
sys.modules['rich'] = sys.modules['rich.text'] = None
from bladehttp._cli import main
sys.exit(main())
"""

ONE_BY_ONE = """
import sys
from bladehttp._cli import main
for url in sys.argv[1:]:
    assert main(["get", url]) == 0
"""


def shown(terminal, *words, **settings) -> str:
    """Return what a command that succeeds shows, with plain line ends."""
    session = terminal(*words, **settings)
    assert session.end() == 0
    return session.written.replace("\r\n", "\n")


PRETTY = """\
{
  "n": 1.10,
  "s": "ü\\u001b",
  "l": [],
  "x": "\\ud800",
  "m": {
    "a": [
      1,
      2
    ]
  }
}
"""


def test_json_is_laid_out_and_coloured_and_otherwise_as_it_was_sent(terminal, server):
    text = shown(terminal, "get", f"{server.url}/json")
    assert ESCAPES.sub("", text) == PRETTY
    assert ESCAPES.search(text)


def test_without_rich_it_is_laid_out_all_the_same(terminal, server):
    words = ("get", "-i", f"{server.url}/json")
    text = shown(terminal, *words, start=[*CALLED, WITHOUT_RICH])
    head, _, body = text.partition("\n\n")
    assert body == PRETTY
    assert head.startswith("HTTP/1.1 200 OK\nContent-Type: application/json\n")
    assert "\x1b" not in text


def test_the_head_is_coloured_and_no_color_is_obeyed(terminal, server):
    text = shown(terminal, "head", f"{server.url}/json")
    assert text.startswith("\x1b[1;32mHTTP/1.1 200 OK\x1b[0m\n\x1b[36mContent-Type:\x1b[0m app")
    assert text.endswith("\n\n")
    plain = shown(terminal, "get", f"{server.url}/json", NO_COLOR="1")
    assert "\x1b[3" not in plain


def test_colour_is_for_terminals_unless_it_is_asked_for(run, terminal, server, monkeypatch):
    url = f"{server.url}/json"
    plain = shown(terminal, url, "-i", "--color", "never")
    assert plain.endswith(PRETTY)
    assert "\x1b" not in plain
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = run(url, "-i", "--color=always")
    assert (code, ESCAPES.sub("", out.decode()).endswith(PRETTY)) == (0, True)
    assert out.startswith(b"\x1b[1;32mHTTP/1.1 200 OK")
    assert b"\x1b" not in run(url, "-i")[1]


def test_a_pipe_gets_the_bytes_as_they_are(run, server):
    assert run("get", f"{server.url}/json")[1] == (
        rb'{"n": 1.10, "s": "\u00fc\u001b", "l": [], "x": "\ud800", "m": {"a": [1, 2]}}'
    )
    assert run("get", f"{server.url}/image")[1] == bytes(range(256)) * 10
    assert len(run("get", f"{server.url}/file", "-o", "-")[1]) == 256 * 4000


def test_a_head_is_the_bytes_that_came_in_a_pipe_and_utf_8_on_a_terminal(run, terminal, scripted):
    head = "HTTP/1.1 200 Schön\r\nX-Name: \x9bü\u2028\r\nContent-Length: 0\r\n\r\n".encode()
    peer = scripted(head)
    assert run("get", "-i", peer.url) == (0, head, "")
    text = shown(terminal, "get", "-i", peer.url, NO_COLOR="1")
    assert "".join(ESCAPES.split(text)) == (
        "HTTP/1.1 200 Schön\nX-Name: \\x9bü\u2028\nContent-Length: 0\n\n"
    )


def test_a_pipe_does_not_wait_for_rich(server):
    code = "import sys; from bladehttp._cli import main; main(); print('rich' in sys.modules)"
    words = ["get", f"{server.url}/not-json"]
    done = program(*words, start=[sys.executable, "-c", code])
    assert done.stdout == b"[1, 2False\n"


SHOWN = {
    # a charset, CRLF as one line end, no escape sequences, a line end at the end
    "/text": "Grüße\n␛]0;title␇end\n",
    "/untyped": "Grüße\n",
    "/latin": "bladehttp: 5 bytes of application/octet-stream not shown on a terminal: "
    "-o FILE keeps them, -o - shows them all the same\n",
    "/charset": "as UTF-8: ü\n",
    "/not-json": "[1, 2\n",
    "/status/404": "what is wrong\n",
    "/image": "bladehttp: 2560 bytes of image/png not shown on a terminal: "
    "-o FILE keeps them, -o - shows them all the same\n",
}


def test_a_terminal_is_shown_text_and_nothing_else(terminal, server):
    urls = [f"{server.url}{path}" for path in SHOWN]
    assert shown(terminal, *urls, start=[*CALLED, ONE_BY_ONE]) == "".join(SHOWN.values())


def test_o_with_a_dash_shows_whatever_it_is(terminal, server):
    assert shown(terminal, "get", "-o", "-", f"{server.url}/escape") == "\x1b[31mred\x1b[0m"
    assert shown(terminal, "get", "-q", f"{server.url}/image") == ""


def test_text_is_shown_as_it_comes(terminal, scripted):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n"
    session = terminal("get", scripted(head + "data: ü".encode()[:-1], stays=True).url)
    session.until("data: ")
    session.press("\x03")
    assert session.end() == 130
    assert session.written == "data: ^C\r\n"


def test_no_control_character_of_a_server_is_shown_by_any_option(terminal, scripted):
    head = "HTTP/1.1 200 OK\r\nX-Name: \x1b[31m\x9bé\r\nSet-Cookie: a=\x9b31m\r\n"
    peer = scripted(f"{head}Content-Type: a/\x1bb\r\nContent-Length: 0\r\n\r\n".encode())
    text = shown(
        terminal, peer.url, "-D", "-", "-c", "-", "--color", "never",
        "-w", "%header{x-name}|%{content_type}|%{header_json}\\n",
    )  # fmt: skip
    assert ("\x1b" in text, "\x9b" in text) == (False, False)
    assert text.count("␛[31m\\x9bé") == 2  # the head and %header; JSON has escapes of its own
