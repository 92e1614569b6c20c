"""The page that lists a directory."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import quote

from bladehttp.server._files.safe_open import Directory, is_servable

ENTRIES = 1000
"""Entries on one page: about 20 ms of the loop's time."""

MOST_NAMES = 100_000
"""Names of a directory that are read and sorted: about 150 ms. Further names are not listed."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content-Security-Policy of the page: no file name in it can run a script."""

LAST_SECOND = 253402300799
"""The last second of the year 9999, the last that datetime supports."""

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
"""As html.escape has it, whose module brings every entity of HTML along."""

UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")

STYLE = """
:root { color-scheme: light dark; --line: #8883; --quiet: #777; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --quiet: #999; --link: #8ab4f8; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2.5rem auto; max-width: 56rem;
       padding: 0 1.25rem; }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { color: var(--quiet); font-size: .8125rem; font-weight: 500; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: .375rem 0; }
td:first-child { overflow-wrap: anywhere; width: 100%; }
td:not(:first-child), th:not(:first-child) { color: var(--quiet); text-align: right;
                                             padding-left: 1.5rem; white-space: nowrap; }
tr:hover td { background: #8881; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.directory a { font-weight: 600; }
p { color: var(--quiet); font-size: .875rem; }
@media (max-width: 34rem) { td:last-child, th:last-child { display: none; } }
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list."""

    name: str
    is_directory: bool
    size: int
    modified: float


def page_number(queries: Mapping[str, str]) -> int:
    """Return the requested page number, 1 for the first."""
    number = queries.get("page", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1


def page(directory: Directory, path: str, has_parent: bool, number: int) -> str | None:
    """Return a page of a directory, None if there is no such page.

    Args:
        directory: The directory.
        path: Its path in the URL, decoded.
        has_parent: Whether to link to the parent.
        number: The page number, 1 for the first.

    Raises:
        OSError: The directory cannot be read.
    """
    with os.scandir(directory.fd) as found:
        names = [entry for entry in islice(found, MOST_NAMES) if is_servable(entry.name)]
    names.sort(key=_rank)
    pages = max(1, -(-len(names) // ENTRIES))
    if not 1 <= number <= pages:
        return None
    shown = list(entries(directory, names[(number - 1) * ENTRIES : number * ENTRIES]))
    rows = '<tr class="directory"><td><a href="../">../</a><td><td>\n' if has_parent else ""
    rows += "".join(map(_row, shown))
    note = "" if shown or has_parent else "<p>Nothing is here.</p>\n"
    if pages > 1:
        note = _pages(number, pages, len(names))
    title = f"Index of {path}".translate(ESCAPES)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        f"<table>\n<thead><tr><th>Name<th>Size<th>Modified (UTC)</thead>\n{rows}</table>\n{note}"
    )


def _rank(entry: os.DirEntry[str]) -> tuple[bool, str, str]:
    """Directories first, then by name without regard to case."""
    try:
        is_directory = entry.is_dir()
    except OSError:  # a link that leads in circles
        is_directory = False
    return not is_directory, entry.name.casefold(), entry.name


def _pages(number: int, pages: int, count: int) -> str:
    """Return the links to the other pages."""
    before = f'<a href="?page={number - 1}">Previous</a> ' if number > 1 else ""
    after = f' <a href="?page={number + 1}">Next</a>' if number < pages else ""
    return f"<p>{before}Page {number} of {pages}, {count} entries{after}</p>\n"


def entries(directory: Directory, found: Iterable[os.DirEntry[str]]) -> Iterator[Entry]:
    """Yield the readable files and directories; links by their targets."""
    for entry in found:
        try:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(info.st_mode):
                info = directory.stat_name(entry.name)
        except OSError:  # gone meanwhile, or it leads out
            continue
        is_directory = stat.S_ISDIR(info.st_mode)
        if (is_directory or stat.S_ISREG(info.st_mode)) and _is_readable(
            directory, entry.name, os.R_OK | os.X_OK if is_directory else os.R_OK
        ):
            yield Entry(entry.name, is_directory, info.st_size, info.st_mtime)


def _is_readable(directory: Directory, name: str, mode: int) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(name, mode, dir_fd=directory.fd, effective_ids=effective)


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_directory else ""
    octets = os.fsencode(entry.name)
    name = octets.decode("utf-8", "replace").translate(ESCAPES)
    link = f'<a href="{quote(octets, safe="")}{slash}">{name}{slash}</a>'
    size = "" if entry.is_directory else readable(entry.size)
    seconds = min(max(entry.modified, 0), LAST_SECOND)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    kind = ' class="directory"' if entry.is_directory else ""
    return f"<tr{kind}><td>{link}<td>{size}<td>{when}\n"


def readable(size: int) -> str:
    """Return a number of bytes for people: "512 bytes", "1.5 MB"."""
    if size < 1000:
        return f"{size} bytes" if size != 1 else "1 byte"
    number, unit = float(size), 0
    while number >= 999.95:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {UNITS[unit]}"
