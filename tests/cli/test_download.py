"""-o and -C: a file that is there whole or not at all, and the progress bar."""

import hashlib
import os
import re
import signal
from pathlib import Path

import pytest
from support import wait_until

import bladehttp
from bladehttp._cli.progress import clock, progress_line, size

PART = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 1024000\r\n\r\n' + bytes(300_000)


def test_a_file_is_written_and_nothing_said(run, server, tmp_path):
    target = tmp_path / "file"
    target.write_text("before")
    assert run("get", f"{server.url}/file", "-o", target) == (0, b"", "")
    assert target.read_bytes() == bytes(range(256)) * 4000
    assert list(tmp_path.iterdir()) == [target]


def test_the_answer_to_a_post_may_be_a_file_and_its_head_be_shown(run, server, tmp_path):
    code, out, _ = run("post", server.url, "-d", "a=1", "-i", "-o", tmp_path / "file")
    assert (code, out.splitlines()[0], out[-4:]) == (0, b"HTTP/1.1 200 OK", b"\r\n\r\n")
    assert b'"method": "POST"' in (tmp_path / "file").read_bytes()


def test_an_error_is_no_file(run, server, tmp_path):
    url = f"{server.url}/status/404"
    expected = (22, b"", f"bladehttp: 404 Not Found from {url}: what is wrong\n")
    assert run("get", url, "-o", tmp_path / "file") == expected
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_a_file_for_those_who_look_at_the_status(run, server, tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    words = ("get", f"{server.url}/status/404", "-o", target, "-w", "%{http_code}")
    assert run(*words) == (0, b"404", "")
    assert target.read_text() == "what is wrong"
    target.write_text("old")
    assert run(*words, "-fs") == (22, b"404", "")
    assert target.read_text() == "old"


def test_an_error_with_its_body_is_a_file_and_an_exit_code(run, server, tmp_path):
    target = tmp_path / "file"
    code, _, err = run("get", f"{server.url}/status/404", "--fail-with-body", "-o", str(target))
    assert (code, "404" in err) == (22, True)
    assert target.read_text() == "what is wrong"


def test_a_checked_status_leaves_a_file_as_it_was(run, server, tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    code, _, err = run("get", f"{server.url}/status/404", "--check-status", "-o", str(target))
    assert (code, "404" in err, target.read_bytes()) == (4, True, b"old")


def test_a_device_or_pipe_is_written_to_and_not_replaced(run, server, tmp_path):
    code, _, err = run("get", f"{server.url}/file", "-o", "/dev/null")
    assert (code, err, Path("/dev/null").is_char_device()) == (0, "", True)
    assert run("get", f"{server.url}/status/404", "-o", "/dev/null")[0] == 0
    assert run("get", f"{server.url}/status/404", "-f", "-o", "/dev/null")[0] == 22
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert run("get", f"{server.url}/text", "-o", pipe)[0] == 0
    assert b"title" in os.read(reader, 65536)
    os.close(reader)
    code, _, err = run("get", f"{server.url}/file", "-C", "-o", "/dev/null")
    assert (code, err) == (2, "bladehttp: -C is for a file, and /dev/null is none\n")
    assert run("get", f"{server.url}/file", "-o", tmp_path) == (
        23, b"", f"bladehttp: {tmp_path}: Is a directory\n",
    )  # fmt: skip


def test_a_link_stays_and_what_it_leads_to_is_written(run, server, tmp_path):
    (tmp_path / "link").symlink_to("file")
    assert run("get", f"{server.url}/untyped", "-o", tmp_path / "link") == (0, b"", "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "Grüße"


def test_a_directory_that_is_not_there_is_told(run, server, tmp_path):
    code, _, err = run("get", f"{server.url}/file", "-o", tmp_path / "no" / "file")
    assert (code, err.endswith(": No such file or directory\n")) == (23, True)
    words = ("get", f"{server.url}/file", "-o", "no/file", "--output-dir", tmp_path)
    assert run(*words, "--create-dirs") == (0, b"", "")
    assert (tmp_path / "no" / "file").stat().st_size == 256 * 4000


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["ctrl-c", "terminated", "hung up"],
)
def test_a_signal_leaves_no_file(number, code, scripted, start, tmp_path):
    peer = scripted(PART, stays=True)
    running = start("get", peer.url, "-o", tmp_path / "file")
    wait_until(lambda: [path for path in tmp_path.iterdir() if path.stat().st_size])
    assert running.interrupt(number) == (code, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_so(scripted, start, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        peer = scripted(PART, stays=True)
        running = start("get", peer.url, "-o", tmp_path / "file")
        wait_until(lambda: [path for path in tmp_path.iterdir() if path.stat().st_size])
        running.process.send_signal(signal.SIGHUP)
        assert running.interrupt(signal.SIGTERM) == (143, "", "")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_leaves_what_can_be_gone_on_with_if_that_was_asked_for(
    scripted, server, start, run, tmp_path
):
    peer = scripted(PART, stays=True)
    running = start("get", peer.url, "-C", "-o", tmp_path / "file")
    part = tmp_path / "file.part"
    wait_until(lambda: part.exists() and part.stat().st_size)
    assert running.interrupt() == (130, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"file.part", "file.part.tag"}
    kept = part.stat().st_size
    peer.asked.clear()
    code, _, _ = run("get", peer.url, "-C", "-o", tmp_path / "file", "--timeout", "200ms")
    assert (code, f'Range: bytes={kept}-\r\nIf-Range: "1"\r\n' in peer.asked[0]) == (28, True)


def test_a_file_that_breaks_off_is_continued(run, breaking, tmp_path):
    server = breaking(2)
    command = ("get", server.url, "-o", tmp_path / "file", "--retry", 3)
    assert run(*command) == (0, b"", "")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    server = breaking(1)
    assert run("get", server.url, "-o", tmp_path / "file", "-C")[0] == 18
    assert (tmp_path / "file.part").read_bytes() == b"01234"
    assert run("get", server.url, "-o", tmp_path / "file", "-C") == (0, b"", "")


@pytest.fixture
def breaking():
    """Make a server that sends ten bytes and breaks off half-way so many times."""
    made = []

    def make(times):
        server = bladehttp.server(0)
        made.append(server)
        left = [times]

        @server.on_receive
        def answer(request, response):
            start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
            response.headers["ETag"] = '"1"'
            if start:
                response.status = 206
                response.headers["Content-Range"] = f"bytes {start}-9/10"
            response.write(b"0123456789"[start:])
            if left[0]:
                left[0] -= 1
                response.truncate((10 - start) // 2)

        server.start()
        return server

    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize(
    ("status", "code", "err"),
    [
        (204, 1, "bladehttp: 204 No Content: {file} is left as it was\n"),
        (201, 1, "bladehttp: 201 Created: {file} is left as it was\n"),
        (304, 0, "bladehttp: 304 Not Modified: {file} is left as it was\n"),
    ],
)
def test_what_is_not_written_is_said(run, server, tmp_path, status, code, err):
    target = tmp_path / "file"
    target.write_text("old")
    url = f"{server.url}/status/{status}"
    assert run("get", url, "-o", target) == (code, b"", err.format(file=target))
    assert target.read_text() == "old"
    assert run("get", url, "-q", "-o", target)[2] == ("" if code == 0 else err.format(file=target))


@pytest.fixture
def named(monkeypatch, tmp_path):
    """A server that names every file as the query says, and the directory it is saved in."""
    server = bladehttp.server(0)

    @server.on_receive
    def answer(request, response):
        if "name" in request.queries:
            value = f'attachment; filename="{request.queries["name"]}"'
            response.headers["Content-Disposition"] = value
        response.status = int(request.queries.get("status", "200"))
        response.write("new")

    monkeypatch.chdir(tmp_path)
    with server:
        yield server


def test_a_file_is_named_as_in_the_url_and_a_replaced_one_is_told(run, named, tmp_path):
    url = f"{named.url}/dir/.hidden?x=1"
    assert run("-O", url) == (0, b"", "")
    assert run("-O", url) == (0, b"", "bladehttp: _hidden is replaced\n")
    assert run("-sO", url) == (0, b"", "")
    assert [path.name for path in tmp_path.iterdir()] == ["_hidden"]


@pytest.mark.parametrize(
    ("name", "saved"),
    [("report.txt", "report.txt"), ("../../x", "x"), (".profile", "_profile"), ("..", "file")],
)
def test_a_file_is_named_as_the_server_says_but_in_the_directory(name, saved, run, named, tmp_path):
    url = f"{named.url}/file?name={name}"
    assert run("-O", "-J", url) == (0, b"", f"bladehttp: saved as {saved}\n")
    assert [path.name for path in tmp_path.iterdir()] == [saved]
    assert (tmp_path / saved).stat().st_mode & 0o777 == 0o666 & ~mask()


def mask() -> int:
    """Return the umask of this process."""
    before = os.umask(0)
    os.umask(before)
    return before


def test_a_name_of_the_servers_replaces_no_file(run, named, tmp_path):
    (tmp_path / "x").write_text("old")
    code, out, err = run("-OJ", f"{named.url}/file?name=x", "-w", "%{filename_effective}")
    assert (code, out, err) == (23, b"x", "bladehttp: x exists, and -J replaces no file\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


@pytest.mark.parametrize(("status", "code"), [(404, 22), (204, 1), (304, 0)])
def test_what_is_not_kept_has_no_name(status, code, run, named, tmp_path):
    assert run("-sOJ", f"{named.url}/file?name=x&status={status}")[0] == code
    assert list(tmp_path.iterdir()) == []


def test_an_output_without_a_url_is_told(run, named, tmp_path):
    words = ("-o", "a", "-O", f"{named.url}/b")
    assert run(*words) == (0, b"", "bladehttp: there are 2 outputs for 1 URL\n")
    assert run("-s", *words) == (0, b"", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert run("--remote-name-all", f"{named.url}/b", f"{named.url}/c") == (0, b"", "")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c"}


def test_a_url_without_a_name_has_that_of_the_server_or_none(run, named, tmp_path):
    assert run("-OJ", f"{named.url}/?name=x") == (0, b"", "bladehttp: saved as x\n")
    code, _, err = run("-OJ", f"{named.url}/")
    assert (code, "the URL has no name for a file" in err) == (23, True)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_checksum_is_verified(run, server, tmp_path):
    digest = hashlib.sha256(bytes(range(256)) * 4000).hexdigest()
    command = ("get", f"{server.url}/file", "-o", tmp_path / "file", "--checksum")
    code, _, err = run(*command, "sha256:" + "0" * 64)
    assert (code, f"sha256 checksum is {digest}, not 0" in err) == (32, True)
    assert list(tmp_path.iterdir()) == []
    assert run(*command, f"sha256:{digest}") == (0, b"", "")
    assert run(*command, "sha256:0")[0] == 2
    assert run("get", server.url, "-o", "/dev/null", "--checksum", f"sha256:{digest}")[0] == 2
    code, _, err = run("get", f"{server.url}/file", "--checksum", f"sha256:{digest}")
    assert (code, err) == (
        2, "bladehttp: --checksum is for a file: -o says which (see bladehttp get --help)\n",
    )  # fmt: skip


def test_a_terminal_is_shown_a_bar(terminal, server, tmp_path):
    session = terminal("get", f"{server.url}/file", "-o", tmp_path / "file")
    assert session.end() == 0
    last = session.written.replace("\x1b[K", "").rstrip("\r\n").rpartition("\r")[2]
    expected = r"file  █{24}  100%  1\.0 MB of 1\.0 MB(  [0-9.]+ [kMG]?B/s)?"
    assert re.fullmatch(expected, last)
    quiet = terminal("get", f"{server.url}/file", "-q", "-o", tmp_path / "file")
    assert (quiet.end(), quiet.written) == (0, "")


def test_the_bar_ends_its_line_when_interrupted(terminal, scripted, tmp_path):
    peer = scripted(PART, stays=True)
    session = terminal("get", peer.url, "-o", tmp_path / "file")
    session.until(" of 1.0 MB")
    session.press("\x03")
    assert session.end() == 130
    assert re.search(r" of 1\.0 MB[^\r\n]*\r\n$", session.written)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("a", 0, 1000, 0, 79), "a  ░░░░░░░░░░░░░░░░░░░░░░░░    0%  0 B of 1.0 kB"),
        (
            ("a", 500, 1000, 100, 79),
            "a  ████████████░░░░░░░░░░░░   50%  500 B of 1.0 kB  100 B/s  0:05 left",
        ),
        (("a", 500, None, 100, 79), "a  500 B  100 B/s"),
        (("a", 500, 1000, 100, 59), "a   50%  500 B of 1.0 kB  100 B/s  0:05 left"),
        (("a" * 50, 500, 1000, 0, 30), "aaaaaa…   50%  500 B of 1.0 kB"),
        (("a", 500, 1000, 0, 10), "a   50%  5"),
        (("a", 0, 0, 0, 79), "a  0 B of 0 B"),
    ],
    ids=["begin", "middle", "unknown", "narrow", "name", "hardly-any", "empty"],
)
def test_the_line_fits_into_its_columns(arguments, line):
    assert progress_line(*arguments) == line
    assert len(line) <= arguments[-1]


def test_sizes_and_times_are_short():
    counts = (0, 999, 999.6, 1500, 99_960, 123_456, 10**9, 10**15)
    expected = ["0 B", "999 B", "1.0 kB", "1.5 kB", "100 kB", "123 kB", "1.0 GB", "1000 TB"]
    assert [size(count) for count in counts] == expected
    assert [clock(seconds) for seconds in (0.4, 61, 3600)] == ["0:00", "1:01", "1:00:00"]


def test_the_heads_of_all_urls_are_dumped_and_none_of_before(run, server, tmp_path):
    heads = tmp_path / "heads"
    heads.write_text("of before")
    urls = ["http://127.0.0.1:1/", f"{server.url}/status/404", f"{server.url}/untyped"]
    assert run("-sS", "-D", heads, *urls)[0] == 7
    lines = heads.read_text().splitlines()
    assert [line for line in lines if line.startswith("HTTP/")] == [
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 200 OK",
    ]
    assert "of before" not in lines
