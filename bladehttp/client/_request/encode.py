"""Encode: turns the caller's data into a body."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bladehttp._data.form_values import urlencoded
from bladehttp._data.jsonable import dump_json
from bladehttp._message.response import HttpResponse
from bladehttp.client._request.body import (
    Body,
    BytesBody,
    StreamedBody,
    file_source,
    iterable_source,
)
from bladehttp.client._request.fields import Fields, field_value
from bladehttp.client._request.multipart import (
    Multipart,
    data_parts,
    file_parts,
    form_parts,
    is_file,
)

NOT_GIVEN: Any = object()
"""Default of ``json``, for which None is a value: null."""

BYTES_LIKE = (bytes, bytearray, memoryview)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


CONTENT = frozenset(("json", "form", "files"))
"""Arguments for content beside ``data``."""


def bytes_body(data: Any, others: Mapping[str, Any]) -> BytesBody | None:
    """Return the body of a call whose content is bytes, a str or ``json`` alone, None for others.

    Args:
        data: The argument.
        others: The other arguments.

    Raises:
        TypeError, ValueError: JSON has no form for the value.
    """
    if others and not CONTENT.isdisjoint(others):
        is_alone = data is None and CONTENT & others.keys() == {"json"}
        return encode_json(others["json"]) if is_alone else None
    if type(data) is bytes:
        return BytesBody(data)
    return BytesBody(data.encode()) if type(data) is str else None


def make_body(data: Any, json: Any, form: Any, files: Any, fields: Fields) -> Body | None:
    """Return the body of a request, None if there is none.

    Args:
        data: See `HttpClient.send_request`; so are the next three.
        json: A value that JSON can represent, or NOT_GIVEN.
        form: A mapping or pairs, or None.
        files: A mapping or pairs, or None.
        fields: The caller's fields, whose Content-Type decides how a dict is encoded.

    Raises:
        TypeError: Two bodies at once, or data of a type that cannot be sent.
        ValueError: A dict cannot be sent as that Content-Type.
    """
    if json is NOT_GIVEN and form is None and files is None:
        return None if data is None else encode_data(data, fields)
    given = [data is not None, json is not NOT_GIVEN, form is not None]
    if sum(given) > 1 or (
        files is not None and (json is not NOT_GIVEN or not _goes_with_files(data))
    ):
        raise TypeError(
            "data, json, form and files are several bodies, and a request has one; beside files "
            "the other fields are form={name: value}"
        )
    if files is not None:
        parts = form_parts(form) if form is not None else data_parts(data or {})
        return Multipart([*parts, *file_parts(files)])
    if form is not None:
        return encode_form(form)
    return encode_json(json)


def _goes_with_files(data: Any) -> bool:
    return data is None or isinstance(data, Mapping)


def encode_data(data: Any, fields: Fields) -> Body:
    """Return the body for ``data``, by its type.

    Args:
        data: Anything but None.
        fields: The caller's fields, whose Content-Type decides how a dict is encoded.

    Raises:
        TypeError: Data of that type cannot be sent.
    """
    if isinstance(data, HttpResponse):  # of a stream, the rest that was not read
        data = data.body if data.source is None else data.iter_bytes()
    if isinstance(data, BYTES_LIKE):
        return BytesBody(bytes(data))
    if isinstance(data, str):
        return BytesBody(data.encode())
    if isinstance(data, Body):
        return data
    if isinstance(data, Mapping):
        return encode_mapping(data, field_value(fields, "content-type") or "")
    if hasattr(data, "read"):
        return StreamedBody(file_source(data))
    if isinstance(data, Iterable):
        return StreamedBody(iterable_source(data))
    hint = "an AsyncHttpClient takes it" if hasattr(data, "__aiter__") else "write json= for JSON"
    raise TypeError(
        f"data cannot be sent: {type(data).__name__} is no str, bytes, dict, binary file or "
        f"iterable of bytes; {hint}"
    )


def encode_mapping(data: Mapping[str, Any], content_type: str) -> Body:
    """Return the body for a dict, by the Content-Type of the request.

    Files make it multipart; without a Content-Type it is JSON.

    Raises:
        ValueError: A dict cannot be encoded in that type.
    """
    mime = content_type.partition(";")[0].strip().lower()
    if not mime:
        mime = MULTIPART if any(map(is_file, data.values())) else JSON
    elif mime.endswith("+json"):
        mime = JSON
    encoder = MAPPING_ENCODERS.get(mime)
    if encoder is None:
        raise ValueError(f"a dict cannot be sent as {mime[:80]!r}: encode it first")
    return encoder(data)


def encode_json(data: Any) -> BytesBody:
    """Return a JSON body (RFC 8259): UTF-8, no NaN; messages and headers as `as_json` does."""
    return BytesBody(dump_json(data).encode(), JSON)


def encode_form(fields: Any) -> Body:
    """Return an urlencoded body; see `form_values.fields_of` for its values."""
    return BytesBody(urlencoded("form", fields).encode(), FORM)


MAPPING_ENCODERS: dict[str, Callable[[Mapping[str, Any]], Body]] = {
    JSON: encode_json,
    FORM: encode_form,
    MULTIPART: lambda data: Multipart(data_parts(data)),
}
