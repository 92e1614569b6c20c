"""The table that decides what a response to a download is good for: no socket, no file."""

from typing import Any

import pytest

from bladehttp.client._download.resumption import (
    TABLE,
    ContentRange,
    Kept,
    Request,
    RequestKind,
    ResponseSummary,
    Verdict,
    decide,
    parse_content_range,
    resumable,
    strong_validator,
    summarize,
)

KEPT = Kept(5, '"v1"', 10)
NOTHING = Request(RequestKind.WHOLE, Kept())
REST = Request(RequestKind.REST, KEPT)
NOON = "Sun, 06 Nov 1994 12:00:00 GMT"
NOON_S = 784123200


def part(content_range: str = "bytes 5-9/10", **others: Any) -> ResponseSummary:
    fields = {"Content-Range": content_range, "ETag": '"v1"', "Content-Length": "5"}
    given = {name.replace("_", "-"): value for name, value in others.items()}
    fields = {name: value for name, value in (fields | given).items() if value is not None}
    return summarize(206, fields, NOON_S)


def whole(status: int = 200, **fields: str) -> ResponseSummary:
    return summarize(status, {name.replace("_", "-"): v for name, v in fields.items()}, NOON_S)


APPENDED = {
    "all of the rest": part(),
    "less of it than asked": part("bytes 5-6/10", Content_Length="2"),
    "chunked": part(Content_Length=None),
    "chunked, with a length that does not count": part(
        Content_Length="999", Transfer_Encoding="chunked"
    ),
    "the complete length not said again": part("bytes 5-9/*"),
    "an identity coding": part(Content_Encoding="identity"),
    "a coding that is none": part(Content_Encoding="utf-8"),
    "a unit in other letters": part("Bytes 5-9/10"),
}

NOT_COMBINED = {
    "another validator": part(ETag='"v2"'),
    "no validator": part(ETag=None),
    "a weak validator of the same text": part(ETag='W/"v1"'),
    "two validators": part(ETag='"v1", "v1"'),
    "the beginning again": part("bytes 0-9/10", Content_Length="10"),
    "a later beginning": part("bytes 6-9/10", Content_Length="4"),
    "an earlier beginning": part("bytes 4-9/10", Content_Length="6"),
    "another complete length": part("bytes 5-9/11"),
    "a length of its own that is another": part(Content_Length="4"),
    "no Content-Range": part(None),  # type: ignore[arg-type]
    "two Content-Ranges": part("bytes 5-9/10, bytes 5-9/10"),
    "beyond the complete length": part("bytes 5-10/10", Content_Length="6"),
    "the last before the first": part("bytes 5-4/10"),
    "another unit": part("items 5-9/10"),
    "no last position": part("bytes 5-/10"),
    "no numbers": part("bytes ５-９/10"),  # noqa: RUF001
    "an unsatisfied range": part("bytes */10"),
    "a content coding": part(Content_Encoding="gzip"),
    "a content coding of an old name": part(Content_Encoding="identity, X-Gzip"),
    "several parts": part(Content_Type="multipart/byteranges; boundary=x"),
}


@pytest.mark.parametrize("response", APPENDED.values(), ids=APPENDED)
def test_a_206_that_continues_what_is_kept_is_appended(response: ResponseSummary) -> None:
    assert decide(REST, response) is Verdict.APPEND


@pytest.mark.parametrize("response", NOT_COMBINED.values(), ids=NOT_COMBINED)
def test_a_206_that_may_not_be_combined_is_dropped_with_what_is_kept(
    response: ResponseSummary,
) -> None:
    assert decide(REST, response) is Verdict.ASK_AGAIN


def test_a_part_of_what_is_of_no_known_length_is_not_combined() -> None:
    unknown = Request(RequestKind.REST, Kept(5, '"v1"', None))
    assert decide(unknown, part("bytes 5-9/*")) is Verdict.ASK_AGAIN
    assert decide(unknown, part("bytes 5-9/10")) is Verdict.APPEND


@pytest.mark.parametrize("status", [200, 203])
@pytest.mark.parametrize(
    "request_",
    [NOTHING, REST, Request(RequestKind.RANGE, Kept(), "bytes=0-4")],
    ids=["whole", "rest", "range"],
)
def test_a_200_is_written_from_the_beginning(status: int, request_: Request) -> None:
    assert decide(request_, whole(status, ETag='"v2"')) is Verdict.WRITE
    paged = whole(status, Content_Range="items 0-24/319")  # of an API, of no meaning here
    assert decide(request_, paged) is Verdict.WRITE
    assert decide(request_, whole(status, Content_Range="bytes 0-9/10")) is Verdict.WRITE


def test_a_200_that_calls_itself_a_part_is_not_taken_for_the_whole() -> None:
    odd = whole(Content_Range="bytes 5-9/10")
    assert decide(REST, odd) is Verdict.ASK_AGAIN
    assert decide(NOTHING, odd) is Verdict.REFUSE


@pytest.mark.parametrize("status", [201, 202, 204, 205, 226, 300, 302, 304, 400, 404, 412, 503])
@pytest.mark.parametrize("request_", [NOTHING, REST], ids=["whole", "rest"])
def test_any_other_status_leaves_the_files_alone(status: int, request_: Request) -> None:
    assert decide(request_, whole(status, ETag='"v1"')) is Verdict.KEEP


