"""Each file, name and option that a page names exists."""

import pkgutil
import re
from pathlib import Path

import pytest

import bladehttp as http
import bladehttp.server
import bladehttp.testing
from bladehttp.client._base import Configured
from bladehttp.server._config import ServerConfig

ROOT = Path(__file__).parents[2]
INSTALLED = Path(http.__file__).parents[1]
"""Where the package is, which need not be the folder of the pages."""
PAGES = [
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")]
    if page.name not in {"benchmarks.md", "CHANGELOG.md"}  # what was measured, what was once
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
TREES = ("bladehttp", "tests", "examples", "benchmarks", "docs")
file = re.compile(rf"`((?:{'|'.join(TREES)})/[\w./*-]+)(?:::\w+)?`")
target = re.compile(r"`make ([a-z-]+)")
attribute = re.compile(
    r"(?<![\w.])(http|bladehttp|client|server|request|response|blade_server|Auth)\.([a-z]\w*)\b"
)
code = re.compile(r"^```python[^\n]*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)

OWNERS = {
    "http": (http,),
    "bladehttp": (http,),
    "client": (http.HttpClient, http.AsyncHttpClient, Configured, bladehttp.client),
    "server": (http.HttpServer, ServerConfig, bladehttp.testing.BladeServer, bladehttp.server),
    "blade_server": (bladehttp.testing.BladeServer, ServerConfig),
    "request": (http.HttpRequest(), http.RequestInfo, http.HookRequest),
    "response": (http.HttpResponse(),),
    "Auth": (http.Auth,),
}
MODULES = {f"bladehttp.{module.name}" for module in pkgutil.iter_modules(http.__path__)}
MODULES.add("http.cookiejar")  # of the standard library


def is_there(path: str) -> bool:
    return any(any(root.glob(path)) for root in (ROOT, INSTALLED))


def has(owner: str, name: str) -> bool:
    attributes = {a for thing in OWNERS[owner] for a in (*dir(thing), *annotations(thing))}
    return name in attributes or f"{owner}.{name}" in MODULES


def annotations(thing: object) -> set[str]:
    kinds = thing.__mro__ if isinstance(thing, type) else type(thing).__mro__
    return {name for kind in kinds for name in getattr(kind, "__annotations__", {})}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_names_is_there(page):
    text = page.read_text()
    missing = [path for path in file.findall(text) if not is_there(path)]
    missing += [f"make {name}" for name in target.findall(text) if name not in TARGETS]
    if page.parent.name != "coming-from":  # names of others stand there
        missing += [
            f"{owner}.{name}"
            for block, inline in code.findall(text)
            for owner, name in attribute.findall(block or inline)
            if not has(owner, name)
        ]
    assert missing == []


PLACES = re.findall(
    r"`([\w/]+\.py)(?:::(\w+))?`",
    (ROOT / "docs" / "design.md").read_text().partition("## Where a rule is")[2].split("\n## ")[0],
)


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_a_rule_is_where_the_design_says(path, name):
    text = (Path(http.__file__).parent / path).read_text()
    assert re.search(rf"^ *(def|class) {name}\b|^{name}\b.* = ", text, re.MULTILINE) or not name
