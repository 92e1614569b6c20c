"""For test suites: a server with expected requests and prepared responses, and faults.

    with BladeServer() as server:
        server.expect("GET", "/users/1").respond(json={"name": "Ada"})
        assert fetch_user(server.url_for("/users/1")) == "Ada"

The fixtures `blade_server` and `blade_server_tls` for pytest are such servers; they are in
`pytest_bladehttp`, which pytest finds by itself. Nothing here needs pytest.
"""

from bladehttp.server._net.tls import ThrowAwayCertificate, throw_away_certificate
from bladehttp.server.testing import faults
from bladehttp.server.testing._expectation import Expectation
from bladehttp.server.testing._identity import Identity
from bladehttp.server.testing._json_matching import subset
from bladehttp.server.testing._server import BladeServer
from bladehttp.server.testing.faults import Fault

__all__ = [
    "BladeServer",
    "Expectation",
    "Fault",
    "Identity",
    "ThrowAwayCertificate",
    "faults",
    "subset",
    "throw_away_certificate",
]
