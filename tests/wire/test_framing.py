from collections.abc import Callable

import pytest

from bladehttp._wire.framing import CHUNKED, body_length
from bladehttp.exceptions import ProtocolError


@pytest.mark.parametrize(
    ("content_lengths", "transfer_encodings", "length"),
    [
        ([], [], 0),
        (["0"], [], 0),
        (["5"], [], 5),
        (["005"], [], 5),
        (["0" * 100], [], 0),
        (["0" * 100 + "7"], [], 7),
        (["9" * 18], [], 10**18 - 1),
        ([], ["chunked"], CHUNKED),
        ([], ["CHUNKED"], CHUNKED),
        ([], ["chunKed"], CHUNKED),
    ],
)
def test_length(content_lengths: list[str], transfer_encodings: list[str], length: int) -> None:
    assert body_length(content_lengths, transfer_encodings) == length


@pytest.mark.parametrize(
    ("content_lengths", "transfer_encodings", "status"),
    [
        (["5", "5"], [], 400),
        (["5, 5"], [], 400),
        ([""], [], 400),
        (["+5"], [], 400),
        (["5_0"], [], 400),
        (["\xb2"], [], 400),
        (["5\n"], [], 400),
        (["9" * 19], [], 413),
        (["9" * 10_000], [], 413),
        (["5"], ["chunked"], 400),
        (["x"], ["chunked"], 400),
        (["5"], [""], 400),
        ([], [""], 400),
        ([], ["identity"], 400),
        ([], ["gzip"], 400),
        ([], ["chunked, gzip"], 400),
        ([], ["chunked", "gzip"], 400),
        ([], ["chunked", "chunked"], 400),
        ([], ["chunked", ""], 400),
        ([], ["gzip, chunked, chunked"], 400),
        ([], ["chunked, gzip, chunked"], 400),
        ([], ["gzip, chunked"], 501),
        ([], ["gzip", "chunked"], 501),
        ([], ["a, b", "c, Chunked"], 501),
        ([], ["chunked\n"], 400),
        ([], ["\xa0chunked"], 400),
        ([], ["gzip;q=1, chunked"], 400),
    ],
)
def test_refused(content_lengths: list[str], transfer_encodings: list[str], status: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        body_length(content_lengths, transfer_encodings)
    assert caught.value.status == status


def characters_taken(places: list[str], is_taken: Callable[[str], object]) -> str:
    """Return the characters of Latin-1 that leave a value valid in any of some places."""

    def taken(value: str) -> bool:
        try:
            is_taken(value)
        except ProtocolError:
            return False
        return True

    return "".join(c for c in map(chr, range(256)) if any(taken(p.format(c)) for p in places))


def test_chunked_is_spelled_with_nothing_but_itself() -> None:
    places = ["{}chunked", "chunked{}", "chun{}ked"]
    # Whitespace around it the head has trimmed off; beside a comma it is no part of a coding.
    assert characters_taken(places, lambda value: body_length([], [value])) == "\t "


def test_length_is_spelled_with_digits() -> None:
    places = ["{}5", "5{}", "5{}5"]
    assert characters_taken(places, lambda value: body_length([value], [])) == "0123456789"
