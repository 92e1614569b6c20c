from io import FileIO

import pytest

from bladehttp._message.file_body import BLOCK, FileBody, FileSlice, WholeFile


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path / "file"


def test_a_whole_file_is_as_long_as_it_was_when_it_was_opened(path):
    body = WholeFile(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert body.length == 10
    assert b"".join(body) == b"0123456789"
    body.close()
    body.close()


def test_slices_and_bytes_come_in_their_order(path):
    file = FileIO(path)
    body = FileBody(file, [b"<", FileSlice(file, 5, 2), b"|", FileSlice(file, 0, 3), b">"])
    assert list(body) == [b"<", b"56", b"|", b"012", b">"]
    assert body.length == 8
    body.close()
    assert file.closed


def test_a_long_file_comes_in_blocks(path):
    path.write_bytes(bytes(2 * BLOCK + 1))
    body = WholeFile(path)
    assert [len(block) for block in body] == [BLOCK, BLOCK, 1]
    body.close()


def test_a_file_that_has_become_shorter_is_told(path):
    body = WholeFile(path)
    path.write_bytes(b"01234")
    with pytest.raises(EOFError, match="shorter than 6 bytes"):
        list(body)
    body.close()
