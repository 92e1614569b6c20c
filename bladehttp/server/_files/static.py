"""Static files: GET and HEAD of the files below a directory.

Never looked up: empty names, hidden names (see `safe_open.is_servable`), and links that lead out of
the directory. They are answered as missing.
"""

import errno
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bladehttp._data.media_types import media_type
from bladehttp._data.self_request import with_descriptors
from bladehttp._message.request import HttpRequest, outer_path_of
from bladehttp._message.response import HttpResponse
from bladehttp._wire.negotiation import acceptable
from bladehttp.server._dispatch.routes import Handler
from bladehttp.server._files import listing
from bladehttp.server._files.file_response import (
    TAGGERS,
    Representation,
    Tagger,
    add_missing,
    send_file,
)
from bladehttp.server._files.safe_open import Directory, OpenedFile, is_servable

MISSING = frozenset(
    getattr(errno, name)
    for name in "EACCES EINVAL EISDIR ELOOP ENAMETOOLONG ENOENT ENOTDIR ENXIO EPERM".split()
)
"""Errors that mean "not there for a client": EINVAL if a link was just replaced, ENXIO for a
socket. Other errors are the server's."""

several_slashes = re.compile("/{2,}").sub

SIBLINGS = {
    # coding: what is added to a name; the one that is preferred comes first
    "br": ".br",
    "gzip": ".gz",
}


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Serves the files below a directory; see `HttpServer.serve_files`.

    Attributes:
        base: The path of its URL, decoded, "/" at the end.
        root: The directory, absolute.
        cache_age: Freshness in seconds; 0: clients revalidate each time.
        tag_of: Makes entity tags; None: no tags.
        index: Name of the index file of a directory, None for none.
        listed: Whether a directory without an index is listed.
        none_handler: Answers missing paths.
    """

    base: str
    root: str
    cache_age: int
    tag_of: Tagger | None
    index: str | None
    listed: bool
    none_handler: Handler

    def __call__(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Respond with a file, unless an on_receive has answered already.

        Returns:
            None, or the coroutine of none_handler.
        """
        if response.is_answered or with_descriptors(self._answer, request, response):
            return None
        return self.none_handler(request, response)

    def _answer(self, request: HttpRequest, response: HttpResponse) -> bool:
        """Respond, or return False if the file is missing."""
        try:
            path = os.fsdecode(request.path_octets)  # whose names need not be UTF-8
            *above, last = names = path[len(self.base) :].split("/")
            if not all(is_servable(name) for name in names if name):
                return False
            with Directory(self.root) as directory:
                if "" in above:
                    names = [*filter(None, above), last]
                    return redirect_to_one_slash(directory, path, names, request, response)
                return self._answer_at(directory, names, request, response)
        except OSError as error:
            if error.errno not in MISSING:
                raise
        except UnicodeEncodeError:
            pass  # no name of this file system
        return False

    def _answer_at(
        self,
        directory: Directory,
        names: Sequence[str],
        request: HttpRequest,
        response: HttpResponse,
    ) -> bool:
        found = directory.open(names)
        is_below = request.path.endswith("/")
        if found is None and is_below:
            found = self._index(directory)
        age = self.cache_age if found else 0
        fields = {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": f"max-age={age}" if age else "no-cache",
        }
        if found is not None:
            representation = select_representation(
                directory, found, media_type(names[-1] or found.name), request
            )
            send_file(representation, self.tag_of, fields, request, response)
            return True
        if not is_below:
            redirect_below(request, response)
        elif self.listed:
            page = listing.page(
                directory,
                request.path,
                request.path != self.base,
                listing.page_number(request.queries),
            )
            if page is None:
                return False
            response.write(page)
            fields["Content-Security-Policy"] = listing.POLICY
        else:
            return False
        add_missing(response.headers, fields)
        return True

    def _index(self, directory: Directory) -> OpenedFile | None:
        if self.index is None:
            return None
        try:
            found = directory.open([self.index])
        except FileNotFoundError:
            return None
        if found is None:
            raise IsADirectoryError(errno.EISDIR, "the index is a directory", self.index)
        return found


