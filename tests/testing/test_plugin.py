"""The fixtures in test runs of their own: what passes, what fails and what is told then."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import pytest_bladehttp

pytest_plugins = ["pytester"]

ROOT = Path(pytest_bladehttp.__file__).parent


CLIENT = """
import bladehttp as http
import pytest

@pytest.fixture
def client(blade_server):
    with http.HttpClient(**blade_server.client_options) as client:
        yield client
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a test module here in this process, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makeconftest(CLIENT)
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "pytest_bladehttp", *arguments)

    return run


def test_what_comes_as_expected_passes(run):
    run(
        """
        def test_it(client, blade_server):
            blade_server.expect("GET", "/users/{id}").respond(json={"name": "Ada"})
            assert client.get("/users/1").json() == {"name": "Ada"}
            assert blade_server.requests[0].params == {"id": "1"}
        """
    ).assert_outcomes(passed=1)


def test_each_test_has_a_server_of_its_own(run):
    run(
        """
        import pytest

        servers = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(client, blade_server, number):
            assert blade_server.requests == ()
            blade_server.expect("GET", f"/{number}")
            client.get(f"/{number}")
            servers.append(blade_server)

        def test_they_are_closed():
            assert [server.socket for server in servers] == [None] * 3
        """
    ).assert_outcomes(passed=4)


def test_what_does_not_come_fails(run):
    result = run(
        """
        def test_it(client, blade_server):
            blade_server.expect("POST", "/users", json={"name": "Ada"}, times=2)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *expected request not received: POST /users, JSON *, expected twice, came 0 times",
            "*received: nothing",
        ]
    )


def test_what_is_not_expected_fails_though_nobody_looks(run):
    result = run(
        """
        def test_it(client, blade_server):
            blade_server.expect("GET", "/users", times=None)
            client.post("/users", b"x")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: not expected: POST /users",
            "*  unlike GET /users, any number of times:",
            "*    the method is 'POST'",
        ]
    )


