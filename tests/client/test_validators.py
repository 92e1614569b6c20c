"""The properties of a client: what each accepts, what that becomes, and how the rest is refused."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pycurl
import pytest
from generated import attributes

from bladehttp import (
    AsyncHttpClient,
    Auth,
    CookieJar,
    HttpClient,
    InsecureWarning,
    InvalidHeader,
    InvalidUrl,
    Retry,
    UnsupportedProtocol,
)
from bladehttp.client._base import Configured
from bladehttp.client._config.network import RESERVED
from bladehttp.client._config.options import CHECKS, Settings
from bladehttp.client._config.retry import IDEMPOTENT, TRANSIENT_STATUSES
from bladehttp.client._config.validators import LONGEST_TEXT
from bladehttp.client._exchange.hooks import NAMES as HOOKS

URL = "http://127.0.0.1:1/"
JAR = CookieJar()
KEY = "sha256//" + "A" * 43 + "="
LONG = 1 << 40

INSECURE = ("skip_hostname_verification", "skip_peer_verification")
FLAGS = (
    "follow_redirect", "allow_insecure_redirect", "trust_env", "no_expect", "raise_for_status",
    *INSECURE,
)  # fmt: skip
TIMES = ("connect_timeout", "receive_timeout")
TIMES_OR_NONE = ("total_timeout", "idle_timeout")
LIMITS = ("max_body_size", "max_host_connections", "max_idle_connections")
FIELDS_OR_NONE = ("referer", "accept_encoding")
PATHS_OR_NONE = ("ca_cert", "pinned_key", "unix_socket", "cookie_file")

Kept = tuple[str, Any, Any]
Refused = tuple[str, Any, type[Exception], str]


def unchanged(*names: str, values: tuple[Any, ...]) -> Iterator[Kept]:
    return ((name, value, value) for name in names for value in values)


KEPT: list[Kept] = [
    #  property            is set to                       is read as
    *unchanged(*FLAGS, values=(True, False)),
    *unchanged("max_redirects", values=(0, 1, LONG)),
    *unchanged(*TIMES, *TIMES_OR_NONE, values=(0, 1500, LONG)),
    *((name, None, 0) for name in TIMES),
    *unchanged(*TIMES_OR_NONE, values=(None,)),
    *unchanged(*LIMITS, values=(None, 1, LONG)),
    *unchanged("base_url", values=(None, "", "http://h/v1/", "text")),
    *unchanged("user_agent", *FIELDS_OR_NONE, values=("", "J\xf6rg/1\t1")),
    *unchanged(*FIELDS_OR_NONE, values=(None,)),
    *unchanged("interface", values=(None, "", "if!eth0")),
    *unchanged(*PATHS_OR_NONE, values=(None, "a/b")),
    *unchanged("min_tls", values=("1.0", "1.1", "1.2", "1.3")),
    *unchanged("http_version", values=("auto", "1.0", "1.1", "2", "3")),
    *unchanged("progress", values=(None, print)),
    *unchanged("curl_options", values=({}, {pycurl.RANGE: "0-1", 7: None})),
    *((name, Path("a/b"), "a/b") for name in (*PATHS_OR_NONE, "netrc")),
    *((name, b"a/\xff", "a/\udcff") for name in (*PATHS_OR_NONE, "netrc")),

    *unchanged("query", values=(None, "", "a=1&b")),
    ("query",              "?a=1",                         "a=1"),
    ("query",              {},                             ""),
    ("query",              {"a": 1, "b": None},            "a=1"),
    ("query",              {"c": ["x", "y z"]},            "c=x&c=y+z"),
    ("query",              [("\xe9", True), ["a", b"&"]],  "%C3%A9=True&a=%26"),

    ("sensitive_headers",  [],                             ()),
    ("sensitive_headers",  ("X-One", "*-KEY"),             ("x-one", "*-key")),
    ("sensitive_headers",  {"A"},                          ("a",)),

    ("client_cert",        None,                           None),
    ("client_cert",        "c",                            ("c",)),
    ("client_cert",        b"c",                           ("c",)),
    ("client_cert",        ("c", "k"),                     ("c", "k")),
    ("client_cert",        [b"c", Path("k")],              ("c", "k")),
    ("client_cert",        ("c", None),                    ("c", "c")),
    ("client_cert",        ("c", "k", "secret"),           ("c", "k", "secret")),
    ("client_cert",        ["c", None, ""],                ("c", "c", "")),

    *unchanged("pinned_key", values=(KEY, f"{KEY};{KEY}", "sha1", f" {KEY}")),

    *unchanged("auth", values=(None, "token", "\xe9", ("name", "p:\xe9\u20ac"), ("", ""), repr)),
    ("auth",               ["name", ""],                   ("name", "")),

    *unchanged("auth_method", values=(Auth.ANY, Auth.NONE, Auth.BASIC | Auth.NTLM)),
    ("auth_method",        0,                              Auth.NONE),
    ("auth_method",        3,                              Auth.BASIC | Auth.DIGEST),

    *unchanged("retry", values=(None, Retry(), Retry(0))),

    *unchanged("proxy", values=(None, "", "h:3128", "SOCKS5H://u:p@h/", "http://[::1]:1")),
    ("proxy",              "b\xfccher.test:1",             "http://xn--bcher-kva.test:1"),
    ("proxy",              "https://\xe9:%20@\xfc.test",   "https://%C3%A9:%20@xn--tda.test"),

    *unchanged("no_proxy", values=(None, "", "*", "a.test, 10.0.0.0/8")),
    ("no_proxy",           [],                             ""),
    ("no_proxy",           "\xfc.test a.test",             "xn--tda.test,a.test"),
    ("no_proxy",           ("a.test", ".\xfc.test"),       "a.test,.xn--tda.test"),

    *unchanged("resolve", values=(
        {}, {"a.test:443": "127.0.0.1"}, {"a:1": "::1"}, {"a:1": "[::1]"}, {"a:1": "[::1]:65535"},
        {"[::1]:65535": "127.0.0.1:1", "_a-b:1": "::1"},
    )),
    ("resolve",            {"\xfc.test:1": "::1"},         {"xn--tda.test:1": "::1"}),

    *unchanged("netrc", values=(True, False, "file")),
    *unchanged("cookies", values=(None, JAR)),
    ("cookies",            False,                          None),
]  # fmt: skip


def refused(*names: str, rows: tuple[tuple[Any, type[Exception], str], ...]) -> Iterator[Refused]:
    return ((name, *row) for name in names for row in rows)


TOO_LONG = "x" * (LONGEST_TEXT + 1)
TOO_LONG_TOO = "\xe9" * (LONGEST_TEXT // 2 + 1)
TOLD_TOO_LONG = f" has {LONGEST_TEXT + 1} bytes, and libcurl accepts {LONGEST_TEXT}"
NO_FIELD = " holds a control character or one beyond Latin-1: "
NO_TEXT = " holds control or non-ASCII characters"
NO_LOGIN = " is (name, password) or a bearer token, of str, or a function"
NO_TOKEN = " is an empty bearer token; None is for no authentication"
NO_CERTIFICATE = " is a path, (certificate, key) or (certificate, key, password)"
NO_PIN = " is sha256// and 44 characters of base64, not "
NO_PROXY = " is not scheme://[name:password@]host:port"
NO_SCHEME = " is one of http, https, socks4, socks4a, socks5, socks5h, not "
NO_ADDRESS = " has addresses like '127.0.0.1', '127.0.0.1:8443' and '[::1]:8443', not "
NO_COOKIES = " is True, None or a CookieJar, not a "
NO_PAIRS = " has pairs of name and value, not "
WRITE_PAIRS = ": write {name: value} or [(name, value)]"
WRITE_JSON = ", which has no form as text: write json.dumps(value), or json= for all of it"

REFUSED: list[Refused] = [
    *refused(*FLAGS, rows=(
        (1, TypeError, " is True or False, not 1"),
        (None, TypeError, " is True or False, not None"),
        ("no", TypeError, " is True or False, not 'no'"),
    )),
    *refused(*TIMES, *TIMES_OR_NONE, rows=(
        (1.5, TypeError, " (milliseconds) is an int, not 1.5"),
        (True, TypeError, " (milliseconds) is an int, not True"),
        ("1", TypeError, " (milliseconds) is an int, not '1'"),
        (-1, ValueError, " (milliseconds) is not negative, but -1 is"),
    )),
    *refused("max_redirects", *LIMITS, rows=(
        (1.0, TypeError, " is an int, not 1.0"),
        (False, TypeError, " is an int, not False"),
        (-1, ValueError, " is not negative, but -1 is"),
    )),
    *refused(*LIMITS, rows=((0, ValueError, " is at least 1"),)),
    *refused("max_redirects", rows=((None, TypeError, " is an int, not None"),)),
    *refused("base_url", "interface", "min_tls", "http_version", rows=(
        (7, TypeError, " is a str, not 7"),
        (b"1.2", TypeError, " is a str, not b'1.2'"),
        (TOO_LONG, ValueError, TOLD_TOO_LONG),
    )),
    *refused("user_agent", *FIELDS_OR_NONE, rows=(
        (7, TypeError, " is a str, not 7"),
        ("\u20ac", InvalidHeader, f"{NO_FIELD}'\u20ac'"),
        ("a\r\nX: b", InvalidHeader, f"{NO_FIELD}'a\\r\\nX: b'"),
        (TOO_LONG, InvalidHeader, TOLD_TOO_LONG),
    )),
    *refused("user_agent", rows=((None, TypeError, " is a str, not None"),)),
    *refused(*PATHS_OR_NONE, "netrc", "client_cert", rows=(
        (7, TypeError, " is a path, not 7"),
        (TOO_LONG, ValueError, TOLD_TOO_LONG),
        (TOO_LONG_TOO, ValueError, TOLD_TOO_LONG.replace("1 bytes", "2 bytes")),
    )),
    *refused("interface", rows=(
        ("\xe4", ValueError, NO_TEXT),
        ("a\n", ValueError, NO_TEXT),
    )),
    *refused("min_tls", rows=(
        ("1.4", ValueError, " is one of 1.0, 1.1, 1.2, 1.3, not '1.4'"),
        ("TLSv1.2", ValueError, " is one of 1.0, 1.1, 1.2, 1.3, not 'TLSv1.2'"),
    )),
    *refused("http_version", rows=(
        ("1.2", ValueError, " is one of auto, 1.0, 1.1, 2, 3, not '1.2'"),
        ("", ValueError, " is one of auto, 1.0, 1.1, 2, 3, not ''"),
    )),
    *refused("query", rows=(
        (7, TypeError, " is a dict or a list of (name, value) pairs, not int 7"),
        (["ab"], TypeError, f"{NO_PAIRS}str 'ab'{WRITE_PAIRS}"),
        ([("a", 1, 2)], TypeError, f"{NO_PAIRS}tuple ('a', 1, 2){WRITE_PAIRS}"),
        ({"a": {}}, TypeError, f": 'a' is dict {{}}{WRITE_JSON}"),
        ({"a": io.BytesIO()}, TypeError, ": 'a' is a file: write files={'a': file}"),
    )),
    *refused("sensitive_headers", rows=(
        ("X", TypeError, " is a list of field names, not 'X'"),
        (None, TypeError, " is a list of field names, not None"),
        ([1], TypeError, ": a field name is a str, not 1"),
    )),
    *refused("client_cert", rows=(
        (("c",), TypeError, NO_CERTIFICATE),
        (["c", "k", "p", "x"], TypeError, NO_CERTIFICATE),
        ((None, "k"), TypeError, " is a path, not None"),
        (("c", 7), TypeError, " is a path, not 7"),
        (("c", "k", b"secret"), TypeError, ": a password is a str, not bytes"),
    )),
    *refused("pinned_key", rows=(
        ("sha256//", ValueError, f"{NO_PIN}'sha256//'"),
        (f"{KEY};", ValueError, f"{NO_PIN}'{KEY};'"),
        (KEY.replace("A=", "=="), ValueError, f"{NO_PIN}'{KEY[:-2]}=='"),
        (f"{KEY};sha1//x", ValueError, f"{NO_PIN}'{KEY};sha1//x'"),
        (f"{KEY}\n", ValueError, f"{NO_PIN}'{KEY}\\n'"),
    )),
    *refused("auth", rows=(
        (7, TypeError, NO_LOGIN),
        (("name",), TypeError, NO_LOGIN),
        (("name", "password", "realm"), TypeError, NO_LOGIN),
        (("name", b"password"), TypeError, NO_LOGIN),
        (b"token", TypeError, NO_LOGIN),
        (("name\r", "password"), ValueError, " holds control characters"),
        (("name", "pass\0word"), ValueError, " holds control characters"),
        ("", ValueError, NO_TOKEN),
        (" ", ValueError, NO_TOKEN),
        ("to\nken", InvalidHeader, f"{NO_FIELD}'to\\nken'"),
        ("\u20ac", InvalidHeader, f"{NO_FIELD}'\u20ac'"),
        (TOO_LONG, InvalidHeader, TOLD_TOO_LONG),
    )),
    *refused("auth_method", rows=(
        ("basic", TypeError, " is an Auth, not 'basic'"),
        (True, TypeError, " is an Auth, not True"),
        (None, TypeError, " is an Auth, not None"),
    )),
    *refused("retry", rows=(
        (3, TypeError, " is a Retry or None, not 3"),
        (True, TypeError, " is a Retry or None, not True"),
    )),
    *refused("proxy", rows=(
        (7, TypeError, " is a str, not int"),
        (b"http://u:secret@h", TypeError, " is a str, not bytes"),
        ("gopher://u:secret@h", UnsupportedProtocol, f"{NO_SCHEME}'gopher'"),
        ("u:secret@h://x", UnsupportedProtocol, f"{NO_SCHEME}that"),
        ("http://", InvalidUrl, NO_PROXY),
        ("http://u:secret@", InvalidUrl, NO_PROXY),
        ("http://u:secret@h/x", InvalidUrl, NO_PROXY),
        ("http://u:secret@h h", InvalidUrl, NO_PROXY),
        ("h\0", InvalidUrl, NO_PROXY),
        (TOO_LONG, InvalidUrl, TOLD_TOO_LONG),
    )),
    *refused("no_proxy", rows=(
        (7, TypeError, " is a list of hosts, not 7"),
        ([b"a.test"], TypeError, ": a host is a str, not b'a.test'"),
        ("a.test\r\n", ValueError, NO_TEXT),
        (["a.test", "\0"], ValueError, NO_TEXT),
    )),
    *refused("resolve", rows=(
        (None, TypeError, " is a dict, not None"),
        ("a:1:::1", TypeError, " is a dict, not 'a:1:::1'"),
        ({7: "::1"}, TypeError, ": a key is a str, not 7"),
        ({"a:1": 7}, TypeError, ": an address is a str, not 7"),
        *(({key: "::1"}, ValueError, f" has keys like 'host:port', not {key!r}")
          for key in ("a", "a:", ":1", "a:b", "a:123456", "[g]:1", "::1:1", "a b:1", "a:1\n")),
        *(({key: "::1"}, ValueError, f": the port of {key!r} is not 1 to 65535")
          for key in ("a:0", "a:65536")),
        *(({"a:1": address}, ValueError, f": the port of {address!r} is not 1 to 65535")
          for address in ("127.0.0.1:0", "[::1]:65536")),
        *(({"a:1": address}, ValueError, f"{NO_ADDRESS}{address!r}")
          for address in (
            "", "a.test", "localhost:80", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:\u0661",
            "127.0.0.1:80:80", "[127.0.0.1]:80", "[::1]80", "[::1", "::1]", "[[::1]]:80",
            "127.0.0.1:80\n", " 127.0.0.1", "127.1",
        )),
    )),
    *refused("netrc", rows=(
        (None, TypeError, " is a path, not None"),
        ("", ValueError, " is True, False or a path, not ''"),
        (b"", ValueError, " is True, False or a path, not b''"),
    )),
    *refused("cookies", rows=(
        ("a=b", TypeError, f"{NO_COOKIES}str; that of a request may be a dict"),
        (1, TypeError, f"{NO_COOKIES}int; that of a request may be a dict"),
    )),
    *refused("progress", rows=((7, TypeError, " is a function, not 7"),)),
    *refused("curl_options", rows=(
        ([], TypeError, " is a dict, not []"),
        ({"URL": URL}, TypeError, " has pycurl's constants as keys, not 'URL'"),
        ({True: 1}, TypeError, " has pycurl's constants as keys, not True"),
        *(({option: 1}, ValueError, f": option {option} is set by the client itself")
          for option in sorted(RESERVED)),
    )),
]  # fmt: skip


def in_brief(value: Any) -> str:
    """Return an id that is the same in every process: a set and an object have no such text."""
    is_plain = isinstance(value, str | bytes | int | float | tuple | None)
    return repr(value)[:30] if is_plain else getattr(value, "__name__", type(value).__name__)


def test_every_property_has_its_rows() -> None:
    assert {row[0] for row in KEPT} == {row[0] for row in REFUSED} == set(CHECKS)
    assert set(attributes(Configured)) == {*CHECKS, *HOOKS, "headers"}


@pytest.mark.filterwarnings("ignore::bladehttp.InsecureWarning")
@pytest.mark.parametrize(("name", "given", "kept"), KEPT, ids=in_brief)
def test_a_value_is_kept_in_one_form(name: str, given: Any, kept: Any) -> None:
    read = getattr(Settings().changed({name: given}), name)
    assert read == kept
    assert type(read) is type(kept) or isinstance(read, MappingProxyType)


@pytest.mark.parametrize(("name", "given", "error", "told"), REFUSED, ids=in_brief)
def test_any_other_value_is_refused_where_it_is_given(
    client: HttpClient, name: str, given: Any, error: type[Exception], told: str
) -> None:
    before = getattr(client, name)
    doors: tuple[Callable[[], object], ...] = (
        lambda: setattr(client, name, given),
        lambda: setattr(AsyncHttpClient(), name, given),
        lambda: HttpClient(**{name: given}),
        lambda: AsyncHttpClient(**{name: given}),
        lambda: client.get(URL, **{name: given}),
    )
    for door in doors:
        with pytest.raises(error) as caught:
            door()
        assert (type(caught.value), str(caught.value)) == (error, name + told)
    assert getattr(client, name) == before


def test_a_dict_of_cookies_is_for_requests(client: HttpClient) -> None:
    told = f"cookies{NO_COOKIES}dict: give a dict to a request, or set(name, value, domain) of the"
    with pytest.raises(TypeError, match=f"^{re.escape(told)} jar$"):
        client.cookies = {"a": "b"}  # type: ignore[assignment]


@pytest.mark.parametrize("name", INSECURE)
def test_the_loss_of_protection_is_warned_of(name: str) -> None:
    told = f"^{name} is on: connections can be listened to and tampered with$"
    with pytest.warns(InsecureWarning, match=told) as caught:
        Settings().changed({name: True})
    assert [warning.filename for warning in caught] == [__file__]
    assert getattr(Settings().changed({name: False}), name) is False


def test_the_longest_text_is_that_of_libcurl(client: HttpClient) -> None:
    curl = pycurl.Curl()
    curl.setopt(pycurl.PASSWORD, "x" * LONGEST_TEXT)
    with pytest.raises(pycurl.error):
        curl.setopt(pycurl.PASSWORD, TOO_LONG)
    client.auth = ("name", TOO_LONG[1:])
    for auth in ((TOO_LONG, ""), ("", TOO_LONG)):
        with pytest.raises(InvalidHeader, match=f"^a part of auth{TOLD_TOO_LONG}$"):
            client.auth = auth


def test_a_long_text_is_cut_in_a_message(client: HttpClient) -> None:
    with pytest.raises(ValueError, match=r"^min_tls is one of 1\.0, ") as caught:
        client.min_tls = "x" * 1000
    assert len(str(caught.value)) == 200
    beginning = "\n" * 80
    with pytest.raises(InvalidHeader) as caught:
        client.referer = beginning + "x"
    assert str(caught.value) == f"referer{NO_FIELD}{beginning!r}"


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_a_function_or_a_list_of_functions(client: HttpClient, name: str) -> None:
    for given, kept in ((print, [print]), ([print, repr], [print, repr]), ((), [])):
        setattr(client, name, given)
        assert getattr(client, name) == kept
    for bad, told in (
        (7, "is a function or a list of functions, not 7"),
        (None, "is a function or a list of functions, not None"),
        ([print, 7], "is a list of functions, not of 7"),
    ):
        with pytest.raises(TypeError, match=f"^{name} {told}$"):
            setattr(client, name, bad)
    assert getattr(client, name) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, []),
        ({"A": "1", "B": None}, [("A", "1"), ("b", None)]),
        ([("A", "1"), ["a", "2"]], [("A", "1"), ("a", "2")]),
    ],
    ids=["None", "dict", "pairs"],
)
def test_headers_are_checked_where_they_are_set(
    client: HttpClient, given: Any, kept: list[tuple[str, str | None]]
) -> None:
    client.headers = given
    assert client.headers.fields() == kept


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"X": 1}, TypeError, "a field's name and value are str, not 'X': 1"),
        ({"X Y": "1"}, InvalidHeader, "field name 'X Y' is not a token"),
        ({"X": "1\n"}, InvalidHeader, f"value of X{NO_FIELD}'1\\n'"),
        ("X: 1", TypeError, "headers is a dict or a list of (name, value) pairs, not a str"),
    ],
    ids=["number", "name", "value", "str"],
)
def test_other_headers_are_refused(
    client: HttpClient, given: Any, error: type[Exception], told: str
) -> None:
    for door in (
        lambda: setattr(client, "headers", given),
        lambda: client.set_headers(given),
        lambda: HttpClient(headers=given),
        lambda: client.get(URL, given),
    ):
        with pytest.raises(error) as caught:
            door()
        assert (type(caught.value), str(caught.value)) == (error, told)
    assert client.headers == {}


RETRY_KEPT: list[Kept] = [
    *unchanged("total", "backoff", "longest", values=(0, 1, LONG)),
    ("methods",  ["get", "POST"],  {"GET", "POST"}),
    ("methods",  (),               set()),
    ("statuses", (429, 503, 429),  {429, 503}),
    ("statuses", range(500, 502),  {500, 501}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "kept"), RETRY_KEPT, ids=in_brief)
def test_an_argument_of_a_retry_is_kept_in_one_form(name: str, given: Any, kept: Any) -> None:
    values = {
        "total": 3, "backoff": 500, "longest": 60_000,
        "methods": IDEMPOTENT, "statuses": TRANSIENT_STATUSES,
    } | {name: kept}  # fmt: skip
    retry = Retry(**{name: given})
    assert {name: getattr(retry, name) for name in Retry.__slots__} == values


RETRY_REFUSED: list[Refused] = [
    *refused("total", "backoff", "longest", rows=(
        (-1, ValueError, " is not negative, but -1 is"),
        (1.5, TypeError, " is an int, not 1.5"),
        (True, TypeError, " is an int, not True"),
        (None, TypeError, " is an int, not None"),
    )),
    *refused("methods", rows=(
        ("GET", TypeError, " is a list of methods, not 'GET'"),
        (None, TypeError, " is a list of methods, not None"),
    )),
    *refused("statuses", rows=((503, TypeError, " is a list of statuses, not 503"),)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "error", "told"), RETRY_REFUSED, ids=in_brief)
def test_any_other_argument_of_a_retry_is_refused(
    name: str, given: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        Retry(**{name: given})
    assert (type(caught.value), str(caught.value)) == (error, name + told)


@pytest.mark.parametrize(
    ("name", "item", "error", "told"),
    [
        ("methods", 1, TypeError, "a method is a str, not 1"),
        ("methods", b"GET", TypeError, "a method is a str, not b'GET'"),
        ("statuses", "503", TypeError, "a status is an int, not '503'"),
        ("statuses", -1, ValueError, "a status is not negative, but -1 is"),
    ],
    ids=in_brief,
)
def test_an_item_of_a_retry_is_refused(
    name: str, item: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=f"^{told}$"):
        Retry(**{name: [item]})
