"""PartFile: the temporary file that a download is written to.

`NAME.part` holds the beginning of a representation, `NAME.part.tag` identifies the representation.
Invariants, which hold at every moment, so that the process may be killed and the power may fail at
any of them:

- The target is replaced by one rename, after the bytes are on disk (fsync) and their number was
  compared with the expected one.
- Bytes of one representation are never stored with the tag of another: first the old tag is removed
  on disk, then the old bytes are removed on disk, and only then the new tag is written. A tag that
  was not written to its end is not valid JSON and counts as none.
- Only the holder of the lock (flock) on a `.part` writes it. The lock belongs to the open file, so
  it ends with the process, and a file that was opened under this name and renamed since is not
  written.
"""

import errno
import fcntl
import json
import os
import stat
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from bladehttp.client._download.resumption import Kept

NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

LONGEST_NAME = 236
"""Longest name in bytes that a suffix can be added to; file systems allow 255."""


class PartFile:
    """The temporary file of a download, and the tag that identifies its content.

    Attributes:
        size: Number of bytes in it.
        is_resumable: Whether its content can be continued, by this download or a later one.
    """

    def __init__(self, target: Path, source: str, keep: bool) -> None:
        """Compute the names.

        Args:
            target: The file to replace in the end.
            source: The URL; a part of another one is not continued.
            keep: Whether to keep the part for a later download when this one fails.

        Raises:
            IsADirectoryError: The target is a directory.
            OSError: The target is not a regular file.
        """
        check_target(target)
        target = target.absolute()  # the program may change its directory meanwhile
        unique = "" if keep else f".{os.urandom(4).hex()}"
        self._target = target
        self._path = target.with_name(f"{_short(target.name)}{unique}.part")
        self._tag = self._path.with_name(f"{self._path.name}.tag")
        self._source = hashlib().sha256(source.encode()).hexdigest()  # a URL may hold a secret
        self._keep = keep
        self._descriptor = -1
        self._kept = Kept()
        self.size = 0
        self.is_resumable = False

    def open(self) -> None:
        """Open and lock the file, and read its tag.

        Raises:
            FileNotFoundError: The folder of the target does not exist.
            BlockingIOError: Another download of the same file is running.
            OSError: The folder cannot be written to.
        """
        while self._descriptor < 0:
            descriptor = os.open(self._path, NEW, 0o666)
            try:
                lock(descriptor, self._target)
                if is_same(descriptor, self._path):  # otherwise it was renamed or removed meanwhile
                    self._descriptor, descriptor = descriptor, -1
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        self._kept = self._read_tag()
        self.is_resumable = bool(self._kept.validator)

    def kept(self) -> Kept:
        """Return the content that can be continued."""
        if not self.is_resumable:
            return Kept()
        length = sound_length(self._descriptor)
        return Kept(length, self._kept.validator, self._kept.complete)

    def _read_tag(self) -> Kept:
        """Return the content of the tag; empty if it is of another source or incomplete."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            said: dict[str, Any] = json.loads(self._tag.read_bytes())
            validator, complete = said["validator"], said["complete"]
            is_length = complete is None or type(complete) is int
            if said["source"] == self._source and type(validator) is str and is_length:
                return Kept(0, validator, complete)
        return Kept()

    def begin(self, validator: str, complete: int | None) -> None:
        """Empty the file for another representation.

        Args:
            validator: Its strong validator, "" if it cannot be continued.
            complete: Its length, None if it is not known.
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
            OSError: The file cannot be written; the disk is full, for example. Earlier bytes stay.
        """
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self.size += written
            view = view[written:]

    def settle(self) -> None:
        """Sync the file to disk, and check it there.

        Raises:
            OSError: It cannot be written; or another program has changed its length, removed or
                replaced it.
        """
        os.fsync(self._descriptor)
        size = os.fstat(self._descriptor).st_size
        if not self._path.exists():
            message = "file was removed while it was written"
            raise FileNotFoundError(errno.ENOENT, message, str(self._path))
        if size != self.size or not is_same(self._descriptor, self._path):
            message = f"file was changed while it was written: {size} bytes for {self.size}"
            raise OSError(errno.ESTALE, message, str(self._path))

    def digest(self, algorithm: str) -> str:
        """Return the checksum of the file, read again, in hexadecimal."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            found = hashlib().file_digest(file, partial(new_hash, algorithm))
        return str(found.hexdigest())

    def replace_target(self) -> None:
        """Move the file to the target.

        Raises:
            OSError: It cannot be moved there.
        """
        self._path.replace(self._target)
        if self._keep:
            self._tag.unlink(missing_ok=True)
        self._close()

    def discard_on_close(self) -> None:
        """Discard the content when the file is closed."""
        self.is_resumable = False

    def close(self) -> None:
        """Keep content that a later download can continue, and remove the rest. Idempotent."""
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
    """The expected checksum of a file.

    Attributes:
        algorithm: The name of the algorithm in hashlib.
        expected: The checksum in lower-case hexadecimal.
    """

    __slots__ = ("algorithm", "expected")

    def __init__(self, text: str) -> None:
        """Parse a checksum such as "sha256:9f86d081...": "ALGORITHM:HEXADECIMAL".

        Raises:
            TypeError: It is not a str.
            ValueError: The algorithm is not known, or the checksum has not its length.
        """
        if not isinstance(text, str):
            raise TypeError(f"checksum is a str such as 'sha256:9f86d0...', not {text!r}"[:200])
        algorithm, _, expected = text.strip().partition(":")
        self.algorithm, self.expected = algorithm.strip().lower(), expected.strip().lower()
        if self.algorithm not in hashlib().algorithms_available:
            raise ValueError(f"checksum is ALGORITHM:HEXADECIMAL, not {text!r}"[:200])
        size = new_hash(self.algorithm).digest_size
        if not size or len(self.expected) != 2 * size or not set(self.expected) <= HEXADECIMAL:
            message = f"a {self.algorithm} checksum has {2 * size} hexadecimal digits, not"
            raise ValueError(f"{message} {expected!r}"[:200])


HEXADECIMAL = set("0123456789abcdef")


def hashlib() -> Any:
    """Return the module, which loads OpenSSL: 4 % of the client's import, where few download."""
    return import_module("hashlib")


def new_hash(algorithm: str) -> Any:
    """Return a hash object; the caller decides which algorithm is good enough."""
    return hashlib().new(algorithm, usedforsecurity=False)


def check_target(target: Path) -> None:
    """Check that the target, if it exists, is a regular file.

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
    """Lock an open file; the lock ends when it is closed.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = "another download of this file is under way"
        raise BlockingIOError(errno.EAGAIN, message, str(target)) from error


def is_same(descriptor: int, path: Path) -> bool:
    """Whether an open file still exists under its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def sound_length(descriptor: int) -> int:
    """Return the number of bytes from the beginning of a file that were written.

    A file that was not synced before a power failure may have its length but not all of its blocks.
    """
    size = os.fstat(descriptor).st_size
    return min(size, os.lseek(descriptor, 0, os.SEEK_HOLE)) if size else 0


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, if the file system and its permissions allow it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _short(name: str) -> str:
    """Return a name short enough for the suffixes."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME:
        return name
    digest = str(hashlib().sha256(encoded).hexdigest())
    return os.fsdecode(encoded[: LONGEST_NAME - 40]) + digest[:16]
