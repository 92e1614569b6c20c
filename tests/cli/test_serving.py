"""echo and demo: what listens, what it says, and how it ends."""

import hashlib
import json
import re
import signal
import socket
import ssl
import sys
from pathlib import Path

import pytest
from command_line import program
from support import wait_until

import bladehttp as http

PYTHON = [sys.executable, "-W", "error", "-c"]
FIRST = re.compile(r"Answering with the request at (https?://[^/]+)/ \(Ctrl-C ends it\)\n")


def test_echo_answers_with_the_request_until_ctrl_c(start):
    running = start("echo", "--port", "0")
    url = FIRST.fullmatch(running.line())[1]
    with http.HttpClient() as client:
        assert client.post(f"{url}/x", b"body").json()["body"] == "body"
    code, out, err = running.interrupt()
    assert (code, out) == (0, "")
    assert re.fullmatch(r'127\.0\.0\.1 - - \[.+\] "POST /x HTTP/1\.1" 200 \d+\n', err)


def test_serve_lists_a_directory_and_does_ranges(start, tmp_path):
    (tmp_path / "notes.txt").write_text("Hello, world!\n")
    running = start("serve", tmp_path, "--port", "0", "--cache", "60", "--log", "json")
    url = re.fullmatch(f"Serving {tmp_path} at (.+)/ .+\n", running.line())[1]
    with http.HttpClient(url) as client:
        assert "notes.txt" in client.get("/").text
        part = client.get("/notes.txt", {"Range": "bytes=0-4"})
        assert (part.status, part.body) == (206, b"Hello")
        assert "max-age=60" in part.headers["Cache-Control"]
        assert client.get("/missing").status == 404
    code, _, err = running.interrupt()
    rows = [json.loads(line) for line in err.splitlines()]
    assert (code, [(row["target"], row["status"], row["sent"]) for row in rows[1:]]) == (
        0, [("/notes.txt", 206, 5), ("/missing", 404, 16)],
    )  # fmt: skip


def test_serve_without_a_listing_or_a_directory(start, run, tmp_path):
    assert run("serve", tmp_path / "no") == (
        1, b"", f"bladehttp: {tmp_path / 'no'}: No such file or directory\n",
    )  # fmt: skip
    running = start("serve", tmp_path, "--port", "0", "--no-listing", "--log", "none")
    url = running.line().split()[3]
    with http.HttpClient() as client:
        assert client.get(url).status == 404
    assert running.interrupt() == (0, "", "")


@pytest.mark.parametrize(
    "words",
    [("0",), ("{}", "0"), ("0", "-d", "{}"), ("{}", "-p", "0"), ("0", "{}", "-b", "127.0.0.1")],
    ids=" ".join,
)
def test_serve_takes_port_and_directory_as_words_or_options(words, start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word.format(tmp_path) for word in words]
    running = start("serve", *words, "--log", "none")
    assert running.line().startswith(f"Serving {tmp_path} at http://127.0.0.1:")
    assert running.interrupt() == (0, "", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("8000", "8001"), "serve takes one port, not 8000 and 8001"),
        (("8000", "-p", "8001"), "serve takes one port, not 8000 and 8001"),
        (("a", "b"), "serve takes one directory, not a and b"),
        (("1" * 30,), f"port is 0 to 65535, not {'1' * 20}"),
    ],
    ids=["ports", "word-and-option", "directories", "long"],
)
def test_serve_refuses_two_of_a_kind(words, complaint, run):
    code, out, err = run("serve", *words)
    assert (code, out, complaint in err) == (2, b"", True)


def test_serve_lets_scripts_of_other_origins_read(start, tmp_path):
    (tmp_path / "data.json").write_text("[]")
    running = start("serve", "0", "-d", tmp_path, "--cors", "--log", "none")
    url = running.line().split()[3]
    with http.HttpClient(url) as client:
        for path, status in (("/data.json", 200), ("/missing", 404)):
            answer = client.get(path, {"Origin": "https://a.example"})
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        preflight = client.options("/data.json", asked)
        assert (preflight.status, preflight.headers["Access-Control-Allow-Methods"]) == (
            204, "GET, HEAD",
        )  # fmt: skip
        assert client.options("/data.json").status == 204
    running.interrupt()