def test_an_error_of_a_handler_is_shown_where_it_is(run):
    result = run(
        """
        def answer(request, response):
            raise LookupError("no such user")

        def test_it(client, blade_server):
            blade_server.expect("GET", "/").respond(handler=answer)
            assert client.get("/").status == 500
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>   *raise LookupError("no such user")',
            "*The above exception was the direct cause of the following exception:*",
            "E *AssertionError: the server failed with LookupError('no such user')",
        ]
    )
    shown = result.stdout.str()
    assert "in check" not in shown
    assert "server/testing/_server.py:" not in shown.partition("Captured log")[0]


def test_a_test_that_clears_may_do_wrong(run):
    run(
        """
        def test_it(client, blade_server):
            blade_server.expect("GET", "/")
            assert client.get("/other").status == 500
            blade_server.clear()
        """
    ).assert_outcomes(passed=1)


def test_fixtures_build_on_it(run):
    run(
        """
        import pytest

        @pytest.fixture
        def session(client, blade_server):
            blade_server.expect("POST", "/login").respond(json={"token": "t"})
            blade_server.expect("POST", "/logout", headers={"Authorization": "Bearer t"})
            token = client.post("/login").json()["token"]
            yield token
            headers = {"Authorization": f"Bearer {token}"}
            client.post("/logout", headers=headers)

        def test_it(session):
            assert session == "t"
        """
    ).assert_outcomes(passed=1)


OUTCOMES = {
    "pytest.fail": "pytest.fail('mine')",
    "pytest.skip": "pytest.skip('mine')",
    "pytest.xfail": "pytest.xfail('mine')",
    "pytest.exit": "pytest.exit('mine')",
    "sys.exit": "sys.exit('mine')",
    "KeyboardInterrupt": "raise KeyboardInterrupt('mine')",
    "assert": "assert False, 'mine'",
}


DECISIONS = [
    *((statement, "expectation") for statement in OUTCOMES.values()),
    *((OUTCOMES["pytest.fail"], place) for place in ("route", "offloaded", "on_receive", "wsgi")),
    *((OUTCOMES["sys.exit"], place) for place in ("offloaded", "wsgi")),
]


@pytest.mark.parametrize(("statement", "place"), DECISIONS)
def test_what_a_handler_decides_of_the_test_fails_it(run, statement, place):
    result = run(
        f"""
        import sys
        import threading
        from wsgiref.simple_server import WSGIRequestHandler, make_server

        import bladehttp as http
        import pytest

        def answer(request, response):
            {statement}

        def ask_through_wsgi(server):
            host = make_server("127.0.0.1", 0, server.wsgi)
            host.RequestHandlerClass.log_message = lambda *_: None
            thread = threading.Thread(target=host.handle_request)
            thread.start()
            with http.HttpClient() as client:
                status = client.get(f"http://127.0.0.1:{{host.server_port}}/").status
            thread.join()
            host.server_close()
            return status

        def test_it(client, blade_server):
            place = {place!r}
            if place in ("expectation", "wsgi"):
                blade_server.expect("GET", "/").respond(handler=answer)
            elif place == "on_receive":
                blade_server.on_receive(answer)
            else:
                blade_server.handle("GET", "/", answer, offload=place == "offloaded")
            if place == "wsgi":
                assert ask_through_wsgi(blade_server) == 500
            else:
                assert client.get("/").status == 500
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: the server failed with *mine*"])


def test_a_test_that_fails_by_itself_shows_what_its_server_has_to_tell(run):
    result = run(
        """
        def test_it(client, blade_server):
            blade_server.expect("GET", "/users")
            assert client.post("/users").json() == {}
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*blade_server*", "not expected: POST /users"])


def test_a_test_that_is_skipped_owes_nothing(run):
    run(
        """
        import pytest

        def test_it(blade_server):
            blade_server.expect("GET", "/users")
            pytest.skip()
        """
    ).assert_outcomes(skipped=1)


def test_a_test_that_is_expected_to_fail_may_fail_by_its_server(run):
    run(
        """
        import pytest

        @pytest.mark.xfail(strict=True)
        def test_it(blade_server):
            blade_server.expect("GET", "/users")
        """
    ).assert_outcomes(xfailed=1)


def test_what_a_fixture_has_expected_fails_the_test_too(run):
    run(
        """
        import pytest

        @pytest.fixture
        def api(blade_server):
            blade_server.expect("GET", "/users")

        def test_it(client, api):
            pass
        """
    ).assert_outcomes(failed=1)


def test_what_a_fixture_expects_after_the_test_is_missed_in_its_teardown(run):
    run(
        """
        import pytest

        @pytest.fixture
        def session(client, blade_server):
            blade_server.expect("POST", "/logout")
            yield

        def test_it(session):
            pass
        """
    ).assert_outcomes(passed=1, errors=1)


def test_two_servers_of_a_test_are_both_told_of(run):
    result = run(
        """
        def test_it(blade_server, blade_server_tls):
            blade_server.expect("GET", "/one")
            blade_server_tls.expect("GET", "/two")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not received: GET /one*", "*not received: GET /two*"])


def test_a_test_of_a_class_and_of_unittest_fails_in_itself(run):
    run(
        """
        import unittest

        import pytest

        class TestIt:
            def test_it(self, blade_server):
                blade_server.expect("GET", "/one")

        class CaseTest(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def keep(self, blade_server):
                self.server = blade_server

            def test_it(self):
                self.server.expect("GET", "/one")
        """
    ).assert_outcomes(failed=2)


def test_what_the_server_refuses_fails_the_test_with_the_reason(run):
    result = run(
        """
        import socket

        def test_it(blade_server):
            with socket.create_connection(("127.0.0.1", blade_server.port)) as client:
                client.sendall(b"GET /a HTTP/1.1\\r\\n\\r\\n")
                assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *AssertionError: refused with 400: GET /a: *Host*"])


def test_tls_is_trusted_by_whom_it_says(run):
    run(
        """
        import ssl
        import urllib.request

        import bladehttp as http
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_it(blade_server_tls, number):
            blade_server_tls.expect("GET", "/", times=2).respond("secret")
            with http.HttpClient(**blade_server_tls.client_options) as client:
                assert client.get("/").text == "secret"
            context = ssl.create_default_context(cafile=blade_server_tls.ca_file)
            with urllib.request.urlopen(blade_server_tls.url, context=context) as response:
                assert response.read() == b"secret"

        def test_it_is_not_trusted_otherwise(blade_server_tls):
            with http.HttpClient() as client, pytest.raises(http.CertificateError):
                client.get(blade_server_tls.url)

        def test_both(blade_server, blade_server_tls):
            assert blade_server.url.startswith("http://")
            assert blade_server_tls.url.startswith("https://")
            assert blade_server.client_options == {"base_url": blade_server.url}
        """,
        "-v",
    ).assert_outcomes(passed=4)


def test_tls_without_trustme_says_what_is_missing(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    result = run("def test_it(blade_server_tls): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes trustme: pip install 'bladehttp[[]testing[]]'"])


def test_threads_and_asyncio_wait_for_it(pytester):
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error"
    )
    pytester.makepyfile(
        """
        import asyncio
        from threading import Thread

        import bladehttp as http
        import pytest

        @pytest.mark.asyncio
        async def test_asyncio(blade_server):
            blade_server.expect("GET", "/{n}", times=50).respond(delay=10)
            async with http.AsyncHttpClient(**blade_server.client_options) as client:
                answers = await asyncio.gather(*(client.get(f"/{n}") for n in range(50)))
            assert {answer.status for answer in answers} == {200}

        @pytest.mark.asyncio
        async def test_a_thread_waits_for_a_coroutine(blade_server):
            blade_server.expect("POST", "/hook")

            async def report():
                async with http.AsyncHttpClient(**blade_server.client_options) as client:
                    await client.post("/hook")

            task = asyncio.create_task(report())
            await asyncio.to_thread(blade_server.wait)
            await task

        def test_a_thread(blade_server):
            blade_server.expect("GET", "/")
            thread = Thread(target=http.get, args=(blade_server.url,))
            thread.start()
            blade_server.wait()
            thread.join()
        """
    )
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "pytest_bladehttp")
    result = isolated(pytester, *plugins)
    assert "3 passed" in result


def isolated(pytester, *arguments: str) -> str:
    """Run pytest in a process of its own, with the plugins that are named; return its output."""
    return output(pytester, "-m", "pytest", *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


def output(pytester, *arguments: str, **environment: str) -> str:
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=pytester.path,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


COUNT_TIME = """
import time

import pytest

used = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    begun = time.process_time()
    result = yield
    used.append(time.process_time() - begun)
    return result

def pytest_unconfigure():
    print(f"{len(used)} tests took {sum(used[1:]):.3f} s")
"""
"""The processor's time, as tests are not to fail because a machine has other things to do. The
first test is left out, which imports and makes a certificate."""


@pytest.mark.parametrize("fixture", ["blade_server", "blade_server_tls"])
def test_200_tests_with_it_are_through_in_no_time(pytester, fixture):
    pytester.makeconftest(COUNT_TIME)
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("number", range(200))
        def test_it({fixture}, number):
            {fixture}.expect("GET", f"/{{number}}", times=None)
        """
    )
    shown = isolated(pytester, "-p", "pytest_bladehttp", "-W", "error")
    assert "200 passed" in shown
    assert float(re.search(r"200 tests took ([\d.]+) s", shown)[1]) < 2, shown


def test_pytest_finds_it_by_itself():
    (found,) = entry_points(group="pytest11", name="bladehttp")
    assert found.load() is pytest_bladehttp


def test_nothing_of_the_package_is_imported_before_it_is_wanted(pytester):
    code = "import sys, pytest_bladehttp; print([each for each in sys.modules if 'blade' in each])"
    assert output(pytester, "-c", code) == "['pytest_bladehttp']\n"


def test_a_test_run_without_it_is_not_kept_waiting(pytester):
    code = (
        "import pytest, time; begun = time.process_time(); import pytest_bladehttp; "
        "print(time.process_time() - begun)"
    )
    assert float(output(pytester, "-c", code)) < 0.05


def test_coverage_of_the_package_is_whole_where_the_fixture_is_used(pytester):
    pytester.makepyfile("def test_it(blade_server): assert blade_server.url")
    data = pytester.path / "data"
    config = pytester.path / "coveragerc"
    config.write_text(f"[run]\nsource = bladehttp.server.testing\ndata_file = {data}\n")
    arguments = ("-p", "pytest_cov", "-p", "pytest_bladehttp", "--cov", f"--cov-config={config}")
    shown = isolated(pytester, *arguments, "--cov-report=term-missing")
    missed = re.search(r"testing/_identity\.py +\d+ +\d+ +\d+% +([\d, -]+)", shown)
    assert missed[1].split(",")[0].partition("-")[0] > "30", shown  # no import, no class


def test_the_server_is_of_use_without_pytest(pytester):
    code = "import sys, bladehttp.server.testing; print('pytest' in sys.modules)"
    assert output(pytester, "-c", code) == "False\n"
