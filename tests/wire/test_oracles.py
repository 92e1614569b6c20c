"""h11 and llhttp on the same streams: every difference is known and has a reason."""

import string
from typing import Any

import pytest
from hypothesis import given, strategies as st
from wire.corpus import Case, load, read
from wire.differences import DIFFERENCES, VALUE_DIFFERENCES
from wire.oracles import COMMON, ORACLES, Plain, differs

from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits

CASES = load("accept") + load("reject")

KNOWN = {
    (oracle, case): difference.reason
    for difference in DIFFERENCES
    for oracle in difference.oracles.split()
    for case in difference.cases.split()
}

every_oracle = pytest.mark.parametrize("oracle", ORACLES)


def common(requests: list[dict[str, Any]]) -> list[Plain]:
    return [{key: request[key] for key in COMMON} for request in requests]


def test_every_case_that_an_oracle_judges_otherwise_is_in_the_table_and_no_other() -> None:
    found = {
        (oracle, case.name)
        for case in CASES
        for oracle, ask in ORACLES.items()
        if differs(case, ask(case.data))
    }
    assert found == set(KNOWN)


def test_every_difference_is_listed_once() -> None:
    listed = [
        (oracle, case)
        for difference in DIFFERENCES
        for oracle in difference.oracles.split()
        for case in difference.cases.split()
    ]
    assert len(listed) == len(KNOWN)
    assert len(CASES) == len({case.name for case in CASES})


@every_oracle
def test_what_both_take_is_the_same_request(oracle: str) -> None:
    def agrees(case: Case) -> bool:
        ours = read([case.data], HeadParser(case.limits)).requests
        return common(ours) == ORACLES[oracle](case.data).requests

    taken = [case for case in CASES if case.expected and (oracle, case.name) not in KNOWN]
    assert {(oracle, case.name) for case in taken if not agrees(case)} == {
        key for key in VALUE_DIFFERENCES if key[0] == oracle
    }


# Requests in the middle of the grammar: what h11, llhttp and RFC 9112 all know.
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
PATHS = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/", max_size=20)
QUERIES = st.none() | st.text(string.ascii_letters + "=&+/?-", max_size=20)
NAMES = st.text(string.ascii_letters + string.digits + "-_.!~", min_size=1, max_size=12).map(
    lambda name: "X-" + name
)
VALUES = st.text([chr(c) for c in (9, *range(0x20, 0x7F), *range(0xA1, 0x100))], max_size=20).map(
    lambda value: value.strip(" \t")
)
BODIES = st.none() | st.binary(max_size=60)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return one valid request of HTTP/1.1."""
    query = draw(QUERIES)
    target = f"/{draw(PATHS)}" + ("" if query is None else f"?{query}")
    lines = [f"{draw(METHODS)} {target} HTTP/1.1", "Host: a.example"]
    lines += [f"{n}: {v}" for n, v in draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))]
    body = draw(BODIES)
    if body is None:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
    if draw(st.booleans()):
        framed = [*lines, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(framed).encode("latin-1") + body
    size = draw(st.integers(1, 30))
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode("latin-1")
    return head + chunks + b"0\r\n\r\n"


@every_oracle
@given(st.lists(requests(), min_size=1, max_size=3).map(b"".join))
def test_valid_requests_are_the_same_to_all(oracle: str, data: bytes) -> None:
    verdict = read([data], HeadParser(Limits()))
    opinion = ORACLES[oracle](data)
    assert (verdict.status, opinion.refuses) == (0, False)
    assert common(verdict.requests) == opinion.requests