def static_files(
    base_path: str,
    directory: str | os.PathLike[str],
    cache_age: int,
    tag: bool | str | None,
    index: str | None,
    listing: bool,
    none_handler: Handler,
) -> StaticFiles:
    """Check the arguments of `HttpServer.serve_files` and return the handler.

    Raises:
        NotADirectoryError: ``directory`` is not a directory.
        NotImplementedError: The system has no openat (Windows).
        TypeError: An argument is of another type.
        ValueError: ``cache_age`` is negative.
    """
    if os.open not in os.supports_dir_fd:
        raise NotImplementedError("serve_files needs openat, which this system lacks")
    if not isinstance(base_path, str) or not isinstance(index, str | None):
        raise TypeError(f"base_path and index are str, not {base_path!r} and {index!r}")
    if not isinstance(cache_age, int):
        raise TypeError(f"cache_age is seconds, not {cache_age!r}")
    if not isinstance(tag, bool | str | None) or tag not in TAGGERS:
        raise TypeError(f"tag is True, False, 'content' or None, not {tag!r}")
    if cache_age < 0:
        raise ValueError(f"cache_age is 0 or more, not {cache_age}")
    root = Path(directory).absolute()
    if not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
    base = f"/{base_path.strip('/')}/".replace("//", "/")
    return StaticFiles(base, str(root), cache_age, TAGGERS[tag], index, listing, none_handler)


def select_representation(
    directory: Directory, found: OpenedFile, kind: str, request: HttpRequest
) -> Representation:
    """Choose between a file and its compressed siblings by Accept-Encoding."""
    there = [coding for coding in SIBLINGS if is_current(directory, found, SIBLINGS[coding])]
    accepted = request.headers.get("Accept-Encoding") if there else None
    for coding in acceptable(accepted, there):
        try:
            sibling = directory.open([found.name + SIBLINGS[coding]])
        except OSError:
            continue  # gone since, or not to be read
        if sibling is not None:
            found.file.close()
            return Representation(sibling, kind, coding, varies=True)
    return Representation(found, kind, None, varies=bool(there))


def is_current(directory: Directory, found: OpenedFile, suffix: str) -> bool:
    """Return whether a file has a sibling that is not older than itself."""
    try:
        info = os.stat(found.name + suffix, dir_fd=directory.fd, follow_symlinks=False)
    except OSError:
        return False
    # In seconds: what copies them does not always keep more.
    return stat.S_ISREG(info.st_mode) and int(info.st_mtime) >= int(found.info.st_mtime)


def redirect_below(request: HttpRequest, response: HttpResponse) -> None:
    """Redirect from a directory's path to the one that ends in "/".

    The location is relative: it needs no host, and a path that begins with "//" cannot become one.
    """
    sent, mark, query = request.request_uri.partition("?")
    name = quote(sent.rpartition("/")[2].encode("latin-1"), safe="%")
    response.redirect(f"{name}/{mark}{query}", 301)


def redirect_to_one_slash(
    directory: Directory,
    path: str,
    names: Sequence[str],
    request: HttpRequest,
    response: HttpResponse,
) -> bool:
    """Redirect to the path with repeated "/" collapsed.

    Args:
        directory: The directory that the names are relative to.
        path: The path.
        names: The names in it.
        request: The request.
        response: The response to fill in.

    Returns:
        True: the file exists.

    Raises:
        OSError: It does not (`Directory.open`).
    """
    found = directory.open(names)
    if found is not None:
        found.file.close()
    _, mark, query = request.request_uri.partition("?")
    within = quote(os.fsencode(several_slashes("/", path)), safe="/")
    location = outer_path_of(request) + within
    response.redirect(f"{location}{mark}{query}", 301)
    add_missing(response.headers, {"Cache-Control": "no-cache"})
    return True
