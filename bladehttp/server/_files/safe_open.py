"""Open files below a directory, and nowhere else.

The system is never given a path: each name is looked up in the directory that the name before it
was opened as, so concurrent renames and links cannot lead out. Links are resolved here, name by
name, and may lead anywhere inside. Only regular files and directories are opened: opening a FIFO or
a device can block or have side effects.

Needs openat and related calls (``os.open`` with ``dir_fd``), which Windows lacks.
"""

import errno
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from types import TracebackType
from typing import Self

MOST_LINKS = 40
"""Most symbolic links followed for one file, as on Linux (path_resolution(7))."""

# By getattr, so that the package can be imported where they are not.
START = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
STEP = START | getattr(os, "O_NOFOLLOW", 0)
REGULAR = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

# "/" and NUL are in no name. Control characters, and "\", which other programs may take for a
# separator, are refused with them.
no_name = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]").search


def is_servable(name: str) -> bool:
    """Return whether a client may ask for a name: it is valid and not hidden.

    ".well-known" is the one hidden name that is served (RFC 8615). Names of devices and streams on
    Windows (aux.js, 12:30.log) are ordinary names: without openat nothing is served.
    """
    if not name or no_name(name):
        return False
    return not name.startswith(".") or name == ".well-known"


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An open file.

    Attributes:
        file: The file.
        info: Its status (fstat).
        name: Its own name, after links.
    """

    file: FileIO
    info: os.stat_result
    name: str


class Directory:
    """A directory below a root, with every directory above it open until the context ends."""

    __slots__ = ("_descriptors", "root")

    def __init__(self, root: str) -> None:
        """Open the root.

        Raises:
            OSError: It cannot be opened.
        """
        self.root = root
        self._descriptors = [os.open(root, START)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    @property
    def fd(self) -> int:
        """The descriptor of the current directory."""
        return self._descriptors[-1]

    def open(self, names: Sequence[str]) -> OpenedFile | None:
        """Descend by names, and open the file at the end.

        Args:
            names: Relative to the current directory; "" and "." are skipped.

        Returns:
            The file, or None for a directory, which then is the current one.

        Raises:
            OSError: There is no such file, it is neither file nor directory, a link leads out, or
                it cannot be read.
        """
        ahead = list(reversed(names))
        links = 0
        while ahead:
            name = ahead.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                self._step_up()
                continue
            mode = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                self._descriptors.append(os.open(name, STEP, dir_fd=self.fd))
            elif stat.S_ISLNK(mode):
                links += 1
                ahead += reversed(self._target(name, links))
            elif stat.S_ISREG(mode) and not ahead:
                return self._open_file(name)
            else:
                raise FileNotFoundError(errno.ENOENT, "neither file nor directory", name)
        return None

    def stat_name(self, name: str) -> os.stat_result:
        """Return the status of a name, links followed, without descending.

        Raises:
            OSError: As `open`.
        """
        with Directory(self.root) as other:
            for descriptor in self._descriptors[1:]:
                other._descriptors.append(os.dup(descriptor))
            found = other.open([name])
            if found is None:
                return os.fstat(other.fd)
            found.file.close()
            return found.info

    def _step_up(self) -> None:
        if len(self._descriptors) == 1:
            raise PermissionError(errno.EACCES, "a link leads out of the directory")
        os.close(self._descriptors.pop())

    def _target(self, link: str, count: int) -> list[str]:
        """Return the target of a link as names relative to the current directory."""
        if count > MOST_LINKS:
            raise OSError(errno.ELOOP, "too many links", link)
        target = os.readlink(link, dir_fd=self.fd)
        if target.startswith("/"):  # it may lead back in
            inside = os.path.realpath(self.root).rstrip("/") + "/"
            if not f"{target}/".startswith(inside):
                raise PermissionError(errno.EACCES, "a link leads out of the directory", link)
            while len(self._descriptors) > 1:
                self._step_up()
            target = target[len(inside) :]
        return target.split("/")

    def _open_file(self, name: str) -> OpenedFile:
        descriptor = os.open(name, REGULAR, dir_fd=self.fd)
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):  # it was replaced since it was looked at
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "not a regular file", name)
        return OpenedFile(FileIO(descriptor), info, name)
