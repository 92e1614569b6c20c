"""The fixtures of bladehttp for pytest, which loads this module at every start.

So it is no part of the package, and imports nothing of it before a fixture is wanted: a test run
that has no use for it is not kept waiting, and coverage of the package can be measured.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bladehttp.server.testing import BladeServer, Identity


@pytest.fixture
def blade_server() -> "Iterator[BladeServer]":
    """A server on a free port; what is not as it expects fails the test at its end."""
    from bladehttp.server.testing import BladeServer

    with BladeServer() as server:
        yield server


@pytest.fixture
def blade_server_tls(_blade_identity: "Identity") -> "Iterator[BladeServer]":
    """The same with TLS: a client has to trust its ``ca_file``."""
    from bladehttp.server.testing import BladeServer

    with BladeServer(identity=_blade_identity) as server:
        yield server


@pytest.fixture(scope="session")
def _blade_identity(tmp_path_factory: pytest.TempPathFactory) -> "Identity":
    if find_spec("trustme") is None:
        hint = "blade_server_tls takes trustme: pip install 'bladehttp[testing]'"
        pytest.fail(hint, pytrace=False)
    from bladehttp.server.testing import Identity

    return Identity.throw_away(tmp_path_factory.mktemp("blade_server_tls"))
