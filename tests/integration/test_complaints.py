"""Every complaint of docs/evidence/complaints.md has its test; every exception comes up."""

import re
from pathlib import Path

import pytest

from bladehttp import exceptions

ROOT = Path(__file__).parents[2]

ROW = re.compile(r"^\|.*\| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
TESTS = ROW.findall((ROOT / "docs" / "evidence" / "complaints.md").read_text())

PROVOKED = dict(
    re.findall(
        r"^\| `(\w+)` \| (.*) \|$",
        (ROOT / "docs" / "evidence" / "client-matrix.md").read_text(),
        re.MULTILINE,
    )
)
SYNTHETIC = "`test_each_row_makes_its_exception`"

FAMILIES = {"HttpException", "SocketException", "TimeoutException"}
"""Classes to catch others by."""

RAISED = [
    name
    for name, each in vars(exceptions).items()
    if isinstance(each, type)
    and issubclass(each, exceptions.HttpException)
    and name not in FAMILIES
]


def test_every_row_names_a_test() -> None:
    text = (ROOT / "docs" / "evidence" / "complaints.md").read_text()
    assert len(TESTS) == sum(line.startswith("|") for line in text.splitlines()) - 2


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_the_test_is_there(file: str, test: str) -> None:
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", RAISED)
def test_every_exception_comes_up_in_real_traffic(name: str) -> None:
    tests = PROVOKED[name].split(" and ")[0].split(", ")
    assert [test for test in tests if test != SYNTHETIC]
