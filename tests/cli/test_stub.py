"""stub: expectations of a file for programs in any language, here curl and Python's own client."""

import json
import re
import shutil
import subprocess
import sys

import pytest

STUB = {
    "expectations": [
        {
            "request": {"method": "GET", "path": "/users/{id}", "query": {"page": "1"}},
            "response": {"json": {"name": "Ada"}, "headers": {"Link": "<{server}/users/2>"}},
            "times": 2,
        },
        {
            "request": {"method": "POST", "path": "/login", "form": {"name": "ada"}},
            "response": {"status": 302, "headers": {"Location": "{server}/"}},
        },
        {"request": {"path": "/health"}, "times": None},
    ]
}


@pytest.fixture
def stub(start, tmp_path):
    """Start a stub; return what runs and its URL."""
    (tmp_path / "api.json").write_text(json.dumps(STUB))

    def stub(*words):
        running = start("stub", tmp_path / "api.json", "--port", "0", *words)
        pattern = rf"Answering as {tmp_path}/api.json says at (http://\S+)/ .+\n"
        return running, re.fullmatch(pattern, running.line())[1]

    return stub


def curl(*words):
    words = (shutil.which("curl"), "-sS", "--max-time", "20", *words)
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout


def test_expectations_are_met_by_curl(stub):
    running, url = stub("--log", "none")
    answers = [curl("-i", f"{url}/users/{number}?page=1") for number in (1, 2)]
    assert all(each.endswith('{"name": "Ada"}') for each in answers)
    assert f"Link: <{url}/users/2>" in answers[0]
    written = curl("-d", "name=ada", "-w", "%{http_code} %{redirect_url}", f"{url}/login")
    assert written == f"302 {url}/"
    assert running.interrupt() == (0, "all 3 expectations met by 3 requests\n", "")


def test_what_is_not_as_expected_is_told_at_once_and_at_the_end(stub):
    running, url = stub()
    compared = """\
not expected: POST /login
  unlike POST /login, form {'name': 'ada'}, once:
    form: 'name' is 'bob', not 'ada'
  unlike GET /users/{id}, query {'page': '1'}, twice:
    the method is 'POST'
    the path is '/login'
    there is no query
  unlike 1 others that are expected
"""
    assert curl("-d", "name=bob", f"{url}/login") == compared
    code, out, err = running.interrupt()
    assert (code, out) == (1, "")
    assert err.startswith(compared)
    missing, _, told = err[err.index("expected request not received") :].partition("\n  rec")
    assert [line.partition(", expected")[0] for line in missing.splitlines()] == [
        "expected request not received: GET /users/{id}, query {'page': '1'}",
        "expected request not received: POST /login, form {'name': 'ada'}",
    ]
    assert told == f"eived: POST /login\n{compared}"


@pytest.mark.parametrize(("words", "last"), [((), "500"), (("--repeat",), "200")])
def test_a_request_that_comes_too_often_has_the_last_response_if_wanted(stub, words, last):
    running, url = stub("--log", "none", *words)
    program = """if True:
        import sys, urllib.error, urllib.request
        for _ in range(3):
            try:
                print(urllib.request.urlopen(sys.argv[1]).status)
            except urllib.error.HTTPError as error:
                print(error.code)
    """
    asked = subprocess.run(
        [sys.executable, "-c", program, f"{url}/users/1?page=1"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert asked.stdout.split() == ["200", "200", last]
    assert running.interrupt()[0] == 1  # nobody has logged in


def test_a_server_is_recorded_and_answered_for(start, server, tmp_path):
    path = tmp_path / "new.json"
    recording = start("stub", path, "--record", server.url, "--port", "0", "--log", "none")
    pattern = rf"Recording {server.url} in {path} at (http://\S+)/ .+\n"
    recorded = json.loads(curl(f"{re.fullmatch(pattern, recording.line())[1]}/a/b?c=1"))
    assert (recorded["path"], recorded["queries"]) == ("/a/b", {"c": "1"})
    assert recording.interrupt() == (0, "", "")
    running = start("stub", path, "--port", "0", "--log", "none")
    url = re.search(r"http://[^/]+", running.line())[0]
    assert json.loads(curl(f"{url}/a/b?c=1")) == recorded
    assert running.interrupt() == (0, "all 1 expectations met by 1 requests\n", "")


def test_a_server_that_cannot_be_recorded_is_told(run, tmp_path):
    code, out, err = run("stub", tmp_path / "a.json", "--record", "localhost:1")
    assert (code, out) == (2, b"")
    assert "upstream is an http or https URL, not 'localhost:1'" in err


def test_a_file_that_is_wrong_is_told(run, tmp_path):
    path = tmp_path / "api.json"
    code, out, err = run("stub", path)
    assert (code, out) == (1, b"")
    assert "No such file" in err
    path.write_text('{"expectations": [{"respone": {}}]}')
    told = "expectation 1: unknown key 'respone', expected one of request, response, times, ordered"
    assert run("stub", path) == (2, b"", f"bladehttp: {path}: {told}\n")
