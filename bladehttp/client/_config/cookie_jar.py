"""CookieJar: libcurl's cookie engine (RFC 6265), one store for all handles of a client.

libcurl checks domain, path, Secure, expiry and public suffixes. The handles share the store through
CURLSH (LOCK_DATA_COOKIE). Moving cookies between handles with COOKIELIST would cost each request,
and concurrent requests would not see each other's cookies.
"""

import codecs
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pycurl

from bladehttp._data.host_names import to_ascii
from bladehttp.client._config.validators import has_control

HTTP_ONLY = "#HttpOnly_"
TITLE = "# Netscape HTTP Cookie File\n"
FIELDS = 7
ENCODING = ("utf-8", "surrogateescape")  # any bytes pass unchanged
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Cookie(NamedTuple):
    """A cookie of the jar.

    Attributes:
        name: Its name.
        value: Its value.
        domain: The host it belongs to; subdomains too unless ``host_only``.
        path: The path below which it is sent.
        secure: Whether it is sent over https only.
        http_only: Whether it was marked HttpOnly.
        expires: Expiry as a Unix time; None at the end of the session.
        host_only: Whether it is not sent to subdomains.
    """

    name: str
    value: str
    domain: str
    path: str
    secure: bool
    http_only: bool
    expires: int | None
    host_only: bool


class CookieJar:
    """The cookies of a client: the value of its property ``cookies`` after it was set to True.

    Iterating yields each `Cookie`, ``len()`` is their number. Several clients may use one jar at
    the same time, and it is safe to use by many threads; copying and pickling create another jar
    with the same cookies.

        client = HttpClient(cookies=True)
        client.cookies.set("session", "1", "example.com")
        client.get("https://example.com/")
        client.cookies.save("cookies.txt")

    Attributes:
        path: The file that the cookies are saved to, or None.
    """

    __slots__ = ("_curl", "_lock", "path", "share")

    def __init__(self, path: str | None = None) -> None:
        """Create a jar, filled from a file in Netscape format if there is one at the path.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not in that format, so that saving would destroy it.
        """
        self._start()
        self.path: str | None = path and str(Path(path).absolute())  # the directory may change
        if path is not None and Path(path).exists():
            self._add(read_lines(path))

    def _start(self) -> None:
        self._lock = threading.Lock()
        self.share: Any = pycurl.CurlShare()
        self.share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_COOKIE)
        self._curl = pycurl.Curl()
        self._curl.setopt(pycurl.SHARE, self.share)
        self._curl.setopt(pycurl.COOKIEFILE, "")

    def _add(self, lines: Iterable[str]) -> None:
        with self._lock:
            for line in lines:
                self._curl.setopt(pycurl.COOKIELIST, line.encode(*ENCODING))

    def lines(self) -> list[str]:
        """Return the cookies as lines of a Netscape file."""
        with self._lock:
            return [
                line.decode(*ENCODING) for line in self._curl.getinfo_raw(pycurl.INFO_COOKIELIST)
            ]

    def __iter__(self) -> Iterator[Cookie]:
        return iter([_parse(line) for line in self.lines()])

    def __len__(self) -> int:
        return len(self.lines())

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first cookie of that name."""
        return next((cookie.value for cookie in self if cookie.name == name), default)

    def set(
        self,
        name: str,
        value: str,
        domain: str,
        path: str = "/",
        *,
        secure: bool = False,
        http_only: bool = False,
        expires: int | None = None,
        host_only: bool = True,
    ) -> None:
        """Add a cookie, or replace the one with that name, domain and path; see `Cookie`.

        A non-ASCII domain is stored in its ASCII form.

        Raises:
            InvalidUrl: The domain has no ASCII form.
            ValueError: libcurl refuses the cookie: a control character, a domain that is a public
                suffix, or a name with a prefix (``__Host-``) whose conditions are not met.
        """
        ascii_domain = to_ascii(domain)
        cookie = Cookie(name, value, ascii_domain, path, secure, http_only, expires, host_only)
        if not (name and domain) or has_control("".join(cookie[:4])):
            raise ValueError(f"cookie cannot be kept: {cookie!r}"[:200])
        self._add([_format(cookie)])
        if expires is None and cookie not in self:
            raise ValueError(f"cookie is refused by libcurl: {cookie!r}"[:200])

    def delete(self, name: str, domain: str | None = None) -> None:
        """Delete the cookies of a name, of one domain or of all."""
        wanted = None if domain is None else to_ascii(domain)
        gone = [each for each in self if each.name == name and wanted in (None, each.domain)]
        self._add([_format(each._replace(expires=1)) for each in gone])

    def clear(self) -> None:
        """Delete all cookies; the file stays unchanged until the jar is saved."""
        self._add(["ALL"])

    def without(self, names: Iterable[str]) -> "CookieJar":
        """Return another jar with the cookies of all other names."""
        jar = CookieJar()
        jar._add(_format(cookie) for cookie in self if cookie.name not in names)
        return jar

    def follow(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Apply to this jar the changes of another, given its lines before and after."""
        gone = [_parse(line) for line in set(before).difference(after)]
        self._add(_format(cookie._replace(expires=1)) for cookie in gone)
        self._add(set(after).difference(before))

    def save(self, path: str | None = None) -> None:
        """Write the cookies, whole or not at all, to a file that only its owner can read.

        Args:
            path: The file, None for the jar's own. Session cookies are written too.

        Raises:
            ValueError: The jar has no file of its own.
            OSError: The file cannot be written; an earlier one stays unchanged.
        """
        path = path or self.path
        if path is None:
            raise ValueError("jar has no file to be saved to")
        text = TITLE + "".join(f"{line}\n" for line in self.lines())
        target = Path(path).resolve()
        made = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
        descriptor = os.open(made, NEW, 0o600)
        try:
            _write(descriptor, text.encode(*ENCODING))
            made.replace(target)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.path, self.lines())

    def __repr__(self) -> str:
        return f"<CookieJar of {len(self)}, path={self.path!r}>"


