"""The properties of the client behind another library."""

from typing import Any

TRANSPARENT: dict[str, Any] = {
    "user_agent": "",
    "accept_encoding": None,
    "follow_redirect": False,
    "no_expect": True,
    "trust_env": False,  # the other library has looked
}
"""Properties of a client that adds nothing to a request, and follows and decodes nothing."""
