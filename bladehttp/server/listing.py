"""The page that lists a directory."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import quote

from bladehttp.server.beneath import Place, is_servable

MOST_ENTRIES = 2000
"""Entries on one page: some 40 ms, in which nobody else is answered."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content-Security-Policy of the page: a name in it can do nothing, whatever it is."""

LAST_SECOND = 253402300799
"""Of the year 9999, the last that a datetime can tell."""

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


def page(place: Place, path: str, has_parent: bool) -> str:
    """Return the page for the directory where a way has come to.

    Args:
        place: The way.
        path: What it is called in a URL, decoded.
        has_parent: Whether there is something above it to lead to.

    Raises:
        OSError: It cannot be read.
    """
    found = list(islice(entries(place), MOST_ENTRIES + 1))
    shown = sorted(
        found[:MOST_ENTRIES], key=lambda entry: (not entry.is_directory, entry.name.casefold())
    )
    rows = '<tr class="directory"><td><a href="../">../</a><td><td>\n' if has_parent else ""
    rows += "".join(map(_row, shown))
    note = "" if shown or has_parent else "<p>Nothing is here.</p>\n"
    if len(found) > MOST_ENTRIES:
        note = f"<p>These are {MOST_ENTRIES} of the entries; there are more.</p>\n"
    title = f"Index of {path}".translate(ESCAPES)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        f"<table>\n<thead><tr><th>Name<th>Size<th>Modified (UTC)</thead>\n{rows}</table>\n{note}"
    )


def entries(place: Place) -> Iterator[Entry]:
    """Yield what a directory has that can be asked for; links by what they lead to."""
    with os.scandir(place.directory) as found:
        for entry in found:
            if not is_servable(entry.name) or not _is_utf8(entry.name):
                continue
            try:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(info.st_mode):
                    info = place.look(entry.name)
            except OSError:  # gone meanwhile, or it leads out
                continue
            if stat.S_ISDIR(info.st_mode) or stat.S_ISREG(info.st_mode):
                is_directory = stat.S_ISDIR(info.st_mode)
                yield Entry(entry.name, is_directory, info.st_size, info.st_mtime)


def _is_utf8(name: str) -> bool:
    """Return whether a name can be in a URL: others come from the system as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_directory else ""
    name = entry.name.translate(ESCAPES)
    link = f'<a href="{quote(entry.name, safe="")}{slash}">{name}{slash}</a>'
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
