"""as_json: the argument ``default`` of ``json.dumps`` for messages."""

import base64
import json
from collections.abc import Mapping
from typing import Any


def as_json(value: Any) -> Any:
    """Return a JSON-friendly form of an object that the json module does not support.

    A message (HttpRequest, HttpResponse) becomes its `to_dict()`, headers and other
    mappings a dict, bytes a str where they are UTF-8 and {"base64": ...} where not.

    Raises:
        TypeError: The object is of another type.
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text_or_base64(bytes(value))
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _text_or_base64(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


dump_json = json.JSONEncoder(default=as_json, ensure_ascii=False, allow_nan=False).encode
"""Return a value as JSON; `json.dumps` would make an encoder for each call. NaN: ValueError."""
