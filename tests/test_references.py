"""References resolved as RFC 3986 section 5 says, without any socket."""

import pytest

from bladehttp._data.references import remove_dot_segments, resolve
from bladehttp.client._request.url import absolute, location_text, parse_url, resolve_location
from bladehttp.exceptions import InvalidUrl, UnsupportedProtocol

BASE = "http://a/b/c/d;p?q"

# RFC 3986 section 5.4.1
NORMAL = {
    "g:h": "g:h",
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q#s",
    "g#s": "http://a/b/c/g#s",
    "g?y#s": "http://a/b/c/g?y#s",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y#s",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
}

# RFC 3986 section 5.4.2; the last one as a strict parser has it
ABNORMAL = {
    "../../../g": "http://a/g",
    "../../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "g?y/../x": "http://a/b/c/g?y/../x",
    "g#s/./x": "http://a/b/c/g#s/./x",
    "g#s/../x": "http://a/b/c/g#s/../x",
    "http:g": "http:g",
}

# what urllib.parse.urljoin has otherwise, and what is empty but there
OTHERS = [
    (BASE, "/b;", "http://a/b;"),
    (BASE, "/p?", "http://a/p?"),
    (BASE, "?", "http://a/b/c/d;p?"),
    (BASE, "#", "http://a/b/c/d;p?q#"),
    (BASE, "/..//a/./b/../c", "http://a//a/c"),
    (BASE, "/a//../b", "http://a/a/b"),
    (BASE, "/a//", "http://a/a//"),
    (BASE, "//h/x/../y", "http://h/y"),
    (BASE, "http://g/x/../y", "http://g/y"),
    (BASE, "HTTP://g/./x?/../y", "HTTP://g/x?/../y"),
    (BASE, "g?a=//b/../c", "http://a/b/c/g?a=//b/../c"),
    (BASE, "./a:b", "http://a/b/c/a:b"),
    (BASE, "?a=http://x/y", "http://a/b/c/d;p?a=http://x/y"),
    (BASE, "g;", "http://a/b/c/g;"),
    (BASE, "...", "http://a/b/c/..."),
    (BASE, "/%2e%2e/g", "http://a/%2e%2e/g"),
    ("http://h/v1/", "a;", "http://h/v1/a;"),
    ("http://h/v1/", "a?", "http://h/v1/a?"),
    ("http://h/v1/", "a//b", "http://h/v1/a//b"),
    ("http://h/v1", "a", "http://h/a"),
    ("http://h", "a", "http://h/a"),
    ("http://h", "?q", "http://h?q"),
    ("http://h?q", "a", "http://h/a"),
    ("http://h/a/./b?q#f", "", "http://h/a/./b?q"),
    ("http://h//x//y", "../z", "http://h//x/z"),
]


@pytest.mark.parametrize(("text", "url"), NORMAL.items(), ids=[repr(text) for text in NORMAL])
def test_the_normal_examples_of_the_rfc(text: str, url: str) -> None:
    assert resolve(text, BASE) == url


@pytest.mark.parametrize(("text", "url"), ABNORMAL.items(), ids=[repr(text) for text in ABNORMAL])
def test_the_abnormal_examples_of_the_rfc(text: str, url: str) -> None:
    assert resolve(text, BASE) == url


@pytest.mark.parametrize(("base", "text", "url"), OTHERS)
def test_nothing_that_is_empty_but_there_is_lost(base: str, text: str, url: str) -> None:
    assert resolve(text, base) == url


@pytest.mark.parametrize(
    ("path", "result"),
    [
        # RFC 3986 section 5.2.4
        ("/a/b/c/./../../g", "/a/g"), ("mid/content=5/../6", "mid/6"),
        ("", ""), ("/", "/"), (".", ""), ("..", ""), ("../x", "x"), (".././x", "x"),
        ("/.", "/"), ("/..", "/"), ("/../..", "/"), ("/a/..", "/"), ("/a/.", "/a/"),
        ("/a/./", "/a/"), ("a/..", "/"), ("a/../b", "/b"), ("//..", "/"),
        ("///../", "//"), ("/a/b/..", "/a/"),
    ],
)  # fmt: skip
def test_dot_segments_are_removed(path: str, result: str) -> None:
    assert remove_dot_segments(path) == result


