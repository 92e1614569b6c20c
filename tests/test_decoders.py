"""Content codings, without a socket: what goes in however it is split, and what bounds it."""

import gzip
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, pairwise, product
from typing import Any

import brotli
import brotlicffi
import pytest
import zstandard
from hypothesis import given, strategies as st

from bladehttp._data import decoders
from bladehttp._data.byte_streams import transformed
from bladehttp._data.decoders import BLOCK, CODINGS, STEP, ContentDecoder
from bladehttp.exceptions import BodyTooLarge, DecodingError

MIB = 1 << 20
TEXT = b"".join(b"%d " % number for number in range(10_000))
NOISE = random.Random(1).randbytes(300_000)


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


def zstd(data: bytes, **parameters: Any) -> bytes:
    """Return a frame in many blocks, without the size of its content."""
    encoder = zstandard.ZstdCompressor(**parameters).compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    starts = range(0, len(data), 50_000)
    parts = [encoder.compress(data[at : at + 50_000]) + encoder.flush(block) for at in starts]
    return b"".join(parts) + encoder.flush()


SKIPPABLE = struct.pack("<II", 0x184D2A53, 5) + b"5byte"
LIBRARIES: dict[str, Callable[[bytes], Any]] = {
    "gzip": decoders.open_gzip,
    "deflate": decoders.open_deflate,
    "brotli": lambda _: decoders.Brotli(brotli),
    "brotlicffi": lambda _: decoders.Brotli(brotlicffi),
    "zstandard": lambda _: decoders._zstd("zstandard")(),
    "backports.zstd": lambda _: decoders._zstd("backports.zstd")(),
}
CODING_OF = {"brotli": "br", "brotlicffi": "br", "zstandard": "zstd", "backports.zstd": "zstd"}
ENCODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress, zlib.compress, lambda data: gzip.compress(data) + gzip.compress(b""),
             lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]) + bytes(9)],
    "deflate": [zlib.compress, raw_deflate],
    "br": [brotli.compress],
    "zstd": [zstandard.compress, zstd, lambda data: zstd(data, write_checksum=True, level=9),
             lambda data: SKIPPABLE + zstd(data[:9]) + SKIPPABLE + zstd(data[9:]) + SKIPPABLE],
}  # fmt: skip
CASES = [
    pytest.param(library, encode, id=f"{library}-{number}")
    for library in LIBRARIES
    for number, encode in enumerate(ENCODERS[CODING_OF.get(library, library)])
]


@pytest.fixture(autouse=True)
def libraries(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take the library that the test names in place of the one that is found first."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("library")
    coding = CODING_OF.get(str(name))
    kept = dict(CODINGS)
    if coding:
        CODINGS[coding] = LIBRARIES[str(name)]
        decoders.DECODE_ERRORS.append(brotlicffi.error)
    yield
    CODINGS.update(kept)


def decoded(coded: bytes, coding: str, cuts: list[int] | None = None, limit: Any = None) -> bytes:
    edges = [0, *sorted(cuts or ()), len(coded)]
    chunks = [coded[start:end] for start, end in pairwise(edges)]
    return b"".join(transformed(ContentDecoder(coding, limit), chunks))


@pytest.mark.parametrize(("library", "encode"), CASES)
@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE, bytes(5 * MIB)],
                         ids=["empty", "one", "text", "noise", "zeros"])  # fmt: skip
def test_what_was_encoded_is_decoded_however_it_is_split(
    library: str, encode: Callable[[bytes], bytes], data: bytes
) -> None:
    coding, coded = CODING_OF.get(library, library), encode(data)
    choice = random.Random(2)
    assert decoded(coded, coding) == data
    for count in (1, 5, 50):
        cuts = [choice.randrange(len(coded) + 1) for _ in range(count)]
        assert decoded(coded, coding, cuts) == data
    if len(coded) < 20_000:
        assert decoded(coded, coding, list(range(1, len(coded)))) == data


