"""Write docs/evidence/client-matrix.md from what the client's tests did: `make matrix`.

The tests run as they are; a plugin notes which case ended how, and in which tests each
exception came up. A case that failed is written as failed, and the exit status says so.
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from bladehttp import exceptions

ROOT = Path(__file__).parents[2]
CODES = (301, 302, 303, 307, 308)
REDIRECTS = "test_method_and_body_of_the_next_hop"
CERTIFICATES = "test_a_certificate_is_judged"


class Notes:
    """What the tests did.

    Attributes:
        redirects: (method, code) to what the next hop was.
        certificates: Case to outcome.
        provoked: Name of an exception to the tests it came up in.
    """

    def __init__(self) -> None:
        self.redirects: dict[tuple[str, int], str] = {}
        self.certificates: dict[str, str] = {}
        self.provoked: dict[str, set[str]] = defaultdict(set)
        self._test = ""
        self._made: set[str] = set()

    def note(self, error: exceptions.HttpException) -> None:
        """An exception was made."""
        self._made.add(type(error).__name__)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._test = getattr(item, "originalname", item.name)
        self._made = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        report = yield
        if call.when == "call":
            self._finish(item, report.outcome == "passed")
        return report

    def _finish(self, item: Any, passed: bool) -> None:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if self._test == REDIRECTS:
            outcome = parameters["then"] + (", body" if parameters["with_body"] else "")
            key = (parameters["method"], parameters["code"])
            if self.redirects.get(key) != "FAILED":  # one source of the body that fails is enough
                self.redirects[key] = outcome if passed else "FAILED"
        elif self._test == CERTIFICATES:
            error = item.module.MATRIX[parameters["case"]][2]
            outcome = "accepted" if error is None else f"`{error.__name__}`"
            self.certificates[parameters["case"]] = outcome if passed else "FAILED"
        if passed:
            for name in self._made:
                self.provoked[name].add(self._test)


def page(notes: Notes) -> str:
    """Return the page."""
    lines = [
        "# What the client does, case by case",
        "",
        "Written by `make matrix` from the results of the tests in `tests/client`, which talk to real",
        "servers.",
        "",
        "## Redirects: the next request",
        "",
        "| method | " + " | ".join(map(str, CODES)) + " |",
        "|---" * (len(CODES) + 1) + "|",
    ]
    for method in dict.fromkeys(method for method, _ in notes.redirects):
        cells = [notes.redirects.get((method, code), "") for code in CODES]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    lines += ["", "## Certificates", "", "| the server's certificate | outcome |", "|---|---|"]
    lines += [f"| {case} | {outcome} |" for case, outcome in notes.certificates.items()]
    lines += [
        "",
        "## Exceptions, and the tests that provoke them",
        "",
        "| exception | tests |",
        "|---|---|",
    ]
    for name in vars(exceptions):
        if name in notes.provoked:
            tests = ", ".join(f"`{test}`" for test in sorted(notes.provoked[name])[:6])
            more = len(notes.provoked[name]) - 6
            lines.append(f"| `{name}` | {tests}{f' and {more} more' if more > 0 else ''} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    notes = Notes()
    plain = exceptions.HttpException.__init__

    def noting(self: exceptions.HttpException, *arguments: Any, **details: Any) -> None:
        plain(self, *arguments, **details)
        notes.note(self)

    exceptions.HttpException.__init__ = noting
    status = pytest.main([str(ROOT / "tests" / "client"), "-q", "--no-header"], plugins=[notes])
    (ROOT / "docs" / "evidence" / "client-matrix.md").write_text(page(notes))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
