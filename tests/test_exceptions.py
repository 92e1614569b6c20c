import builtins
import copy
import pickle
import re

import pytest

from bladehttp import exceptions
from bladehttp.exceptions import HttpException, IncompleteBody, ProtocolError

CLASSES = sorted(
    (
        cls
        for cls in vars(exceptions).values()
        if isinstance(cls, type) and issubclass(cls, HttpException)
    ),
    key=lambda cls: cls.__name__,
)

line_of_tree = re.compile(r"^    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)(?: \((\w+)\))?")


def tree_in_the_docstring() -> dict[str, list[str]]:
    """Return each class's bases as the tree draws them: its parent, and what is in parentheses."""
    bases: dict[str, list[str]] = {}
    path: list[str] = []
    drawn = exceptions.__doc__.partition("\n\n")[2].rpartition("\n\n")[0]
    for line in drawn.splitlines():
        match = line_of_tree.match(line)
        if match is None or (path and "── " not in line):
            continue
        depth = (len(match[1]) // 4) + ("── " in line)
        path[depth:] = [match[2]]
        bases[match[2]] = [*path[depth - 1 : depth], *filter(None, [match[3]])] if depth else []
    return bases


def test_tree_in_the_docstring_is_the_tree() -> None:
    real = {
        cls.__name__: [base.__name__ for base in cls.__bases__ if base is not Exception]
        for cls in CLASSES
    }
    drawn = tree_in_the_docstring()
    assert set(drawn) == set(real)
    assert {name: set(bases) for name, bases in drawn.items()} == {
        name: set(bases) for name, bases in real.items()
    }


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_pickle_and_copy_keep_message_and_details(cls: type[HttpException], again: object) -> None:
    error = cls("it failed", url="http://a/", code=7, code_name="E_COULDNT_CONNECT")
    copied = again(error)  # type: ignore[operator]
    assert (type(copied), str(copied), copied.__dict__) == (cls, "it failed", error.__dict__)
    assert (copied.url, copied.code) == ("http://a/", 7)


@pytest.mark.parametrize("cls", CLASSES)
def test_message_alone_is_the_text(cls: type[HttpException]) -> None:
    assert (str(cls("it failed")), str(cls())) == ("it failed", "")


def test_unknown_detail_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no detail named 'uri'"):
        HttpException("x", uri="http://a/")


def test_details_of_their_own() -> None:
    assert (ProtocolError("x").status, ProtocolError("x", status=413).status) == (400, 413)
    assert (IncompleteBody("x").partial, IncompleteBody("x", partial=b"a").partial) == (b"", b"a")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("SocketException", "OSError"),
        ("ConnectError", "ConnectionError"),
        ("TimeoutException", "TimeoutError"),
        ("ConnectTimeout", "OSError"),
        ("InvalidUrl", "ValueError"),
        ("InvalidHeader", "ValueError"),
    ],
)
def test_builtin_exceptions_catch_them(name: str, base: str) -> None:
    assert issubclass(getattr(exceptions, name), getattr(builtins, base))