def test_a_range_that_cannot_be_satisfied_is_not_asked_for_twice() -> None:
    assert decide(REST, whole(416, Content_Range="bytes */5")) is Verdict.ASK_AGAIN
    assert decide(NOTHING, whole(416)) is Verdict.KEEP
    assert decide(Request(RequestKind.RANGE, Kept(), "bytes=50-"), whole(416)) is Verdict.KEEP


def test_a_206_that_nobody_asked_for_is_refused_unless_it_is_the_whole() -> None:
    assert decide(NOTHING, part()) is Verdict.REFUSE
    assert decide(NOTHING, part("bytes 0-4/10")) is Verdict.REFUSE
    assert decide(NOTHING, part("bytes 0-4/*")) is Verdict.REFUSE
    assert decide(NOTHING, part("bytes 0-4/5")) is Verdict.WRITE


@pytest.mark.parametrize(
    ("asked", "response", "verdict"),
    [
        ("bytes=5-9", part(), Verdict.WRITE),
        ("bytes=5-", part(), Verdict.WRITE),
        ("bytes=-5", part(), Verdict.WRITE),
        ("bytes=5-99", part(), Verdict.WRITE),
        ("bytes=5-9", part("bytes 5-9/*"), Verdict.WRITE),
        ("bytes=5-", part("bytes 5-9/*"), Verdict.WRITE),
        ("bytes=-5", part("bytes 5-9/*"), Verdict.WRITE),
        ("bytes=5-9", part(ETag=None), Verdict.WRITE),
        ("bytes=4-8", part(), Verdict.REFUSE),
        ("bytes=5-9", part("bytes 5-6/10", Content_Length="2"), Verdict.REFUSE),
        ("bytes=5-9", part(Content_Encoding="gzip"), Verdict.REFUSE),
        ("bytes=0-1,5-9", part(Content_Type="multipart/byteranges; boundary=x"), Verdict.REFUSE),
        ("lines=5-9", part(), Verdict.REFUSE),
        ("bytes=5-9", part("bytes 50-99/80"), Verdict.REFUSE),
    ],
)  # fmt: skip
def test_a_range_of_the_callers_is_written_if_it_is_the_one_asked_for(
    asked: str, response: ResponseSummary, verdict: Verdict
) -> None:
    assert decide(Request(RequestKind.RANGE, Kept(), asked), response) is verdict


def test_every_row_can_be_answered_both_ways() -> None:
    for (status, asked), rule in TABLE.items():
        assert status in (200, 206, 416), asked
        assert rule.verdict is not rule.otherwise


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (Kept(5, '"v"', 10), Kept(5, '"v"', 10)),
        (Kept(5, '"v"', None), Kept(5, '"v"', None)),
        (Kept(10, '"v"', 10), Kept(9, '"v"', 10)),
        (Kept(11, '"v"', 10), Kept()),
        (Kept(1, '"v"', 1), Kept()),
        (Kept(0, '"v"', 10), Kept()),
        (Kept(5, "", 10), Kept()),
    ],
    ids=["some", "unknown length", "all", "too much", "one", "nothing", "unknown version"],
)
def test_the_last_byte_is_left_to_ask_for(kept: Kept, expected: Kept) -> None:
    assert resumable(kept) == expected


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"ETag": '"a,b"'}, '"a,b"'),
        ({"ETag": '""'}, '""'),
        ({"ETag": 'W/"a"'}, ""),
        ({"ETag": "a"}, ""),
        ({"ETag": '"a", "b"'}, ""),
        ({"ETag": '"a', "Last-Modified": NOON, "Date": NOON}, ""),
        ({"Last-Modified": NOON, "Date": "Sun, 06 Nov 1994 12:00:01 GMT"}, NOON),
        ({"Last-Modified": NOON, "Date": NOON}, ""),
        ({"Last-Modified": NOON, "Date": "Sun, 06 Nov 1994 11:00:00 GMT"}, ""),
        ({"ETag": 'W/"a"', "Last-Modified": NOON, "Date": "Sun, 06 Nov 1994 12:00:09 GMT"}, NOON),
        ({"Last-Modified": "yesterday"}, ""),
        ({}, ""),
    ],
)
def test_a_strong_validator_is_an_etag_or_a_date_that_is_old_enough(
    fields: dict[str, str], validator: str
) -> None:
    assert strong_validator(fields, NOON_S) == validator


def test_without_a_date_our_own_clock_has_to_be_a_minute_later() -> None:
    assert strong_validator({"Last-Modified": NOON}, NOON_S + 59.9) == ""
    assert strong_validator({"Last-Modified": NOON}, NOON_S + 60) == NOON


def test_a_server_that_says_it_has_no_ranges_is_not_asked_for_one() -> None:
    assert whole(ETag='"a"').can_be_continued
    assert not whole(ETag='"a"', Accept_Ranges="none").can_be_continued
    assert not whole(ETag='"a"', Content_Encoding="gzip").can_be_continued


def test_numbers_without_end_are_no_positions() -> None:
    assert parse_content_range("bytes 0-1/2") == ContentRange(0, 1, 2)
    for text in ("bytes 0-1/" + "9" * 19, "bytes +0-1/2", "bytes 0-1/1_0", "bytes  0-1/2", "0-1/2"):
        assert parse_content_range(text) is None