def test_a_location_inherits_the_fragment_of_what_was_asked_for() -> None:
    assert resolve_location("/x", "http://h/y#f") == "http://h/x#f"
    assert resolve_location("/x#g", "http://h/y#f") == "http://h/x#g"
    assert resolve_location("/x#", "http://h/y#f") == "http://h/x#"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("/a b", "/a%20b"), ("/é", "/%C3%A9"), ("/ü?ß#ö", "/%C3%BC?%C3%9F#%C3%B6"),
        ('/{}"<>^`|\\?{}"<>^`|\\', "/%7B%7D%22%3C%3E%5E%60%7C%5C?%7B%7D%22%3C%3E%5E%60%7C%5C"),
        ("/%20%7b%7B%c3%a9", "/%20%7b%7B%c3%a9"), ("/100%", "/100%"), ("/%zz%2", "/%zz%2"),
        ("/a[]?b[]=1", "/a[]?b[]=1"), ("/a'(b)!*;:@&=+$,~", "/a'(b)!*;:@&=+$,~"),
        ("/a/../b/./c//", "/a/../b/./c//"), ("?q", "/?q"), ("#f", "/#f"), ("", "/"),
        ("/\u0085\u00a0", "/%C2%85%C2%A0"), ("/a#b#c", "/a#b#c"),
    ],
)  # fmt: skip
def test_what_the_caller_gives_is_percent_encoded_where_it_cannot_be_sent(
    given: str, sent: str
) -> None:
    assert parse_url("http://h" + given).text == "http://h" + sent
    assert parse_url(parse_url("http://h" + given).text).text == "http://h" + sent


@pytest.mark.parametrize(
    ("given", "port", "text"),
    [
        ("http://h:044905/", 44905, "http://h:44905/"), ("http://h:/", 80, "http://h/"),
        ("http://h:00000000080/", 80, "http://h:80/"), ("https://h:/x", 443, "https://h/x"),
        ("http://h:65535/", 65535, "http://h:65535/"), ("http://[::1]:0081", 81, "http://[::1]:81/"),
    ],
)  # fmt: skip
def test_a_port_is_any_number_of_digits(given: str, port: int, text: str) -> None:
    url = parse_url(given)
    assert (url.origin[2], url.text) == (port, text)


@pytest.mark.parametrize("port", ["65536", "0065536", "9" * 5000, "٣", "+80", "-1", "8 0", "0x50"])
def test_a_port_beyond_the_grammar_is_refused(port: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        parse_url(f"http://h:{port}/")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("localhost:8000/x", UnsupportedProtocol), ("db:5432", UnsupportedProtocol),
        ("example.com", InvalidUrl), ("127.0.0.1:8000/x?y", InvalidUrl), ("faß.de/x", InvalidUrl),
    ],
)  # fmt: skip
def test_a_host_without_a_scheme_is_told_to_have_one(text: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"write http://{text}".replace("?", r"\?")):
        parse_url(absolute(text, None, {}))


@pytest.mark.parametrize("text", ["1u:s3cr3t@h/x", "u:1234@h:80/", "http://u:s3cr3t@h:x/",
                                  "http://u:s3cr3t@h/\n", "http://u:s3@cr3t@h h/"])  # fmt: skip
def test_no_message_about_a_url_shows_its_password(text: str) -> None:
    with pytest.raises((InvalidUrl, UnsupportedProtocol)) as caught:
        parse_url(absolute(text, None, {}))
    assert not any(secret in str(caught.value) for secret in ("s3", "1234"))


@pytest.mark.parametrize("text", [" http://h/x", "http://h/x ", "  http://h/x  "])
def test_blanks_around_a_url_are_dropped(text: str) -> None:
    assert absolute(text, None, {}) == "http://h/x"
    assert absolute(" x ", " http://h/ ", {}) == "http://h/x"


@pytest.mark.parametrize("userinfo", ["a%0ab:c", "a:b%00", "a%7f", "a:%0d%0aX: y"])
def test_credentials_of_a_url_hold_no_control_characters(userinfo: str) -> None:
    with pytest.raises(InvalidUrl, match="control characters"):
        parse_url(f"http://{userinfo}@host/")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"/caf\xe9", "/caf%e9"), ("/café".encode(), "/café"), (b"/\xc3\xa9\xe9", "/é%e9"),
        (b"/\xff\xfe?\x80", "/%ff%fe?%80"), (b"/\xed\xa0\x80", "/%ed%a0%80"), (b"/%e9", "/%e9"),
    ],
    ids=ascii,
)  # fmt: skip
def test_bytes_of_a_location_that_are_not_utf_8_are_kept(field: bytes, text: str) -> None:
    assert location_text(field) == text
