"""The applications, the same for each interface: what a handler does is equal everywhere.

hello   reads the path, sets Content-Type and one more field, 13 bytes
bare    13 bytes and nothing else
data    a small dict as JSON
order   reads a POST of JSON and answers with JSON
route   one of 100 routes, each with a parameter, which is answered
large   10 MB from memory
sink    reads a body and answers with its length
"""

from typing import Any

HELLO = b"Hello, world!"
LARGE = bytes(10_000_000)
FIELD = ("X-Frame-Options", "DENY")
ROUTES = 100

ORDER = b'{"name":"ada byron","count":12,"paid":true}'
"""43 bytes, the body of an order."""


def data() -> dict[str, Any]:
    """Return a small dict, made for each request."""
    return {"id": 1234, "name": "Ada Lovelace", "roles": ["admin", "editor"], "active": True}


def taken(order: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to an order."""
    return {"name": order["name"], "total": order["count"] * 3, "paid": order["paid"]}