@pytest.mark.parametrize(("library", "encode"), CASES)
def test_a_body_that_ends_anywhere_before_its_end_is_no_success(
    library: str, encode: Callable[[bytes], bytes]
) -> None:
    coding, coded = CODING_OF.get(library, library), encode(b"0123456789" * 3).rstrip(b"\0")
    ends = {len(coded)}
    if coded.startswith(SKIPPABLE):
        second = coded.index(SKIPPABLE, 1)
        ends |= {len(SKIPPABLE), second, second + len(SKIPPABLE), len(coded) - len(SKIPPABLE)}
    for end in range(1, len(coded)):
        try:
            decoded(coded[:end], coding)
        except DecodingError:
            continue
        assert end in ends or library == "gzip"  # between members
        assert library != "gzip" or coded[end : end + 2] == b"\x1f\x8b"


@pytest.mark.parametrize(("library", "encode"), CASES)
def test_what_comes_before_the_end_is_given_at_once(
    library: str, encode: Callable[[bytes], bytes]
) -> None:
    coding, coded = CODING_OF.get(library, library), encode(NOISE)
    decoder = ContentDecoder(coding)
    chunks = [coded[at : at + 97] for at in range(0, len(coded) - 100, 97)]
    given = b"".join(chain.from_iterable(map(decoder.feed, chunks)))
    assert NOISE.startswith(given)
    assert len(given) >= len(NOISE) - 128 * 1024


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_flushed_beginning_is_given_whole(library: str) -> None:
    flushed = {
        "gzip": lambda c: c.compress(TEXT) + c.flush(zlib.Z_SYNC_FLUSH),
        "br": lambda c: c.process(TEXT) + c.flush(),
        "zstd": lambda c: c.compress(TEXT) + c.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
    }
    makers: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.compressobj(wbits=31), "deflate": zlib.compressobj,
        "br": brotli.Compressor, "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
    }  # fmt: skip
    coding = CODING_OF.get(library, library)
    coded = flushed["gzip" if coding == "deflate" else coding](makers[coding]())
    assert b"".join(ContentDecoder(coding).feed(coded)) == TEXT


def rle_frame(size: int) -> bytes:
    """Return a zstd frame of many blocks of 128 KiB in 4 bytes each (RFC 8878 section 3.1.1.2)."""
    block = (0 | 1 << 1 | 131072 << 3).to_bytes(3, "little") + b"x"
    last = (1 | 1 << 1 | 131072 << 3).to_bytes(3, "little") + b"x"
    head = struct.pack("<I", 0xFD2FB528) + b"\x00" + bytes([(20 - 10) << 3])
    return head + block * (size // 131072 - 1) + last


BOMBS = {
    "gzip": gzip.compress(bytes(64 * MIB)), "deflate": zlib.compress(bytes(64 * MIB)),
    "br": brotli.compress(bytes(64 * MIB), quality=1), "zstd": rle_frame(64 * MIB),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bomb_is_made_in_small_steps_and_ends_at_the_limit(library: str) -> None:
    coding = CODING_OF.get(library, library)
    bomb = BOMBS[coding]
    tracemalloc.start()
    try:
        sizes = [len(chunk) for chunk in ContentDecoder(coding).feed(bomb)]
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 64 * MIB
    assert max(sizes) <= 2 * STEP
    made: list[bytes] = []
    with pytest.raises(BodyTooLarge):
        made.extend(ContentDecoder(coding, MIB).feed(bomb))
    assert sum(map(len, made)) <= MIB


def test_every_one_of_several_codings_has_the_limit() -> None:
    twice = gzip.compress(gzip.compress(bytes(256 * MIB), 1))
    with pytest.raises(BodyTooLarge):
        decoded(twice, "gzip, gzip", limit=MIB)
    assert sum(map(len, ContentDecoder("gzip, gzip").feed(twice))) == 256 * MIB


EMPTY = {"gzip": gzip.compress(b""), "zstd": zstandard.compress(b""), "skippable": SKIPPABLE}


@pytest.mark.parametrize(
    ("library", "kind"),
    [
        ("gzip", "gzip"),
        *product(["zstandard", "backports.zstd"], ["zstd", "skippable"]),
    ],
)
def test_many_empty_members_are_refused_in_linear_time(library: str, kind: str) -> None:
    coding = CODING_OF.get(library, library)
    began = time.process_time()
    with pytest.raises(DecodingError, match="too many empty members"):
        decoded(EMPTY[kind] * 200_000, coding)
    full = {"gzip": gzip.compress, "zstd": zstandard.compress}[coding](b"x")
    assert decoded(full * 20_000, coding) == b"x" * 20_000
    assert time.process_time() - began < 5
    assert decoded(EMPTY[kind] * 90 + full, coding) == b"x"


def test_members_take_linear_time() -> None:
    def seconds(count: int) -> float:
        body = gzip.compress(b"x") * count
        began = time.process_time()
        decoded(body, "gzip")
        return time.process_time() - began

    seconds(100)
    few = min(seconds(2000) for _ in range(3))
    assert seconds(40_000) < 20 * few * 4


@pytest.mark.parametrize("library", ["zstandard", "backports.zstd"])
def test_a_window_beyond_that_of_the_standard_is_refused(library: str) -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24)
    coded = zstd(TEXT, compression_params=wide)
    with pytest.raises(DecodingError, match="is not zstd"):
        decoded(coded, "zstd")
    narrow = zstandard.ZstdCompressionParameters(window_log=23)
    assert decoded(zstd(TEXT, compression_params=narrow), "zstd") == TEXT


@pytest.mark.parametrize("library", LIBRARIES)
def test_rubbish_after_the_end_is_refused(library: str) -> None:
    coding = CODING_OF.get(library, library)
    coded = ENCODERS[coding][0](TEXT)
    for cuts in ([], [len(coded)], [len(coded) - 1]):
        with pytest.raises(DecodingError):
            decoded(coded + b"rubbish", coding, cuts)


@pytest.mark.parametrize("library", LIBRARIES)
@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
def test_any_bytes_are_decoded_or_refused(library: str, data: bytes, cut: int) -> None:
    coding = CODING_OF.get(library, library)
    results = []
    for cuts in ([], [min(cut, len(data))]):
        try:
            results.append(decoded(data, coding, cuts, MIB))
        except (DecodingError, BodyTooLarge) as error:
            results.append(type(error))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("value", "codings"),
    [("", []), ("GZip", ["gzip"]), ("x-gzip , identity,\tbr", ["gzip", "br"]), (",,", []),
     ("none", ["none"])],
)  # fmt: skip
def test_names_of_codings(value: str, codings: list[str]) -> None:
    assert decoders.codings_of(value) == codings


