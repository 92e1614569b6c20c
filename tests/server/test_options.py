"""The types of a server's keyword arguments name its properties."""

from typing import get_type_hints

from bladehttp.server import HttpServer, ServerOptions
from bladehttp.server._config import DEFAULTS, ServerConfig


def test_a_keyword_argument_has_the_type_of_its_property() -> None:
    properties = get_type_hints(ServerConfig)
    assert get_type_hints(ServerOptions) == {name: properties[name] for name in DEFAULTS}


def test_every_property_of_a_server_is_a_typed_keyword_argument() -> None:
    assert set(ServerOptions.__annotations__) == set(DEFAULTS)
    assert set(DEFAULTS) <= set(dir(HttpServer))
