"""Links: what RFC 8288 says of a Link field, of quotes, several types, anchors and mistakes."""

import time

import pytest
from requests.utils import parse_header_links

from bladehttp import HttpResponse
from bladehttp._data.links import Link, Links, parse_links

BASE = "http://example.com/a/b?c#d"


def links(*values: str) -> tuple[Link, ...]:
    return parse_links(values, BASE).all


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('<http://x/1>; rel="next"', [("http://x/1", ("next",))]),
        ("<http://x/1>;rel=next", [("http://x/1", ("next",))]),
        ("<2>; rel=next", [("http://example.com/a/2", ("next",))]),
        ("</2>; rel=next", [("http://example.com/2", ("next",))]),
        ("<//x/2>; rel=next", [("http://x/2", ("next",))]),
        ("<?p=2>; rel=next", [("http://example.com/a/b?p=2", ("next",))]),
        ("<>; rel=self", [("http://example.com/a/b?c", ("self",))]),
        ('<1>; rel="Next  LAST next"', [("http://example.com/a/1", ("next", "last"))]),
        ("<1>; rel=a; rel=b", [("http://example.com/a/1", ("a",))]),
        ("<1>; rel=a,<2>; rel=b", [("http://example.com/a/1", ("a",)),
                                   ("http://example.com/a/2", ("b",))]),
        (", ,<1>; rel=a ,\t,", [("http://example.com/a/1", ("a",))]),
        ('<1>; title="a, b; <x>; \\"c\\""; rel=a', [("http://example.com/a/1", ("a",))]),
        ("<1>", [("http://example.com/a/1", ())]),
        ("<1>; rel", [("http://example.com/a/1", ())]),
        ('<1>; REL = "a"', [("http://example.com/a/1", ("a",))]),
        ("<1>;;rel=a", [("http://example.com/a/1", ("a",))]),
        ("<a,b;c>; rel=a", [("http://example.com/a/a,b;c", ("a",))]),
        ('<1>; rel="http://x/Type"', [("http://example.com/a/1", ("http://x/type",))]),
        ("1; rel=a, <2>; rel=b", []),
        ("<1; rel=a", []),
        ("<1> rel=a", [("http://example.com/a/1", ())]),
        ('<1>; rel="a', [("http://example.com/a/1", ("a",))]),
        ('<1>; rel="a\\', [("http://example.com/a/1", ("a",))]),
        ("", []),
        ("next", []),
    ],
)  # fmt: skip
def test_targets_and_types(value: str, expected: list[object]) -> None:
    assert [(link.url, link.rels) for link in links(value)] == expected


def test_the_examples_of_the_rfc() -> None:
    chapter, = links('<http://example.com/TheBook/chapter2>; rel="previous"; '
                     'title="previous chapter"')  # fmt: skip
    assert (chapter.rels, chapter.title) == (("previous",), "previous chapter")
    last, following = links(
        "</TheBook/chapter2>; rel=\"previous\"; title*=UTF-8'de'letztes%20Kapitel, "
        "</TheBook/chapter4>; rel=\"next\"; title*=UTF-8'de'n%c3%a4chstes%20Kapitel"
    )
    assert (last.title, following.title) == ("letztes Kapitel", "nächstes Kapitel")
    (start,) = links('<http://example.org/>; rel="start http://example.net/relation/other"')
    assert start.rels == ("start", "http://example.net/relation/other")
    (terms,) = links('</terms>; rel="copyright"; anchor="#foo"')
    assert terms.anchor == "http://example.com/a/b?c#foo"


@pytest.mark.parametrize(
    ("parameters", "title"),
    [
        ("title=a; title=b", "a"),
        ("title=plain; title*=utf-8''ext", "ext"),
        ("title*=utf-8''ext; title=plain", "ext"),
        ("title=plain; title*=utf-8''%ff", "plain"),
        ("title=plain; title*=koi8-r''x", "plain"),
        ("title=plain; title*=nonsense", "plain"),
        ("title*=iso-8859-1'en'%A3", "£"),
        ("title*=utf-8''a; title*=utf-8''b", "a"),
        ("other=1", None),
    ],
)
def test_titles(parameters: str, title: str | None) -> None:
    assert links(f"<1>; rel=a; {parameters}")[0].title == title


def test_other_parameters_are_kept() -> None:
    (link,) = links('<1>; Type="text/html"; type=x; hreflang=de; hreflang=en; X; x-y = "1 2"')
    assert link.attributes == (
        ("type", "text/html"), ("hreflang", "de"), ("hreflang", "en"), ("x", ""), ("x-y", "1 2"),
    )  # fmt: skip
    assert (link.type, link.get("HREFLANG"), link.get("none")) == ("text/html", "de", None)


def test_links_by_type() -> None:
    found = parse_links(
        ["<1>; rel=next, <2>; rel=next; anchor=other", "<3>; rel='x', <4>; rel=\"next last\""], BASE
    )
    assert found["next"].url == found["NEXT"].url == "http://example.com/a/1"
    assert [link.url[-1] for link in found.get_all("Next")] == ["1", "4"]
    assert (list(found), len(found)) == (["next", "'x'", "last"], 3)
    assert ("next" in found, "first" in found, 1 in found) == (True, False, False)
    assert (found.get("first"), found.get_all("first")) == (None, [])
    assert len(found.all) == 4


@pytest.mark.parametrize("anchor", ["", "http://example.com/a/b?c", "b?c"])
def test_an_anchor_at_the_response_itself_is_its_own_context(anchor: str) -> None:
    assert "next" in parse_links([f'<1>; rel=next; anchor="{anchor}"'], BASE)


def test_a_response_has_links_of_all_its_fields() -> None:
    response = HttpResponse(headers=[("Link", "<1>; rel=a"), ("link", "<2>; rel=b")])
    response.responder = BASE
    assert {rel: link.url for rel, link in response.links.items()} == {
        "a": "http://example.com/a/1", "b": "http://example.com/a/2",
    }  # fmt: skip
    assert HttpResponse().links == Links() == {}


def test_requests_reads_plain_links_alike() -> None:
    value = '<http://x/1>; rel=front; type="image/jpeg", <http://x/2>; rel="back"'
    theirs = parse_header_links(value)
    ours = [{"url": each.url, "rel": " ".join(each.rels), **dict(each.attributes)}
            for each in links(value)]  # fmt: skip
    assert ours == theirs


@pytest.mark.parametrize(
    "value", ["<1>;" * 50_000, "<" * 200_000, '<1>; a="' + "\\" * 200_000, "," * 200_000,
              "<1>; rel=a," * 20_000, "<1>;" + "=" * 200_000, '<1>; a="b" ' * 20_000],
    ids=["semicolons", "brackets", "escapes", "commas", "links", "equals", "quotes"],
)  # fmt: skip
def test_the_work_is_linear(value: str) -> None:
    started = time.thread_time()
    parse_links([value], BASE)
    assert time.thread_time() - started < 5
