"""The types of a server's keyword arguments name its properties."""

from bladehttp.server import HttpServer, ServerOptions
from bladehttp.server._config import DEFAULTS


def test_every_property_of_a_server_is_a_typed_keyword_argument():
    assert set(ServerOptions.__annotations__) == set(DEFAULTS)
    assert set(DEFAULTS) <= set(dir(HttpServer))