def test_serve_answers_the_paths_of_an_application_with_its_index(start, tmp_path):
    (tmp_path / "index.html").write_text("<p>app")
    (tmp_path / "empty").mkdir()
    running = start("serve", "0", "-d", tmp_path, "--spa", "--log", "none")
    url = running.line().split()[3]
    with http.HttpClient(url) as client:
        for path in ("/", "/users/7", "/empty/", "/users/a.b/edit"):
            answer = client.get(path)
            assert (answer.status, answer.body) == (200, b"<p>app"), path
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert [client.get(path).status for path in ("/app.js", "/.env", "/x/y.css")] == [404] * 3
        assert client.post("/users/7").status == 405
        (tmp_path / "index.html").unlink()
        assert client.get("/users/7").status == 404
    running.interrupt()


SITE = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), environ["PATH_INFO"].encode()]

class Made:
    made = staticmethod(lambda: app)

broken = "text"
"""


@pytest.mark.parametrize("name", ["site_of_a_test:app", "site_of_a_test:Made.made()"])
def test_serve_takes_a_wsgi_application(name, start, tmp_path, monkeypatch):
    (tmp_path / "site_of_a_test.py").write_text(SITE)
    monkeypatch.chdir(tmp_path)
    running = start("serve", name, "0", "--cors", "--log", "none")
    line = running.line()
    assert line.startswith(f"Serving {name} at http://127.0.0.1:")
    with http.HttpClient(line.split()[3]) as client:
        answer = client.post("/x", b"body")
        assert (answer.text, answer.headers["Access-Control-Allow-Origin"]) == ("POST/x", "*")
    assert running.interrupt() == (0, "", "")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("absent_of_a_test:app",), 1, "no module absent_of_a_test here"),
        (("site_of_a_test:absent",), 1, "module site_of_a_test has no absent"),
        (("site_of_a_test:broken",), 2, "mount takes a WSGI application, a callable, not str"),
        (("site_of_a_test:app", "--spa"), 2, "--spa, --cache and --no-listing are for a directory"),
        (("site_of_a_test:app", "."), 2, "serve takes one directory, not site_of_a_test:app and ."),
    ],
    ids=["module", "name", "not-callable", "spa", "directory-too"],
)
def test_serve_says_why_an_application_cannot_be_served(
    words, code, complaint, run, tmp_path, monkeypatch
):
    (tmp_path / "site_of_a_test.py").write_text(SITE)
    monkeypatch.chdir(tmp_path)
    ended, out, err = run("serve", *words, "-p", "0")
    assert (ended, out, complaint in err) == (code, b"", True), err


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import absent_of_a_site", "ModuleNotFoundError: No module named 'absent_of_a_site'"),
        ("int('x')", "ValueError: invalid literal for int() with base 10: 'x'"),
        ("1 +", "SyntaxError: invalid syntax"),
    ],
    ids=["error", "import", "value", "syntax"],
)
@pytest.mark.parametrize("form", ["{code}", "def make():\n    {code}"], ids=["module", "factory"])
def test_the_place_of_an_error_in_an_applications_code_is_shown(
    code, last, form, run, tmp_path, monkeypatch
):
    module = f"broken_{tmp_path.name}"  # each is imported once
    (tmp_path / f"{module}.py").write_text(form.format(code=code))
    monkeypatch.chdir(tmp_path)
    ended, out, err = run("serve", f"{module}:make()", "-p", "0")
    first, *rest = err.removeprefix("Traceback (most recent call last):\n").splitlines()
    assert f'{module}.py", line {1 + form.count(chr(10))}' in first
    assert rest[-2] == last
    assert rest[-1].startswith(f"bladehttp: {module}:make() cannot be loaded: {last}")
    assert (ended, out) == (1, b"")


TOO_LONG = "AF_UNIX path too long"
"""The message of Python, which gives no errno with it."""


def test_a_unix_socket_is_listened_on_too(start, run, tmp_path):
    path = tmp_path / "socket"
    running = start("echo", "--host", f"unix:{path}", "--tls", "--log", "none")
    assert running.line() == f"Answering with the request at unix:{path} (Ctrl-C ends it)\n"
    ca_file = (running.line(), running.line())[1].split()[-1]
    words = ("--unix-socket", path, "--cacert", ca_file)
    assert b'"path": "/x"' in run("get", "https://localhost/x", *words)[1]
    assert running.interrupt() == (0, "", "")
    assert not path.exists()
    for place, reason in ((f"{path}/x", "No such file or directory"), ("x" * 120, TOO_LONG)):
        error = run("echo", "--host", f"unix:{place}")[2]
        assert error == f"bladehttp: cannot listen on unix:{place}: {reason}\n"


def test_tls_has_a_certificate_that_lives_as_long_as_the_server(start):
    running = start("echo", "--port", "0", "--tls", "--log", "none")
    url = FIRST.fullmatch(running.line())[1]
    fingerprint = re.fullmatch(r"certificate: SHA-256 ([0-9A-F:]+)\n", running.line())[1]
    ca_file = re.fullmatch(r"to trust it: --cacert (.+)\n", running.line())[1]
    for name in ("localhost", socket.gethostname()):
        with http.HttpClient(ca_cert=ca_file) as client:
            port = url.rpartition(":")[2]
            client.resolve = {f"{name}:{port}": "127.0.0.1"}
            response = client.get(f"https://{name}:{port}/")
        der = ssl.PEM_cert_to_DER_cert(response.certificate["pem"])
        assert hashlib.sha256(der).hexdigest() == fingerprint.replace(":", "").lower()
    assert running.interrupt() == (0, "", "")
    assert not Path(ca_file).parent.exists()


def test_a_second_ctrl_c_does_not_wait_for_anybody(start):
    running = start("echo", "--port", "0")
    port = int(FIRST.fullmatch(running.line())[1].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n")
        client.sendall(b"Expect: 100-continue\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")  # it waits for the body

        def refused() -> bool:
            client.sendall(b"some")  # and goes on to
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                return True
            return False

        running.process.send_signal(signal.SIGINT)
        wait_until(refused)
        assert running.process.poll() is None
        assert running.interrupt()[:2] == (130, "")


def test_a_certificate_of_ones_own_is_used(start, certificates):
    words = ("--cert", certificates.cert_file, "--key", certificates.key_file)
    running = start("echo", "--port", "0", *words)
    url = FIRST.fullmatch(running.line())[1]
    with http.HttpClient(ca_cert=certificates.ca_file) as client:
        assert client.get(url).json()["path"] == "/"
    assert running.interrupt()[0] == 0


def test_a_port_that_is_taken_is_told(server, run):
    assert run("echo", "--port", server.port) == (
        1, b"", f"bladehttp: cannot listen on 127.0.0.1:{server.port}: Address already in use\n",
    )  # fmt: skip


def test_a_certificate_that_cannot_be_used_is_told(run):
    code, out, err = run("echo", "--port", "0", "--cert", "/nowhere.pem")
    assert (code, out, "/nowhere.pem" in err) == (77, b"", True)


def test_without_trustme_tls_says_what_it_takes():
    code = "import sys; sys.modules['trustme'] = None; from bladehttp._cli import main; main()"
    complaint = "to make a certificate takes trustme: pip install 'bladehttp[cli]'"
    done = program("echo", "--port", "0", "--tls", start=[*PYTHON, code])
    assert (done.stdout, done.stderr.decode()) == (b"", f"bladehttp: {complaint}\n")
    done = program("demo", start=[*PYTHON, code])
    rows = done.stdout.decode().splitlines()
    assert rows[-3:] == [
        f"HTTPS             left out: {complaint}",
        "",
        "all as expected",
    ]


def test_the_demo_goes_as_expected(run):
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    rows = out.decode().splitlines()
    assert [row.split("  ")[0] for row in rows[2:7]] == [
        "GET", "POST of JSON", "upload of a file", "redirect", "HTTPS",
    ]  # fmt: skip
    assert rows[-1] == "all as expected"