class CookieOverride:
    """A jar for one transfer, without the cookies that the request's own Cookie field has.

    libcurl sends the cookies of the jar in addition to the caller's, and would send a name twice.
    Cookies of the response are stored in the client's jar.
    """

    __slots__ = ("_before", "_curl", "_jar", "_own")

    def __init__(self, curl: Any, jar: CookieJar, names: Iterable[str]) -> None:
        """Have a handle use the jar without the cookies of these names. CURLOPT_SHARE."""
        self._curl = curl
        self._jar = jar
        self._own = own = jar.without(names)
        self._before = own.lines()
        self._share(own)

    def _share(self, jar: CookieJar) -> None:
        for option, value in jar_options(jar):
            self._curl.setopt(option, value)

    def learn(self) -> None:
        """Store the cookies that the response has set so far."""
        after = self._own.lines()
        self._jar.follow(self._before, after)
        self._before = after

    def restore(self) -> None:
        """Have the handle use the client's jar again."""
        self.learn()
        self._share(self._jar)


def override(curl: Any, jar: CookieJar | None, field_value: str) -> CookieOverride | None:
    """Return a `CookieOverride` for a Cookie field, None if the jar has none of its names."""
    if jar is None or not field_value:
        return None
    names = {pair.partition("=")[0].strip() for pair in field_value.split(";")}
    if not any(cookie.name in names for cookie in jar):
        return None
    return CookieOverride(curl, jar, names)


def _write(descriptor: int, data: bytes) -> None:
    """Write all bytes; neither `open` nor an import works when the interpreter ends."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _rebuild(path: str | None, lines: list[str]) -> CookieJar:
    jar = CookieJar()
    jar.path = path
    jar._add(lines)
    return jar


def read_lines(path: str) -> list[str]:
    """Return the lines of a Netscape cookie file that hold cookies, as libcurl expects them.

    Lines end at LF or CRLF only: a value may hold U+0085. A byte order mark, an expiry that is a
    fraction or -1 (a session), and a non-ASCII domain, as in browsers' exports, are accepted; so is
    a line whose value, the last field, is empty and missing with its tab.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is neither a comment nor a cookie.
    """
    text = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8).decode(*ENCODING)
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    cookies = (line for line in lines if line.strip() and not is_comment(line))
    return [_normal(line, path) for line in cookies]


def is_comment(line: str) -> bool:
    """Whether a line of a cookie file is a comment or empty."""
    return line.startswith("#") and not line.startswith(HTTP_ONLY)


def _normal(line: str, path: str) -> str:
    """Return a line of a cookie file with domain and expiry in libcurl's form.

    Raises:
        ValueError: It is not a line of such a file.
    """
    fields = line.split("\t")
    if len(fields) == FIELDS - 1:
        fields.append("")
    try:
        domain, subdomains, where, secure, expires, name, value = fields
        seconds = max(0, int(float(expires or 0)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"cookie_file {path!r} is not a Netscape cookie file") from error
    mark = HTTP_ONLY * domain.startswith(HTTP_ONLY)
    host = domain.removeprefix(HTTP_ONLY)
    dot = "." * host.startswith(".")
    ascii_domain = mark + dot + to_ascii(host.removeprefix("."))
    return "\t".join((ascii_domain, subdomains, where, secure, str(seconds), name, value))


def _parse(line: str) -> Cookie:
    domain, subdomains, path, secure, expires, name, value = line.split("\t", FIELDS - 1)
    return Cookie(
        name,
        value,
        domain.removeprefix(HTTP_ONLY).lstrip("."),
        path,
        secure == "TRUE",
        domain.startswith(HTTP_ONLY),
        int(expires) or None,
        subdomains != "TRUE",
    )


def _format(cookie: Cookie) -> str:
    return "\t".join(
        (
            HTTP_ONLY * cookie.http_only + "." * (not cookie.host_only) + cookie.domain,
            str(not cookie.host_only).upper(),
            cookie.path,
            str(cookie.secure).upper(),
            str(cookie.expires or 0),
            cookie.name,
            cookie.value,
        )
    )


OR_A_DICT = "; that of a request may be a dict"
FOR_A_REQUEST = ": give a dict to a request, or set(name, value, domain) of the jar"


def check_jar(name: str, value: Any) -> CookieJar | None:
    """Accept a jar, True for a new one, and None or False for none."""
    if value is None or value is False:
        return None
    if value is True:
        return CookieJar()
    if not isinstance(value, CookieJar):
        hint = FOR_A_REQUEST if isinstance(value, Mapping) else OR_A_DICT
        raise TypeError(f"{name} is True, None or a CookieJar, not a {type(value).__name__}{hint}")
    return value


def jar_options(jar: CookieJar | None) -> Iterable[tuple[int, object]]:
    """Return CURLOPT_SHARE, which reset() leaves unchanged, and CURLOPT_COOKIEFILE."""
    yield pycurl.SHARE, None  # must be unset before another is set
    if jar is not None:
        yield pycurl.SHARE, jar.share
        yield pycurl.COOKIEFILE, ""  # starts the cookie engine


def with_cookie_jar(values: dict[str, Any]) -> dict[str, Any]:
    """Return checked values with ``cookies`` and ``cookie_file`` made consistent."""
    file = values.get("cookie_file")
    if file is not None:
        return {**values, "cookies": CookieJar(file)}
    if "cookies" in values:
        jar = values["cookies"]
        return {**values, "cookie_file": None if jar is None else jar.path}
    return {**values, "cookies": None} if "cookie_file" in values else values
