"""Comparison of forms and their files with those that are expected, field by field."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from bladehttp._data.multidict import MultiDict
from bladehttp._data.uploads import Upload
from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp.server.testing._values import (
    by_name,
    fit_all,
    fits,
    is_text,
    short,
    text_values,
)

V = TypeVar("V")

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

FILE_KEYS = ("filename", "mime", "content")
"""What may be expected of a file."""


def wanted_fields(form: Any) -> dict[str, list[Any]]:
    """Return the values of a form that are wanted for each name.

    Args:
        form: A dict, or pairs.

    Raises:
        TypeError: It is neither, or a value is none of a form.
    """
    if isinstance(form, str | bytes) or not hasattr(form, "__iter__"):
        raise TypeError(f"form is a dict or pairs, not {short(form)}")
    return text_values("form", form if isinstance(form, Mapping) else by_name(form))


def form_differences(
    request: HttpRequest, wanted: dict[str, list[Any]], is_subset: bool
) -> Iterator[str]:
    """Yield how the fields of a form differ; files excepted."""

    def differences(name: str, sent: list[str], wanted: list[Any]) -> Iterator[str]:
        if not fit_all(sent, wanted):
            yield f"form: {short(name)} is {_values(sent)}, not {_values(wanted)}"

    error = malformed(request)
    if error:
        yield error
    else:
        yield from _by_name("form", request.body, wanted, is_subset, differences)


def malformed(request: HttpRequest) -> str:
    """Return why a request has no form, "" if it has one; no body at all is an empty one."""
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type not in FORMS and (media_type or request.size):
        return f"the body is no form: Content-Type is {short(request.content_type)}"
    try:
        request.body  # noqa: B018 - decoded here
    except ContentError as error:
        return f"the body is no form: {error}"
    return ""


def wanted_files(files: Any) -> dict[str, list[Any]]:
    """Return the files that are wanted for each name.

    Raises:
        TypeError: It is not a dict of files.
        ValueError: A file has a key that no file has.
    """
    if not isinstance(files, Mapping):
        raise TypeError(f"files is a dict, not {short(files)}")
    return {
        str(name): [_file(name, each) for each in (value if isinstance(value, list) else [value])]
        for name, value in files.items()
    }


def _file(name: object, value: Any) -> Any:
    """Return what is wanted of one file: a dict, or an object that is compared with its content."""
    if isinstance(value, tuple) and 2 <= len(value) <= 3:  # as clients take it
        value = dict(zip(("filename", "content", "mime"), value, strict=False))
    if not isinstance(value, Mapping):
        value = {"content": value}
    for key, each in value.items():
        if key not in FILE_KEYS:
            raise ValueError(f"a file has {', '.join(FILE_KEYS)}, not {short(key)}: {short(name)}")
        is_content = key == "content" and isinstance(each, bytes | bytearray | re.Pattern)
        is_no_name = key == "filename" and each is None
        if not (is_content or is_no_name or is_text(each)):
            kind = "bytes, a str" if key == "content" else "a str"
            raise TypeError(f"{key} of a file is {kind} or a pattern, not {short(each)}")
    content = value.get("content")
    return {**value, "content": content.encode()} if isinstance(content, str) else dict(value)


def files_differences(
    request: HttpRequest, wanted: dict[str, list[Any]], is_subset: bool
) -> Iterator[str]:
    """Yield how the files of a form differ."""

    def differences(name: str, sent: list[Upload], wanted: list[Any]) -> Iterator[str]:
        if len(sent) != len(wanted):
            yield f"files: {short(name)} is there {len(sent)} times, not {len(wanted)}"
            return
        for one, other in zip(sent, wanted, strict=True):
            yield from _file_differences(name, one, other)

    error = malformed(request)
    if error:
        yield error
    else:
        yield from _by_name("files", request.files, wanted, is_subset, differences)


def _file_differences(name: str, sent: Upload, wanted: dict[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if not fits(sent[key], value):
            yield f"files: {key} of {short(name)} is {short(sent[key])}, not {short(value)}"


def _by_name(
    what: str,
    sent: MultiDict[V],
    wanted: dict[str, list[Any]],
    is_subset: bool,
    differences: Callable[[str, list[V], list[Any]], Iterator[str]],
) -> Iterator[str]:
    for name in wanted if is_subset else {**wanted, **sent}:
        if name not in sent:
            yield f"{what}: {short(name)} is not there"
        elif name not in wanted:
            yield f"{what}: {short(name)} is there: {_values(sent.get_all(name))}"
        else:
            yield from differences(name, sent.get_all(name), wanted[name])


def _values(values: list[Any]) -> str:
    return short(values[0] if len(values) == 1 else values)
