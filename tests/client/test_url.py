"""URLs: what is sent and where to, without any socket."""

import pytest

from bladehttp.client._request.url import parse_url
from bladehttp.exceptions import InvalidUrl, UnsupportedProtocol


@pytest.mark.parametrize(
    ("given", "text", "origin"),
    [
        ("http://h", "http://h/", ("http", "h", 80)),
        ("https://h", "https://h/", ("https", "h", 443)),
        ("HTTP://H/", "http://H/", ("http", "h", 80)),
        ("http://h:8080/a?b", "http://h:8080/a?b", ("http", "h", 8080)),
        ("http://h?q", "http://h/?q", ("http", "h", 80)),
        ("http://[::1]:1/", "http://[::1]:1/", ("http", "[::1]", 1)),
        ("http://h/a#fragment", "http://h/a#fragment", ("http", "h", 80)),
        ("http://h/é", "http://h/%C3%A9", ("http", "h", 80)),
        ("http://h/%c3%a9", "http://h/%c3%a9", ("http", "h", 80)),
        ("http://h/a b", "http://h/a%20b", ("http", "h", 80)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_url_has_a_text_and_an_origin(
    given: str, text: str, origin: tuple[str, str, int]
) -> None:
    url = parse_url(given)
    assert (url.text, url.origin) == (text, origin)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("", InvalidUrl),
        ("h", InvalidUrl),
        ("/path", InvalidUrl),
        ("http://", InvalidUrl),
        ("http:///path", InvalidUrl),
        ("http://h:port/", InvalidUrl),
        ("http://h:65536/", InvalidUrl),
        ("http://[::1/", InvalidUrl),
        ("http://h/\r\nX: y", InvalidUrl),
        ("http://h/\0", InvalidUrl),
        ("ftp://h/", UnsupportedProtocol),
        ("file:///etc/passwd", UnsupportedProtocol),
        ("javascript:alert(1)", UnsupportedProtocol),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else "",
)
def test_what_is_no_http_url_is_refused(given: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_url(given)


def test_name_and_password_are_in_no_text() -> None:
    url = parse_url("http://ada:secret@h/")
    assert (url.text, "secret" in url.host_port) == ("http://h/", False)


def test_nine_printable_characters_are_encoded_and_no_others() -> None:
    printable = "".join(map(chr, range(0x21, 0x7F)))
    encoded = "".join(f"%{ord(char):02X}" if char in '"<>\\^`{|}' else char for char in printable)
    url = parse_url(f"http://h/{printable.replace('#', '')}")
    assert url.text == f"http://h/{encoded.replace('#', '')}"
