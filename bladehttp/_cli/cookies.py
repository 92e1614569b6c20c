"""-b, -c and --session: the cookies of a request, and the file that they are kept in."""

import sys
from pathlib import Path
from types import SimpleNamespace

from bladehttp._cli.files import STDIN, reading, writing
from bladehttp._cli.terminal import write_text
from bladehttp.client._config.cookie_jar import TITLE, CookieJar


def cookie_field(options: SimpleNamespace) -> str | None:
    """Return the Cookie field of -b 'a=1; b=2', or None."""
    return "; ".join(text for text in options.cookies if "=" in text) or None


def cookie_jar(options: SimpleNamespace) -> CookieJar | None:
    """Return a jar with the cookies of the files of -b, None if no option asks for one.

    As with curl a file that does not exist has no cookies.

    Raises:
        FileNotRead: A file cannot be read.
        ValueError: It is not a Netscape cookie file.
    """
    paths = [text for text in options.cookies if "=" not in text]
    has_session = options.session or options.session_read_only
    if not (paths or options.cookie_jar or has_session):
        return None
    jar = CookieJar()
    for path in filter(None, paths):
        with reading():
            jar._add(CookieJar(path).lines())
    return jar


def save_cookies(options: SimpleNamespace, jar: CookieJar | None) -> None:
    """Write a jar to the file of -c, readable by its owner alone, or to standard output.

    Raises:
        FileNotWritten: It cannot be written.
    """
    if options.cookie_jar is None or jar is None:
        return
    if options.cookie_jar == STDIN:
        write_text(TITLE + "".join(f"{line}\n" for line in jar.lines()), sys.stdout)
        return
    with writing():
        target = Path(options.cookie_jar)
        if target.exists() and not target.is_file():  # such as /dev/null
            target.write_text("".join(f"{line}\n" for line in jar.lines()))
        else:
            jar.save(options.cookie_jar)
