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


_encoder = json.JSONEncoder(default=as_json, ensure_ascii=False, allow_nan=False)
_make: Any = getattr(json.encoder, "c_make_encoder", None)  # None where json has no C part
# What JSONEncoder.encode makes for each call, less the record of the containers it is in.
_encode: Any = _make and _make(
    None,
    as_json,
    getattr(json.encoder, "encode_basestring"),  # noqa: B009 - not in the stubs
    *(None, _encoder.key_separator, _encoder.item_separator, False, False, False),
)


def dump_json(value: Any) -> str:
    """Return a value as JSON, as `json.dumps` does, which makes an encoder for each call.

    Raises:
        ValueError: NaN, infinity, or a container in itself.
        TypeError: A value that `as_json` does not take either.
    """
    if _encode is not None:
        try:
            return "".join(_encode(value, 0))
        except Exception:  # noqa: BLE001, S110 - raised again below, a recursion with its reason
            pass
    return _encoder.encode(value)
