"""For test suites: a server with expected requests and prepared responses, and faults.

    with BladeServer() as server:
        server.expect("GET", "/users/1").respond(json={"name": "Ada"})
        assert fetch_user(server.url_for("/users/1")) == "Ada"

`bladehttp.server.testing` has the same names. The fixtures `blade_server` and `blade_server_tls` of
pytest are such servers; pytest finds them by itself. Nothing here needs pytest.
"""

from bladehttp.server.testing import (
    BladeServer,
    Expectation,
    Fault,
    Identity,
    ThrowAwayCertificate,
    faults,
    subset,
    throw_away_certificate,
)

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
