"""The public names: ``__all__`` of the doors, what ``import *`` and ``dir`` give, the reference."""

import builtins
import inspect
import os
import pickle
import re
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import generated
import pytest

import bladehttp as http
from bladehttp.client._config.tls import SYSTEM_BUNDLES

PAGES = sorted((Path(__file__).parents[1] / "docs" / "reference").glob("*.md"))
REFERENCE = "\n".join(page.read_text() for page in PAGES)

MEMBERS = REFERENCE[REFERENCE.index("members: [get") :].partition("]")[0]
"""The functions of the module, which the reference lists under its entry."""

NAMED_IN_ANNOTATIONS = {
    "bladehttp": """Abort AsyncHttpClient Auth Channel ClientInfo Cookie CookieJar Deferred Events
        Headers HookRequest Hop HttpClient HttpRequest HttpResponse HttpServer MissingValueError
        MultiDict
        RequestInfo RequestOptions Result Retry Upload BodyTooLarge ChecksumMismatch
        InsecureWarning""",
    "bladehttp.client": "AsyncHttpClient Data FilesLike HttpClient QueryLike RequestOptions",
    "bladehttp.server": "AccessLog Answered Handler HttpServer Stats Timer inherited_socket",
    "bladehttp.server.wsgi": "WsgiApplication",
    "bladehttp.testing": "BladeServer Expectation Fault Identity ThrowAwayCertificate faults",
}

FUNCTIONS = """abort as_json delete get head info options patch post put server set_headers
    tls_server trace"""


def exported(door: str) -> list[object]:
    module = import_module(door)
    return [getattr(module, name) for name in module.__all__]


ENTRIES = re.findall(r"^::: (\S+)$", REFERENCE, re.MULTILINE)


def has_an_entry(name: str, thing: object) -> bool:
    """Whether the reference documents a class or a function, at a door or with its module."""
    names = {thing.__module__, *(f"{door}.{name}" for door in generated.DOORS)}
    return not names.isdisjoint(ENTRIES) or name in re.findall(r"\w+", MEMBERS)


def test_every_name_of_a_door_is_there():
    for door in generated.DOORS:
        module = import_module(door)
        assert len(set(module.__all__)) == len(module.__all__)
        assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("door", NAMED_IN_ANNOTATIONS)
def test_a_door_has_the_types_that_annotations_name(door):
    assert set(NAMED_IN_ANNOTATIONS[door].split()) <= set(import_module(door).__all__)


def test_importing_everything_gives_the_documented_names_and_no_more():
    given: dict[str, object] = {}
    exec("from bladehttp import *", given)
    given.pop("__builtins__")
    assert sorted(given) == sorted(http.__all__)
    assert set(FUNCTIONS.split()) <= set(given)
    assert sorted(set(given) & set(vars(builtins))) == []
    assert http.map is not builtins.map
    assert http.map[404] == "Not Found"


@pytest.mark.parametrize("door", generated.DOORS)
def test_dir_shows_no_internals(door):
    module = import_module(door)
    shown = {name for name in dir(module) if not name.startswith("__")}
    if door in ("bladehttp.server.wsgi", "bladehttp.testing"):  # modules without names to be loaded
        return
    more = {"bladehttp": {"map"}, "bladehttp.server": {"testing", "wsgi"}}
    assert shown == set(module.__all__) | more.get(door, set())


@pytest.mark.parametrize("door", generated.DOORS)
def test_what_a_door_has_is_in_the_reference(door):
    for name, value in zip(import_module(door).__all__, exported(door), strict=True):
        ours = inspect.isclass(value) or inspect.isfunction(value)
        if ours and str(value.__module__).startswith("bladehttp"):
            assert has_an_entry(name, value), name
        else:
            assert f"`{name}`" in REFERENCE, name


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_of_the_reference_is_there(name):
    module, _, attribute = name.rpartition(".")
    assert name in sys.modules or hasattr(import_module(module), attribute)


def test_both_doors_of_the_fixture_have_the_same_names():
    one, other = import_module("bladehttp.testing"), import_module("bladehttp.server.testing")
    assert one.__all__ == other.__all__
    assert exported("bladehttp.testing") == exported("bladehttp.server.testing")


def test_every_exception_of_the_tree_is_exported():
    tree = {http.HttpException}
    for cls in tree.copy():
        tree |= set(cls.__subclasses__())
    assert {cls.__name__ for cls in tree if cls.__module__.startswith("bladehttp.")} <= set(
        http.__all__
    )


@pytest.mark.parametrize("name", sorted(http.exceptions.__all__))
def test_exceptions_pickle_by_the_door_they_are_documented_at(name):
    cls = getattr(http, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = pickle.loads(pickle.dumps(cls("message")))
    assert (type(copy), str(copy), cls.__module__) == (cls, "message", "bladehttp.exceptions")


def test_a_server_loads_no_libcurl_and_a_client_no_server():
    code = """import sys, bladehttp
bladehttp.server(0)
assert "pycurl" not in sys.modules
del sys.modules["bladehttp.server._server"]
bladehttp.HttpClient().close()
assert "pycurl" in sys.modules and "bladehttp.server._server" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.skipif(
    not any(Path(path).is_file() for path in SYSTEM_BUNDLES), reason="certifi's bundle is used"
)
def test_a_client_that_sends_nothing_has_not_imported_what_few_requests_need():
    code = "import sys\nfrom bladehttp import HttpClient\nHttpClient().close()\nprint(*sys.modules)"
    untraced = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=untraced
    )
    dear = {"asyncio", "certifi", "email.message", "hashlib", "idna", "secrets", "tempfile"}
    assert not dear & set(done.stdout.split())
