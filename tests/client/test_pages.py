"""pages: the next links of responses followed, with credentials within an origin only."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient
from bladehttp.client._exchange import pages
from bladehttp.exceptions import HttpException, InvalidUrl, UnsupportedProtocol

Listing = Callable[..., list[Any]]


def plain(properties: dict[str, Any], *arguments: Any, **options: Any) -> list[Any]:
    with HttpClient(**properties) as client:
        return list(client.pages(*arguments, **options))


def awaited(properties: dict[str, Any], *arguments: Any, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        async with AsyncHttpClient(**properties) as client:
            return [page async for page in client.pages(*arguments, **options)]

    return run_async(main())


both = pytest.mark.parametrize("listing", [plain, awaited])


def numbered(reply: Any, count: int) -> Callable[[Any], bytes]:
    """Return a peer's answers: pages from 1 to a count."""

    def respond(seen: Any) -> bytes:
        number = int(seen.target.partition("page=")[2].partition("&")[0])
        more = [f'Link: <?page={number + 1}>; rel="next"'] if number < count else []
        return reply(str(number).encode(), "200 OK", *more)

    return respond


@both
def test_pages_until_the_last(peers: Any, reply: Any, listing: Listing) -> None:
    peer = peers(numbered(reply, 3))
    found = listing({"headers": {"X-A": "1"}, "query": {"key": "k"}}, peer.url + "/?page=1")
    assert [page.text for page in found] == ["1", "2", "3"]
    assert [seen.target for seen in peer.requests] == ["/?page=1&key=k", "/?page=2", "/?page=3"]
    assert [seen.get("X-A") for seen in peer.requests] == ["1"] * 3
    assert len({seen.connection for seen in peer.requests}) == 1


@both
def test_arguments_are_for_every_page(peers: Any, reply: Any, listing: Listing) -> None:
    peer = peers(numbered(reply, 2))
    steps: list[Any] = []
    listing(
        {},
        peer.url + "/?page=1",
        {"X-A": "1"},
        cookies={"a": "1"},
        auth="token",
        on_response=lambda request, response: steps.append(response.text),
    )
    for name, value in (("X-A", "1"), ("Cookie", "a=1"), ("Authorization", "Bearer token")):
        assert [seen.get(name) for seen in peer.requests] == [value, value]
    assert steps == ["1", "2"]


@both
@pytest.mark.parametrize("target", ["/", "", "/#fragment", "?"], ids=str)
def test_a_loop_ends(peers: Any, reply: Any, listing: Listing, target: str) -> None:
    peer = peers(reply(b"", "200 OK", f"Link: <{target}>; rel=next"))
    assert len(listing({}, peer.url)) == (2 if target == "?" else 1)


@both
def test_a_longer_loop_ends(peers: Any, reply: Any, listing: Listing) -> None:
    following = {"/a": "/b", "/b": "/c", "/c": "/a"}
    peer = peers(lambda seen: reply(b"", "200 OK", f"Link: <{following[seen.target]}>; rel=next"))
    assert len(listing({}, peer.url + "/a")) == 3


@both
def test_a_limit_ends_it(peers: Any, reply: Any, listing: Listing) -> None:
    peer = peers(numbered(reply, 9))
    assert len(listing({}, peer.url + "/?page=1", limit=2)) == len(peer.requests) == 2


@both
def test_pages_without_end_are_an_error(
    peers: Any, reply: Any, listing: Listing, monkeypatch: Any
) -> None:
    monkeypatch.setattr(pages, "MOST_PAGES", 3)
    peer = peers(numbered(reply, 9))
    with pytest.raises(HttpException, match="more than 3 pages: set limit") as caught:
        listing({}, peer.url + "/?page=1")
    assert (len(peer.requests), caught.value.response.text) == (3, "3")
    assert len(listing({}, peer.url + "/?page=1", limit=5)) == 5


