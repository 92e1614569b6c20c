"""Servers for several tests, which are checked and cleared after each of them."""

import pytest

pytest_plugins = ["pytester"]

SHARED = """
import pytest
from urllib.error import HTTPError
from urllib.request import urlopen

@pytest.fixture(scope="SCOPE")
def api(make_blade_server):
    with make_blade_server() as server:
        yield server

def get(server, path):
    try:
        with urlopen(server.url_for(path)) as response:
            return response.status
    except HTTPError as error:
        with error:
            return error.code
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a test module in this process, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, *arguments: str, scope: str = "session") -> pytest.RunResult:
        body = "\n".join(line.removeprefix(" " * 8) for line in source.splitlines())
        pytester.makepyfile(SHARED.replace("SCOPE", scope) + body)
        return pytester.runpytest_inprocess("-p", "pytest_bladehttp", *arguments)

    return run


@pytest.mark.parametrize("scope", ["session", "module", "class", "function"])
def test_a_server_is_cleared_between_tests(run, scope):
    run(
        """
        class TestIt:
            def test_1(self, api):
                taken = api.expect("GET", "/a")
                assert get(api, "/a") == 200
                assert len(api.requests) == len(taken.requests) == 1

            def test_2(self, api):
                assert api.requests == ()
                api.expect("GET", "/b", times=None)

            def test_3(self, api):
                assert get(api, "/b") == 500
                api.clear()
        """,
        scope=scope,
    ).assert_outcomes(passed=3)


def test_a_module_s_tests_have_one_server(run):
    run(
        """
        urls = set()

        @pytest.mark.parametrize("number", range(3))
        def test_it(api, number):
            urls.add(api.url)
            assert len(urls) == 1
        """,
        scope="module",
    ).assert_outcomes(passed=3)


def test_what_a_wider_fixture_expects_stays(run):
    run(
        """
        @pytest.fixture(scope="module", autouse=True)
        def login(api):
            api.expect("GET", "/login", times=None)
            api.expect("GET", "/once")

        def test_1(api):
            assert get(api, "/login") == 200

        def test_2(api):
            api.expect("GET", "/2")
            assert [get(api, path) for path in ("/login", "/once", "/2")] == [200] * 3
            api.clear()

        def test_3(api):
            assert get(api, "/login") == 200
        """
    ).assert_outcomes(passed=3)


def test_what_a_wider_fixture_expects_in_vain_is_missed_when_the_server_closes(run):
    result = run(
        """
        @pytest.fixture(scope="session", autouse=True)
        def login(api):
            api.expect("GET", "/never")

        def test_1(api): pass

        def test_2(api): pass
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*expected request not received: GET /never*"])


def test_a_test_fails_for_itself_and_no_other(run):
    result = run(
        """
        def test_missing(api):
            api.expect("GET", "/a")

        def test_good(api):
            api.expect("GET", "/a")
            get(api, "/a")

        def test_unexpected(api):
            get(api, "/b")

        def test_its_own(api):
            api.expect("GET", "/c")
            assert get(api, "/d") == 200

        def test_handler(api):
            def handler(request, response):
                raise LookupError("no such user")
            api.expect("GET", "/").respond(handler=handler)
            get(api, "/")

        def test_none_of_it():
            pass
        """,
        "-rA",
    )
    result.assert_outcomes(passed=2, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*expected request not received: GET /a, expected once, came 0 times",
            "*not expected: GET /b",
            "*assert 500 == 200",
            "*- Captured blade_server call -*",
            "*expected request not received: GET /c*",
            "*not expected: GET /d",
            "*LookupError: no such user",
        ]
    )


def test_what_a_fixture_expects_may_come_in_its_teardown(run):
    result = run(
        """
        @pytest.fixture
        def session(api):
            api.expect("GET", "/bye")
            yield
            get(api, "/bye")

        @pytest.fixture
        def forgets(api):
            api.expect("GET", "/bye")
            yield

        def test_1(session): pass

        def test_2(forgets): pass

        def test_3(session): pass
        """
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_2*", "*not received: GET /bye*"])


def test_servers_of_both_kinds_and_with_properties(run):
    run(
        """
        import ssl

        @pytest.fixture(scope="module")
        def secure(make_blade_server):
            with make_blade_server(tls=True, max_body_size=10) as server:
                yield server

        @pytest.mark.parametrize("number", range(2))
        def test_it(api, secure, blade_server, number):
            assert secure.max_body_size == 10
            for server in api, secure, blade_server:
                server.expect("GET", "/")
            assert get(api, "/") == get(blade_server, "/") == 200
            context = ssl.create_default_context(cafile=secure.ca_file)
            with urlopen(secure.url, context=context) as response:
                assert response.status == 200
        """
    ).assert_outcomes(passed=2)


def test_every_process_of_xdist_has_a_server_of_its_own(pytester):
    pytester.makepyfile(
        SHARED.replace("SCOPE", "session")
        + """
@pytest.mark.parametrize("number", range(20))
def test_it(api, number):
    api.expect("GET", f"/{number}")
    assert get(api, f"/{number}") == 200
    assert len(api.requests) == 1
"""
    )
    result = pytester.runpytest_subprocess("-n2", "-p", "no:cacheprovider", timeout=50)
    result.assert_outcomes(passed=20)
