"""Entity tags of files: strong validators (RFC 9110 section 8.8.3)."""

from collections.abc import Callable
from hashlib import blake2b

from bladehttp._message.file_body import FileSlice
from bladehttp.server.beneath import Found

Tagger = Callable[[Found, str | None], str]
"""Makes the entity tag of a file and the coding it is in; None: it is as it was asked for."""

MOST_HASHED = 16 * 1024 * 1024
"""Longest file, in bytes, that is read for its tag: about 20 ms."""

MOST_DIGESTS = 4096
"""Digests of content that are kept."""

DIGESTS: dict[tuple[int, ...], str] = {}
"""What identifies a version of a file on this machine to the digest of its content."""


def tag_by_time(found: Found, coding: str | None) -> str:
    """Return a tag made of the time of modification and the size.

    It is the same on every machine that has the file with its time, as a validator behind a
    load balancer has to be. nginx and Werkzeug use the same two.
    """
    return f'"{found.info.st_mtime_ns:x}-{found.info.st_size:x}{_suffix(coding)}"'


def tag_by_content(found: Found, coding: str | None) -> str:
    """Return a tag made of the content, for files whose times mean nothing.

    The content is read once for each version of a file. A file that is too long to be read while
    others wait gets its tag by its time.
    """
    info = found.info
    if info.st_size > MOST_HASHED:
        return tag_by_time(found, coding)
    version = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    digest = DIGESTS.get(version)
    if digest is None:
        state = blake2b(digest_size=12)
        for block in FileSlice(found.file, 0, info.st_size).blocks():
            state.update(block)
        if len(DIGESTS) >= MOST_DIGESTS:
            DIGESTS.clear()
        digest = DIGESTS[version] = state.hexdigest()
    return f'"{digest}{_suffix(coding)}"'


def _suffix(coding: str | None) -> str:
    """A file and a sibling that holds it compressed may have one time and one size."""
    return f"-{coding}" if coding else ""


TAGGERS: dict[bool | str | None, Tagger | None] = {
    None: tag_by_time,
    True: tag_by_time,
    False: None,
    "content": tag_by_content,
}
"""The argument ``tag`` of `HttpServer.serve_files` to how an entity tag is made."""
