"""The examples run as they are, each in a process of its own."""

import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import PATIENCE, child

import bladehttp as http
from bladehttp.testing import faults

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, mode: str = "dev") -> str:
    process = subprocess.run(
        [sys.executable, "-X", mode, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


@pytest.fixture
def page():
    with http.server(0) as server:
        server.on_receive(lambda request, response: response.write("the page"))
        yield server


def test_the_first_example_prints_the_response(page):
    assert run("get.py", page.url) == "<HttpResponse status=200, version=1.1>\n"


def test_the_second_example_prints_the_body(page):
    assert run("client.py", f"{page.url}/endpoint?query=1") == "b'the page'\n"


def test_the_third_example_answers_with_the_request():
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", str(EXAMPLES / "server.py"), "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            port = process.stdout.readline().removeprefix("Listening on Port ").rstrip(".\n")
            answer = http.get(f"http://127.0.0.1:{port}/users?sort=desc")
            assert process.stdout.readline() == "Request from 127.0.0.1 to /users.\n"
        finally:
            process.kill()
    assert answer.headers["Content-Type"] == "application/json"
    request = json.loads(answer.body)
    assert (request["path"], request["queries"], request["method"]) == (
        "/users",
        {"sort": "desc"},
        "GET",
    )


def test_the_demo_goes_as_expected():
    printed = run("demo.py")
    assert printed.endswith("\nall as expected\n")
    assert [line.split("  ")[0] for line in printed.splitlines()[2:7]] == [
        "GET",
        "POST of JSON",
        "upload of a file",
        "redirect",
        "HTTPS",
    ]


def test_tracing_joins_the_spans_of_client_and_server():
    rows = [line.split(" ") for line in run("tracing.py").splitlines()]
    assert len({row[0] for row in rows}) == 1
    assert sorted((row[1], row[4]) for row in rows) == [
        ("CLIENT", "200"),
        ("CLIENT", "302"),
        ("CLIENT", "404"),
        ("INTERNAL", ""),
        ("SERVER", "200"),
        ("SERVER", "302"),
        ("SERVER", "404"),
    ]


def test_events_are_sent_to_who_listens(unused_port):
    command = [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / "events.py")]
    url = f"http://127.0.0.1:{unused_port}"
    with child([*command, str(unused_port)], stdout=subprocess.PIPE, text=True) as live:
        try:
            assert live.stdout.readline() == f"Listening on Port {unused_port}...\n"
            assert "new EventSource" in http.get(url).text
            with http.HttpClient() as client, client.stream(f"{url}/events") as response:
                lines = [line for line, _ in zip(response.iter_lines(), range(8), strict=False)]
        finally:
            live.terminate()
            live.wait(PATIENCE)
    assert [lines[0], lines[1], lines[4]] == ["id: 1", "event: tick", "id: 2"]
    assert json.loads(lines[2].removeprefix("data: ")).keys() == {"late", "time"}


@contextlib.contextmanager
def listening(
    name: str, port: int, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run an example that serves until the block ends."""
    command = [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / name), str(port)]
    options = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, **environment}}
    with child([*command, *arguments], **options) as process:
        try:
            assert process.stdout.readline() == f"Listening on Port {port}...\n"
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert process.returncode == 0


def test_a_webhook_works_once_on_what_is_signed(unused_port):
    body = b'{"ref": "main"}'
    signature = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    fields = {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "d1",
    }
    url = f"http://127.0.0.1:{unused_port}/hook"
    with listening("webhook.py", unused_port, SECRET="secret") as process:
        statuses = [http.post(url, body, headers=fields).status for _ in range(2)]
        forged = http.post(url, body + b" ", headers=fields)
        unknown = http.post(url, body, headers={**fields, "X-GitHub-Delivery": "d2"})
        lines = [process.stdout.readline() for _ in range(2)]
    assert (statuses, forged.status, unknown.status) == ([202, 202], 401, 202)
    assert lines == ["push {'ref': 'main'}\n"] * 2


def test_notes_are_kept_in_a_database(unused_port, tmp_path):
    database = str(tmp_path / "notes.db")
    url = f"http://127.0.0.1:{unused_port}"
    with listening("notes.py", unused_port, database), http.HttpClient(base_url=url) as client:
        assert "<title>Notes</title>" in client.get("/").text
        made = client.post("/notes", json={"text": "first"})
        assert (made.status, made.headers["Location"]) == (201, "/notes/1")
        changed = client.put(made.headers["Location"], json={"text": "changed"})
        assert changed.json() == {"id": 1, "text": "changed"}
        assert client.post("/notes", json={}).status == 400
        assert client.post("/notes", json={"text": "second"}).status == 201
        assert client.delete("/notes/2").status == 204
        assert client.get("/notes/2").json() == {"error": "there is no note 2"}
    with listening("notes.py", unused_port, database):
        assert http.get(f"{url}/notes").json() == [{"id": 1, "text": "changed"}]


def test_a_download_goes_on_where_it_broke_off(blade_server, tmp_path):
    data = bytes(range(256)) * 400
    blade_server.expect("GET", "/data").respond(
        data,
        headers={"ETag": '"v1"', "Accept-Ranges": "bytes"},
        fault=faults.truncate(60_000),
    )
    blade_server.expect("GET", "/data", headers={"Range": "bytes=60000-"}).respond(
        data[60_000:],
        206,
        headers={"ETag": '"v1"', "Content-Range": f"bytes 60000-{len(data) - 1}/{len(data)}"},
    )
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    target = tmp_path / "data.bin"
    printed = run("download.py", blade_server.url_for("/data"), str(target), checksum)
    assert printed == f"206 {target}\n"
    assert target.read_bytes() == data


def test_a_script_of_requests_does_the_same_here(blade_server):
    blade_server.expect("POST", "/login", body="name=ada").respond(
        headers={"Set-Cookie": "session=s1"}
    )
    blade_server.expect(
        "GET",
        "/users",
        query={"page": 2},
        headers={"Accept": "application/json"},
        where=lambda request: request.cookies.get("session") == "s1",
    ).respond(json=["Ada"])
    blade_server.expect("POST", "/photos", where=lambda request: "photo" in request.files)
    assert run("migrated.py", blade_server.url) == "['Ada'] 200\n"


@pytest.fixture
def site():
    pages = {
        "/": '<title>Home</title><a href="/a">a</a> <a href=b/c>c</a><a href="#top">top</a>',
        "/a": '<title>A</title><a href="/">home</a><a href="/missing">?</a>',
        "/b/c": "<title> C </title><a href='http://127.0.0.1:1/'>refused</a><a href='mailto:a@b'>",
    }
    with http.server(0) as server:

        @server.on_receive
        def page(request, response):
            if request.path not in pages:
                http.abort(404)
            response.write(pages[request.path])

        yield server


def test_the_link_checker_names_broken_links_and_their_pages(site):
    command = [sys.executable, "-X", "dev", str(EXAMPLES / "link_checker.py"), f"{site.url}/"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    *lines, last = found.stdout.splitlines()
    assert (found.returncode, found.stderr, last) == (1, "", "broken links: 2")
    refused, missing = sorted(lines)
    assert missing == f"{site.url}/missing (on {site.url}/a): 404 Not Found"
    assert refused.startswith(f"http://127.0.0.1:1/ (on {site.url}/b/c): connecting to 127.0.0.1:1")


def test_the_crawler_prints_every_page_once(site):
    found = run("crawler.py", f"{site.url}/", mode="utf8")  # dev tells of slow steps of asyncio
    assert [line.strip() for line in found.splitlines()] == [
        f"200 {site.url}/ Home",
        f"200 {site.url}/a A",
        f"200 {site.url}/b/c C",
        f"404 {site.url}/missing",
    ]
    assert len(run("crawler.py", f"{site.url}/", "2", mode="utf8").splitlines()) == 2


def test_the_tests_of_the_api_client_pass(tmp_path):
    command = [sys.executable, "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    process = subprocess.run(
        [
            *command,
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            str(EXAMPLES / "test_api_client.py"),
        ],
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_bladehttp",
        },
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "4 passed" in process.stdout, process.stdout
