"""The examples run as they are, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, child, is_open, wait_until

import bladehttp as http

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / name), *arguments],
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


def test_the_third_example_answers_with_the_request(unused_port):
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", str(EXAMPLES / "server.py"), str(unused_port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == f"Listening on Port {unused_port}...\n"
            answer = None
            while answer is None:
                try:
                    answer = http.get(f"http://127.0.0.1:{unused_port}/users?sort=desc")
                except http.ConnectError:
                    assert process.poll() is None
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
            wait_until(lambda: is_open(unused_port))
            assert "new EventSource" in http.get(url).text
            with http.HttpClient() as client, client.stream(f"{url}/events") as response:
                lines = [line for line, _ in zip(response.iter_lines(), range(8), strict=False)]
        finally:
            live.terminate()
            live.wait(PATIENCE)
    assert [lines[0], lines[1], lines[4]] == ["id: 1", "event: tick", "id: 2"]
    assert json.loads(lines[2].removeprefix("data: ")).keys() == {"late", "time"}
