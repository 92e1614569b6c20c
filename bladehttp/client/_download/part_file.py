"""PartFile: the file beside the target that a download is written to.

`NAME.part` holds the beginning of a representation, `NAME.part.tag` says of which one. Invariants,
which hold at every moment, so that a process may be killed and the power may fail at any of them:

- The target is replaced by one rename, after the bytes are on disk (fsync) and their number was
  compared with what it has to be.
- Bytes of one representation are never beside the tag of another: the old tag is removed, and that
  is on disk, before the old bytes are; the old bytes are gone, and that is on disk, before the new
  tag is written. A tag that was not written to its end is no JSON and counts as none.
- Who holds the lock (flock) on a `.part` is the only one to write it. The lock belongs to the open
  file, so that it ends with the process, and a file that was opened under this name and has been
  renamed since is not written.
"""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from bladehttp.client._download.resumption import Kept

NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

LONGEST_NAME = 236
"""Bytes of a name that a suffix can be added to; file systems take 255."""


class PartFile:
    """The file that a download is written to, and the tag that says what is in it.

    Attributes:
        size: Bytes that are in it.
        is_resumable: Whether what is in it can be continued by this download or a later one.
    """

    def __init__(self, target: Path, source: str, keep: bool) -> None:
        """Take the names.

        Args:
            target: The file to replace in the end.
            source: What is downloaded; a part of anything else is not continued.
            keep: Whether to keep the part when the download fails, for a later one to continue.

        Raises:
            IsADirectoryError: The target is a directory.
            OSError: The target is no regular file.
        """
        check_target(target)
        unique = "" if keep else f".{secrets.token_hex(4)}"
        self._target = target
        self._path = target.with_name(f"{_short(target.name)}{unique}.part")
        self._tag = self._path.with_name(f"{self._path.name}.tag")
        self._source = hashlib.sha256(source.encode()).hexdigest()  # a URL may hold a secret
        self._keep = keep
        self._descriptor = -1
        self._kept = Kept()
        self.size = 0
        self.is_resumable = False

    def open(self) -> None:
        """Open and lock the file, and read what it holds.

        Raises:
            FileNotFoundError: The folder of the target does not exist.
            BlockingIOError: Another download of the same file is under way.
            OSError: The folder cannot be written to.
        """
        while self._descriptor < 0:
            descriptor = os.open(self._path, NEW, 0o666)
            try:
                lock(descriptor, self._target)
                if is_same(descriptor, self._path):  # else it was renamed or removed in between
                    self._descriptor, descriptor = descriptor, -1
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        self._kept = self._read_tag()
        self.is_resumable = bool(self._kept.validator)

    def kept(self) -> Kept:
        """Return what is in the file and can be continued."""
        if not self.is_resumable:
            return Kept()
        length = sound_length(self._descriptor)
        return Kept(length, self._kept.validator, self._kept.complete)

    def _read_tag(self) -> Kept:
        """Return what the tag says, nothing where it is not of this source or not whole."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            said: dict[str, Any] = json.loads(self._tag.read_bytes())
            validator, complete = said["validator"], said["complete"]
            is_length = complete is None or type(complete) is int
            if said["source"] == self._source and type(validator) is str and is_length:
                return Kept(0, validator, complete)
        return Kept()

    def begin(self, validator: str, complete: int | None) -> None:
        """Empty the file, for another representation.

        Args:
            validator: What to know it by, "" if it cannot be continued.
            complete: Its length, None where it is not known.
        """
        self.is_resumable = False
        if self._keep and os.path.lexists(self._tag):
            self._tag.unlink()
            sync_folder(self._path.parent)  # before the bytes change
        old = os.fstat(self._descriptor).st_size
        self._start_at(0)
        if self._keep and old:
            os.fsync(self._descriptor)  # before there is another tag
        self._kept = Kept(0, validator, complete)
        if validator and self._keep:
            said = {"source": self._source, "validator": validator, "complete": complete}
            with self._tag.open("xb") as file:
                file.write(json.dumps(said).encode())
        self.is_resumable = bool(validator)

    def go_on(self, length: int) -> None:
        """Keep so many bytes and append to them from now on."""
        self._start_at(length)

    def _start_at(self, length: int) -> None:
        os.ftruncate(self._descriptor, length)
        os.lseek(self._descriptor, length, os.SEEK_SET)
        self.size = length

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: There is no room, for example. What was written before stays.
        """
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self.size += written
            view = view[written:]

    def settle(self) -> None:
        """Have the file on disk, and look at it there.

        Raises:
            OSError: It cannot be written; or it is not as long as what was written to it, or was
                removed or replaced by somebody else.
        """
        os.fsync(self._descriptor)
        size = os.fstat(self._descriptor).st_size
        if size != self.size or not is_same(self._descriptor, self._path):
            message = f"file was changed while it was written: {size} bytes for {self.size}"
            raise OSError(errno.ESTALE, message, str(self._path))

    def digest(self, algorithm: str) -> str:
        """Return the checksum of what is in the file, read again, in hexadecimal."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            return hashlib.file_digest(file, partial(new_hash, algorithm)).hexdigest()

    def replace_target(self) -> None:
        """Put the file in the place of the target.

        Raises:
            OSError: It cannot be put there.
        """
        self._path.replace(self._target)
        if self._keep:
            self._tag.unlink(missing_ok=True)
        self._close()

    def distrust(self) -> None:
        """Do not keep what is in the file."""
        self.is_resumable = False

    def close(self) -> None:
        """Keep what a later download can continue, and remove anything else. Idempotent."""
        if self._descriptor < 0:
            return
        try:
            is_kept = self._keep and self.is_resumable and os.fstat(self._descriptor).st_size
            if not is_kept and is_same(self._descriptor, self._path):
                self._tag.unlink(missing_ok=True)
                self._path.unlink(missing_ok=True)
        finally:
            self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked child may have the file open, too
        os.close(descriptor)


class Checksum:
    """The checksum that a file has to have.

    Attributes:
        algorithm: The name of the algorithm, as hashlib has it.
        expected: The checksum in lower-case hexadecimal.
    """

    __slots__ = ("algorithm", "expected")

    def __init__(self, text: str) -> None:
        """Take a checksum as "ALGORITHM:HEXADECIMAL", such as "sha256:9f86d081...".

        Raises:
            TypeError: It is not a str.
            ValueError: The algorithm is not known, or the checksum is not one of it.
        """
        if not isinstance(text, str):
            raise TypeError(f"checksum is a str such as 'sha256:9f86d0...', not {text!r}"[:200])
        algorithm, _, expected = text.strip().partition(":")
        self.algorithm, self.expected = algorithm.strip().lower(), expected.strip().lower()
        if self.algorithm not in hashlib.algorithms_available:
            raise ValueError(f"checksum is ALGORITHM:HEXADECIMAL, not {text!r}"[:200])
        size = new_hash(self.algorithm).digest_size
        if not size or len(self.expected) != 2 * size or not set(self.expected) <= HEXADECIMAL:
            message = f"a {self.algorithm} checksum has {2 * size} hexadecimal digits, not"
            raise ValueError(f"{message} {expected!r}"[:200])


HEXADECIMAL = set("0123456789abcdef")


def new_hash(algorithm: str) -> "hashlib._Hash":
    """Return a hash object; which algorithm is good enough is for the caller to say."""
    return hashlib.new(algorithm, usedforsecurity=False)


def check_target(target: Path) -> None:
    """Raise if there is something in the place of the target that is no regular file.

    Raises:
        IsADirectoryError: It is a directory.
        OSError: It is a device, a pipe or a socket: a rename would replace it.
    """
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(target))


def lock(descriptor: int, target: Path) -> None:
    """Lock an open file, which ends when it is closed.

    Raises:
        BlockingIOError: Somebody else has.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = "another download of this file is under way"
        raise BlockingIOError(errno.EAGAIN, message, str(target)) from error


def is_same(descriptor: int, path: Path) -> bool:
    """Whether an open file is still there under its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def sound_length(descriptor: int) -> int:
    """Return how many bytes from the beginning of a file were written.

    A file that was not synced before the power failed may have its length and not all its blocks.
    """
    size = os.fstat(descriptor).st_size
    return min(size, os.lseek(descriptor, 0, os.SEEK_HOLE)) if size else 0


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, where the file system and its permissions allow that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _short(name: str) -> str:
    """Return a name that suffixes can be added to."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return os.fsdecode(encoded[: LONGEST_NAME - 40]) + digest
