"""Every case of the corpus, however it is split and whatever the caches know."""

import random
from collections.abc import Callable, Iterable

import pytest
from wire.corpus import Case, Verdict, bytewise, load, read, read_by_line, split_at_random

from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits

ACCEPT = load("accept")
REJECT = load("reject")
CASES = ACCEPT + REJECT
SPLITS = 2

OTHERS = [case.data for case in ACCEPT if case.limits == Limits() and len(case.data) < 2048]
"""Requests that fill caches, to show that what they leave behind changes no verdict."""


def case_id(case: Case) -> str:
    return f"{'reject' if case.status else 'accept'}/{case.name}"


every_case = pytest.mark.parametrize("case", CASES, ids=case_id)


def check(case: Case, verdict: Verdict) -> None:
    assert (verdict.status, len(verdict.requests)) == (
        case.status,
        case.taken or len(case.expected),
    )
    for found, expected in zip(verdict.requests, case.expected, strict=False):
        assert {key: found[key] for key in expected} == expected


def feeds(case: Case) -> Iterable[Iterable[bytes]]:
    chance = random.Random(case.name)
    yield [case.data]
    if len(case.data) < 20_000:  # longer ones, byte by byte: test_linear_time
        yield bytewise(case.data)
    for _ in range(SPLITS):
        yield split_at_random(case.data, chance)


@every_case
def test_verdict_does_not_depend_on_the_split(case: Case) -> None:
    for pieces in feeds(case):
        check(case, read(pieces, HeadParser(case.limits)))


@every_case
def test_verdict_does_not_depend_on_what_the_same_stream_left_in_the_caches(case: Case) -> None:
    parser = HeadParser(case.limits)
    for pieces in ([case.data], [case.data], split_at_random(case.data, random.Random(case.why))):
        check(case, read(pieces, parser))


@every_case
def test_verdict_does_not_depend_on_what_others_left_in_the_caches(
    case: Case, warm_parser: Callable[[Limits], HeadParser]
) -> None:
    parser = warm_parser(case.limits)
    check(case, read([case.data], parser))
    check(case, read([case.data], parser))


@every_case
def test_what_is_taken_at_once_is_taken_the_same_line_by_line(
    case: Case, warm_parser: Callable[[Limits], HeadParser]
) -> None:
    by_line = read_by_line(case.data, case.limits)
    check(case, by_line)
    for parser in (HeadParser(case.limits), warm_parser(case.limits)):
        assert read([case.data], parser) == by_line
    head, end, body = case.data.partition(b"\r\n\r\n")
    assert read([head + end, body], HeadParser(case.limits)) == by_line


@pytest.fixture(scope="module")
def warm_parser() -> Callable[[Limits], HeadParser]:
    """Parsers by their limits that have read every other request and refused some."""
    parsers: dict[Limits, HeadParser] = {}

    def warm(limits: Limits) -> HeadParser:
        if limits not in parsers:
            parsers[limits] = HeadParser(limits)
            for data in OTHERS:
                read([data], parsers[limits])
        return parsers[limits]

    return warm


@every_case
def test_every_proper_beginning_of_a_stream_gives_no_more_than_the_stream(case: Case) -> None:
    chance = random.Random(case.name)
    whole = read([case.data], HeadParser(case.limits))
    for length in {chance.randrange(len(case.data)) for _ in range(SPLITS)}:
        verdict = read([case.data[:length]], HeadParser(case.limits))
        assert verdict.requests == whole.requests[: len(verdict.requests)]
        assert verdict.status in (0, whole.status)


def test_corpus_is_as_large_as_it_says() -> None:
    assert len(ACCEPT) >= 250
    assert len(REJECT) >= 610
    assert len({case.data for case in CASES if case.limits == Limits()}) > 0.98 * sum(
        case.limits == Limits() for case in CASES
    )
