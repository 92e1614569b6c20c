"""Methods, URLs and items among the words of a request."""

import pytest

from bladehttp._cli.nested import nested
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.words import Item, parse_item, split_words, with_scheme


@pytest.mark.parametrize(
    ("word", "item"),
    [
        ("a=b", Item("a", "=", "b")),
        ("a==b", Item("a", "==", "b")),
        ("a:=1", Item("a", ":=", "1")),
        ("a:b", Item("a", ":", "b")),
        ("a@b", Item("a", "@", "b")),
        ("a=@b", Item("a", "=@", "b")),
        ("a==@b", Item("a", "==@", "b")),
        ("a:=@b", Item("a", ":=@", "b")),
        ("a:@b", Item("a", ":@", "b")),
        ("a;", Item("a", ";", "")),
        ("a:", Item("a", ":", "")),
        ("a=b=c:d@e", Item("a", "=", "b=c:d@e")),
        ("a:b=c", Item("a", ":", "b=c")),
        (r"a\:b=c", Item("a:b", "=", "c")),
        (r"a\==b", Item("a=", "=", "b")),
        (r"a\@b:=1", Item("a@b", ":=", "1")),
        (r"path=C:\dir", Item("path", "=", r"C:\dir")),
        ("a=x\ny", Item("a", "=", "x\ny")),
        ("=b", Item("", "=", "b")),
        ("word", None),
    ],
    ids=str,
)
def test_the_first_and_longest_separator_divides_an_item(word, item):
    assert parse_item(word) == item


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:8000/x", "http://localhost:8000/x"),
        ("a.example", "http://a.example"),
        (":8000/x", "http://localhost:8000/x"),
        (":8000", "http://localhost:8000"),
        (":/x", "http://localhost/x"),
        (":", "http://localhost"),
        (":?a=1", "http://localhost?a=1"),
        ("https://a.example", "https://a.example"),
        ("HTTP://a.example", "HTTP://a.example"),
        ("[::1]:80/x", "http://[::1]:80/x"),
        ("a.example/?to=http://b.example", "http://a.example/?to=http://b.example"),
        (" a.example ", "http://a.example"),
    ],
    ids=repr,
)
def test_a_url_without_a_scheme_is_http_and_one_without_a_host_is_local(text, url):
    assert with_scheme(text) == url


@pytest.mark.parametrize(
    ("words", "method", "urls"),
    [
        (["PURGE", "a.b/x"], "PURGE", ["http://a.b/x"]),
        (["M-SEARCH", "a.b"], "M-SEARCH", ["http://a.b"]),
        (["GET"], None, ["http://GET"]),
        (["a.b", "c.d/e?f=g"], None, ["http://a.b", "http://c.d/e?f=g"]),
        (["a.b", ":81", "x"], None, ["http://a.b", "http://localhost:81", "http://x"]),
        (["localhost", "localhost:80"], None, ["http://localhost", "http://localhost:80"]),
        (["a.b", "[::1]:80/"], None, ["http://a.b", "http://[::1]:80/"]),
    ],
    ids=str,
)
def test_words_are_a_method_and_urls(words, method, urls):
    assert split_words(words, None)[:2] == (method, urls)


def test_a_command_leaves_no_room_for_a_method():
    assert split_words(["PURGE", "a.b"], "GET")[:2] == ("GET", ["http://PURGE", "http://a.b"])


def test_items_are_sorted_by_their_use(tmp_path):
    file = tmp_path / "f"
    file.write_text("[1]\n")
    words = ["u", "q==1", "q==2", "A:1", "B:", "C;", "n=x", "j:=null", f"t=@{file}", f"J:=@{file}",
             f"D:@{file}", "up@p;type=a/b"]  # fmt: skip
    _, urls, items = split_words(words, None)
    assert urls == ["http://u"]
    assert items.queries == [("q", "1"), ("q", "2")]
    assert items.headers == [("A", "1"), ("B", None), ("C", ""), ("D", "[1]")]
    assert items.data == [("n", "x"), ("j", None), ("t", "[1]\n"), ("J", [1])]
    assert items.files == [("up", "p;type=a/b")]


@pytest.mark.parametrize("word", ["=x", ":=1", "a:=x", "a:=" + "[" * 100_000], ids=lambda w: w[:6])
def test_an_item_that_cannot_be_used_is_wrong_usage(word):
    with pytest.raises(WrongUsage):
        split_words(["u", word], None)


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ([("a", 1), ("b", 2)], {"a": 1, "b": 2}),
        ([("a[b]", 1), ("a[c]", 2)], {"a": {"b": 1, "c": 2}}),
        ([("a[]", 1), ("a[]", 2)], {"a": [1, 2]}),
        ([("a[2]", 1), ("a[0]", 2)], {"a": [2, None, 1]}),
        ([("a[b][0][c]", 1)], {"a": {"b": [{"c": 1}]}}),
        ([("[]", 1), ("[]", 2)], [1, 2]),
        ([("[a]", 1)], {"a": 1}),
        ([(r"a\[b\]", 1)], {"a[b]": 1}),
        ([(r"C:\d", 1)], {r"C:\d": 1}),
        ([("a", 1), ("a", 2)], {"a": 2}),
    ],
    ids=str,
)
def test_brackets_in_names_nest_json(pairs, value):
    assert nested(pairs) == value


@pytest.mark.parametrize(
    "names",
    [["a[b"], ["a]"], ["a[b]c"], ["a", "a[b]"], ["a[b]", "a[]"], ["[]", "a"], ["a[1000]"],
     ["a[99999999999999999999]"]],
    ids=str,
)  # fmt: skip
def test_brackets_that_do_not_fit_are_wrong_usage(names):
    with pytest.raises(WrongUsage, match="item"):
        nested((name, 1) for name in names)