def test_names_that_are_not_registered_are_passed_over() -> None:
    assert decoded(gzip.compress(TEXT), "aws-chunked, gzip, utf-8") == TEXT
    assert decoded(b"body", "bogus") == b"body"
    assert decoded(b"", "compress") == b""


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_coding_whose_library_is_missing_says_what_to_install(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(CODINGS, coding)
    package = {"br": "brotli", "zstd": "zstandard"}[coding]
    with pytest.raises(DecodingError, match=f"without the package {package}; accept_encoding=None"):
        decoded(b"x", coding)


def test_the_head_of_a_frame_is_as_long_as_its_descriptor_says() -> None:
    magic = zstandard.FRAME_HEADER
    for descriptor in filter(lambda each: not each & 8, range(256)):  # that bit is reserved
        cuts = decoders.zstd_cuts()
        assert [next(cuts), cuts.send(magic)] == [4, 1]
        length = 5 + cuts.send(bytes([descriptor]))
        assert length == zstandard.frame_header_size(magic + bytes([descriptor, *bytes(14)]))
        assert cuts.send(b"") == 3  # the head of a block


@pytest.mark.parametrize(
    ("kind", "size", "length"), [(0, 70_000, 70_000), (1, 70_000, 1), (2, 70_000, 70_000)],
    ids=["raw", "one byte repeated", "compressed"],
)  # fmt: skip
def test_a_frame_is_cut_at_the_ends_of_its_blocks(kind: int, size: int, length: int) -> None:
    cuts = decoders.zstd_cuts()
    next(cuts)
    for part in (zstandard.FRAME_HEADER, b"\0", b"\0"):
        cuts.send(part)
    for is_last in (0, 1):
        head = (size << 3 | kind << 1 | is_last).to_bytes(3, "little")
        assert cuts.send(head) == length
        after = cuts.send(b"")
        assert (after == 3) is not bool(is_last)
    assert after > 1 << 32  # whatever follows


def test_blocks_are_smaller_than_steps() -> None:
    assert BLOCK < STEP  # PackagedZstd makes 128 KiB whatever it is told
    assert STEP >= 128 * 1024
