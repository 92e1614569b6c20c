"""The fixtures of bladehttp for pytest, which loads this module at every start.

So it is no part of the package, and imports nothing of it before a fixture is wanted: a test run
that has no use for it is not kept waiting, and coverage of the package can be measured.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from inspect import isasyncgenfunction, isgeneratorfunction, unwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bladehttp.server.testing._expectation import Due
    from bladehttp.testing import BladeServer, Identity

SERVERS: pytest.StashKey[list["BladeServer"]] = pytest.StashKey()
"""The servers of a test."""

SHARED: pytest.StashKey[list["BladeServer"]] = pytest.StashKey()
"""The servers of `make_blade_server`."""


@pytest.fixture
def blade_server(request: pytest.FixtureRequest) -> "Iterator[BladeServer]":
    """A server on a free port; what is not as it expects fails the test."""
    from bladehttp.testing import BladeServer

    yield from _serve(request.node, BladeServer())


@pytest.fixture
def blade_server_tls(
    request: pytest.FixtureRequest, _blade_identity: "Identity"
) -> "Iterator[BladeServer]":
    """The same with TLS: a client has to trust its ``ca_file``."""
    from bladehttp.testing import BladeServer

    yield from _serve(request.node, BladeServer(identity=_blade_identity))


@pytest.fixture(scope="session")
def make_blade_server(request: pytest.FixtureRequest) -> "Callable[..., BladeServer]":
    """Make a server for several tests, to be used as a context by a fixture of any scope.

    It is checked and cleared after each test. Expectations of fixtures for several tests stay.

    The function that it returns takes ``port`` (0, a free one), ``tls`` (False) and the properties
    of `bladehttp.server.HttpServer`.
    """
    from bladehttp.testing import BladeServer

    shared = request.config.stash.setdefault(SHARED, [])

    def make(port: int = 0, *, tls: bool = False, **properties: Any) -> BladeServer:
        identity = request.getfixturevalue("_blade_identity") if tls else None
        server = BladeServer(port, identity=identity, **properties)
        shared.append(server)
        return server

    return make


@pytest.fixture(scope="session")
def _blade_identity(tmp_path_factory: pytest.TempPathFactory) -> "Identity":
    if find_spec("trustme") is None:
        hint = "a server with TLS takes trustme: pip install 'bladehttp[testing]'"
        pytest.fail(hint, pytrace=False)
    from bladehttp.testing import Identity

    return Identity.throw_away(tmp_path_factory.mktemp("blade_server_tls"))


def _serve(item: pytest.Item, server: "BladeServer") -> "Iterator[BladeServer]":
    """Run a server for a test; what goes wrong after the test fails its teardown."""
    __tracebackhide__ = True
    item.stash.setdefault(SERVERS, []).append(server)
    with server:
        yield server


def _shared(config: pytest.Config) -> "list[BladeServer]":
    """Return the servers that are for several tests and listen."""
    return [server for server in config.stash.get(SHARED, []) if server.socket is not None]


def _servers(item: pytest.Item) -> "list[BladeServer]":
    return [*item.stash.get(SERVERS, []), *_shared(item.config)]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let requests that a fixture expects be received in its teardown or in any of its tests."""
    own = request.node.stash.get(SERVERS, [])
    servers = [*own, *_shared(request.config)]
    before = [expectation for server in servers for expectation in server._expectations]
    result = yield
    for server in (*own, *_shared(request.config)):
        for expectation in server._expectations:
            if expectation not in before:
                expectation.due = max(expectation.due, _due(fixturedef))
    return result


def _due(fixturedef: pytest.FixtureDef[Any]) -> "Due":
    """Return by when the requests that a fixture expects have to be received."""
    from bladehttp.server.testing._expectation import Due

    if fixturedef.scope != "function":
        return Due.CLOSE
    function = unwrap(fixturedef.func)
    goes_on = isgeneratorfunction(function) or isasyncgenfunction(function)
    return Due.TEARDOWN if goes_on else Due.TEST


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test itself for what its servers tell, or show it beside the test's own failure."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException:
        for server in _servers(item):
            _show(item, server)
        raise
    for server in _servers(item):
        try:
            server._check_test()
        except AssertionError:
            for each in _servers(item):
                _show(item, each)
            raise
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Clear the servers that are for several tests; what goes wrong until then fails the test."""
    __tracebackhide__ = True
    try:
        return (yield)
    finally:
        with ExitStack() as stack:
            for server in _shared(item.config):
                stack.callback(server._end_test)


def _show(item: pytest.Item, server: "BladeServer") -> None:
    """Add what a server has to tell to the report of a failed test, and let it be that."""
    try:
        server._check_test(is_over=True)
    except AssertionError as error:
        item.add_report_section("call", "blade_server", str(error))
    server._is_told = True
