"""A content in a temporary file is read whole, with no more memory than it takes."""

import os
import random
import tracemalloc
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
from support import nothing_left

from bladehttp._data import uploads
from bladehttp._data.uploads import SpoolReader, open_content, read_content

CONTENT = random.Random(1).randbytes(100_000)


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    with TemporaryFile() as made:
        made.write(CONTENT)
        yield made


def test_reading_takes_no_more_memory_than_the_content(file: IO[bytes]) -> None:
    tracemalloc.start()
    try:
        assert read_content(file) == CONTENT
        assert tracemalloc.get_traced_memory()[1] < 2 * len(CONTENT)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("most", [999, 100_000, 100_001])
def test_a_content_longer_than_one_read_is_whole(
    file: IO[bytes], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", most)
    assert read_content(file) == CONTENT
    with open_content(b"", file) as stream:
        assert stream.read(7) + stream.read() == CONTENT
        assert stream.read() == b""


def test_a_file_that_was_cut_gives_what_is_left(file: IO[bytes]) -> None:
    with open_content(b"", file) as stream:
        stream.seek(0)
        file.truncate(1000)
        assert stream.read() == CONTENT[:1000]


def test_a_file_that_is_closed_meanwhile_is_not_read_as_another(tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(b"ours")
    (tmp_path / "theirs").write_bytes(b"theirs")
    theirs: list[int] = []

    class Closed(FileIO):
        def fileno(self) -> int:  # another thread closes it now, and a third opens a file
            number = super().fileno()
            self.close()
            theirs.append(os.open(tmp_path / "theirs", os.O_RDONLY))
            assert theirs == [number]
            return number

    with nothing_left():
        with pytest.raises(ValueError, match="content is not available"):
            SpoolReader(Closed(tmp_path / "ours"))
        assert os.read(theirs[0], 10) == b"theirs"
        os.close(theirs[0])
