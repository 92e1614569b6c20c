import pytest

from bladehttp.exceptions import ProtocolError
from bladehttp.wire.framing import CHUNKED, body_length


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


@pytest.mark.parametrize("character", [c for c in map(chr, range(256)) if c not in "\t "])
@pytest.mark.parametrize("place", ["{}chunked", "chunked{}", "chun{}ked"])
def test_chunked_with_any_other_character_is_not_chunked(place: str, character: str) -> None:
    with pytest.raises(ProtocolError):
        body_length([], [place.format(character)])


@pytest.mark.parametrize("character", [c for c in map(chr, range(256)) if c not in "0123456789"])
@pytest.mark.parametrize("place", ["{}5", "5{}", "5{}5"])
def test_length_with_any_other_character_is_no_length(place: str, character: str) -> None:
    with pytest.raises(ProtocolError):
        body_length([place.format(character)], [])
