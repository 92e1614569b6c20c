"""The page about what goes wrong names every exception, and every status of the server itself."""

import re
from pathlib import Path

import bladehttp
from bladehttp import exceptions

ROOT = Path(__file__).parents[2]
PACKAGE = Path(bladehttp.__file__).parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()


def test_every_exception_is_named():
    assert [name for name in exceptions.__all__ if f"`{name}`" not in PAGE] == []


def test_every_status_of_the_server_itself_is_named():
    sources = "".join(
        file.read_text()
        for folder in ("_wire", "_message", "server")
        for file in (PACKAGE / folder).rglob("*.py")
    )
    before = r"(?:status=|too_long=|error_response\(|(?:with_status|refuse)\(response, )"
    statuses = set(re.findall(rf"{before}([345]\d\d)", sources))
    assert len(statuses) > 10
    answers = PAGE.partition("## The server answers")[2].partition("\n## ")[0]
    assert [status for status in sorted(statuses) if not re.search(rf"\b{status}\b", answers)] == []
