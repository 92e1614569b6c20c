from collections.abc import Iterator

import pytest
from support import Raw, nothing_left

from bladehttp.server.testing import BladeServer


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def server() -> Iterator[BladeServer]:
    """A server whose tests check by themselves what went wrong."""
    with BladeServer() as server:
        yield server
        server.clear()


@pytest.fixture
def client(server: BladeServer) -> Iterator[Raw]:
    with Raw(server.port) as client:
        yield client