CREDENTIALS = {
    "headers": {"X-Api-Key": "k", "Authorization": "Bearer t", "X-Public": "p"},
    "query": {"key": "k"},
}


@both
def test_another_origin_gets_no_credentials(peers: Any, reply: Any, listing: Listing) -> None:
    other = peers(lambda seen: reply(b"", "200 OK", f"Link: <{peer.url}/back>; rel=next"))
    peer = peers(lambda seen: reply(b"", "200 OK", f"Link: <{other.url}/>; rel=next")
                 if seen.target != "/back" else reply(b""))  # fmt: skip
    assert len(listing(CREDENTIALS, peer.url, cookies={"a": "1"})) == 3
    for seen in (other.last, peer.last):
        sent = [seen.get(name) for name in ("X-Api-Key", "Authorization", "Cookie", "X-Public")]
        assert sent == [None, None, None, "p"]
        assert "key" not in seen.target


@both
def test_a_page_that_was_redirected_to_another_origin(
    peers: Any, reply: Any, listing: Listing
) -> None:
    other = peers(lambda seen: reply(b"", "200 OK", f"Link: <{peer.url}/2>; rel=next"))
    peer = peers(lambda seen: reply(b"", "200 OK") if seen.target == "/2"
                 else reply(b"", "302 Found", f"Location: {other.url}/1"))  # fmt: skip
    assert len(listing(CREDENTIALS, peer.url)) == 2
    assert [seen.get("Authorization") for seen in peer.requests] == ["Bearer t", None]


@both
def test_a_function_as_auth_stays_at_its_origin(peers: Any, reply: Any, listing: Listing) -> None:
    other = peers(reply(b""))
    following = {"/1": "/2", "/2": f"{other.url}/3"}
    peer = peers(lambda seen: reply(b"", "200 OK", f"Link: <{following[seen.target]}>; rel=next"))
    called: list[str] = []
    listing({"auth": lambda request: called.append(request.url)}, peer.url + "/1")
    assert called == [f"{peer.url}/1", f"{peer.url}/2"]


@both
@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("ftp://example.com/", UnsupportedProtocol),
        ("mailto:a@example.com", UnsupportedProtocol),
        ("http://[/", InvalidUrl),
        ("http://a:99999/", InvalidUrl),
    ],
)
def test_a_link_that_cannot_be_followed(
    peers: Any, reply: Any, listing: Listing, target: str, error: type[Exception]
) -> None:
    peer = peers(reply(b"ok", "200 OK", f"Link: <{target}>; rel=next"))
    with pytest.raises(error) as caught:
        listing({}, peer.url)
    assert caught.value.response.text == "ok"  # type: ignore[attr-defined]


@both
def test_userinfo_of_a_link_is_not_sent(peers: Any, reply: Any, listing: Listing) -> None:
    peer = peers(lambda seen: reply(b"", "200 OK", f"Link: <http://a:b@127.0.0.1:{peer.port}/2>"
                                    "; rel=next"))  # fmt: skip
    listing({"auth_method": 1}, peer.url)
    assert [seen.get("Authorization") for seen in peer.requests] == [None, None]


def test_a_link_from_https_to_http_is_refused(
    peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    peer = peers(reply(b"", "200 OK", "Link: <http://127.0.0.1:1/>; rel=next"), server_context)
    with pytest.raises(UnsupportedProtocol, match="from https to http"):
        plain({"ca_cert": certificates.ca_file}, peer.url)


@pytest.mark.parametrize("make", [HttpClient, AsyncHttpClient])
def test_arguments_are_checked_at_once(make: Any) -> None:
    client = make()
    for limit, error in ((0, ValueError), ("2", TypeError)):
        with pytest.raises(error, match="limit"):
            client.pages("http://127.0.0.1:1/", limit=limit)
    with pytest.raises(TypeError, match="no property named 'params': here it is query"):
        client.pages("http://127.0.0.1:1/", params={})
    assert not inspect.iscoroutinefunction(client.pages)
