"""The fixtures of bladehttp for pytest, which loads this module at every start.

So it is no part of the package, and imports nothing of it before a fixture is wanted: a test run
that has no use for it is not kept waiting, and coverage of the package can be measured.
"""

from collections.abc import Generator, Iterator
from importlib.util import find_spec
from inspect import isasyncgenfunction, isgeneratorfunction, unwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bladehttp.testing import BladeServer, Identity

SERVERS: pytest.StashKey[list["BladeServer"]] = pytest.StashKey()
"""The servers of a test."""


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
def _blade_identity(tmp_path_factory: pytest.TempPathFactory) -> "Identity":
    if find_spec("trustme") is None:
        hint = "blade_server_tls takes trustme: pip install 'bladehttp[testing]'"
        pytest.fail(hint, pytrace=False)
    from bladehttp.testing import Identity

    return Identity.throw_away(tmp_path_factory.mktemp("blade_server_tls"))


def _serve(item: pytest.Item, server: "BladeServer") -> "Iterator[BladeServer]":
    """Run a server for a test; what goes wrong after the test fails its teardown."""
    __tracebackhide__ = True
    item.stash.setdefault(SERVERS, []).append(server)
    with server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let the requests that a fixture expects come in its teardown, if it has one."""
    servers = request.node.stash.get(SERVERS, [])
    function = unwrap(fixturedef.func)
    goes_on = isgeneratorfunction(function) or isasyncgenfunction(function)
    before = [expectation for server in servers for expectation in server._expectations]
    result = yield
    for server in servers if goes_on else ():
        for expectation in server._expectations:
            expectation.at_close |= expectation not in before
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test itself for what its servers tell, or show it beside the test's own failure."""
    __tracebackhide__ = True
    servers = item.stash.get(SERVERS, [])
    try:
        result = yield
    except BaseException:
        for server in servers:
            _show(item, server)
        raise
    for server in servers:
        try:
            server._check(is_closed=False)
        except AssertionError:
            for each in servers:
                _show(item, each)
            raise
    return result


def _show(item: pytest.Item, server: "BladeServer") -> None:
    """Add what a server has to tell to the report of a failed test, and let it be that."""
    try:
        server.check()
    except AssertionError as error:
        item.add_report_section("call", "blade_server", str(error))
    server._is_told = True
