"""The types of arguments name what is accepted at run time."""

import asyncio
import inspect

import pytest

import bladehttp as http
from bladehttp.client import (
    AsyncHttpClient,
    ClientOptions,
    DownloadOptions,
    HttpClient,
    RequestOptions,
    StreamOptions,
)
from bladehttp.client._config.options import CHECKS, ELSEWHERE
from bladehttp.client._exchange.hooks import NAMES

BODY = {"json", "form", "files", "query"}
OWN_HOOKS = {"on_request", "on_response"}

FOREIGN = {
    "timeout": "total_timeout",
    "params": "query",
    "verify": "ca_cert",
    "allow_redirects": "follow_redirect",
    "follow_redirects": "follow_redirect",
    "proxies": "proxy",
    "cert": "client_cert",
    "content": "data",
}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (RequestOptions, {*CHECKS, *BODY, *OWN_HOOKS}),
        (StreamOptions, {*CHECKS, *BODY, *OWN_HOOKS, "headers"}),
        (
            DownloadOptions,
            {*CHECKS, *BODY, *OWN_HOOKS, "headers", "method", "data"} - {"progress"},
        ),
        (ClientOptions, {*CHECKS, *NAMES} - {"base_url"}),
    ],
    ids=["verbs", "stream", "download", "constructor"],
)
def test_every_property_is_a_typed_keyword_argument(options, names):
    assert options.__required_keys__ | options.__optional_keys__ == names


@pytest.mark.parametrize("name", CHECKS)
def test_every_option_is_a_property_of_the_client(name):
    assert hasattr(HttpClient, name)
    assert hasattr(AsyncHttpClient, name)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_keyword_of_requests_or_httpx_says_what_it_is_called_here(name):
    told = rf"no property named '{name}': .*{FOREIGN[name]}"
    with http.HttpClient() as client:
        calls = (
            lambda: http.HttpClient(**{name: 1}),
            lambda: http.AsyncHttpClient(**{name: 1}),
            lambda: http.get("http://127.0.0.1:1/", **{name: 1}),
            lambda: http.post("http://127.0.0.1:1/", "text", **{name: 1}),
            lambda: client.send_request("http://127.0.0.1:1/", **{name: 1}),
            lambda: client.stream("http://127.0.0.1:1/", **{name: 1}).__enter__(),
            lambda: client.download("http://127.0.0.1:1/", "there", **{name: 1}),
            lambda: client.pages("http://127.0.0.1:1/", **{name: 1}),
            lambda: client.events("http://127.0.0.1:1/", **{name: 1}),
        )
        for call in calls:
            with pytest.raises(TypeError, match=told):
                call()
        (result,) = client.send_many([{"url": "http://127.0.0.1:1/", name: 1}])
        with pytest.raises(TypeError, match=told):
            raise result


@pytest.mark.parametrize("name", FOREIGN)
def test_an_asynchronous_client_says_it_too(name):
    told = rf"no property named '{name}': .*{FOREIGN[name]}"

    async def opened(client, **options):
        async with client.stream("http://127.0.0.1:1/", **options):
            raise AssertionError("it was opened")

    async def taken(client, **options):
        async for result in client.send_many([{"url": "http://127.0.0.1:1/", **options}]):
            raise result

    async def main():
        async with http.AsyncHttpClient() as client:
            for call in (
                lambda: client.get("http://127.0.0.1:1/", **{name: 1}),
                lambda: client.download("http://127.0.0.1:1/", "there", **{name: 1}),
                lambda: opened(client, **{name: 1}),
                lambda: taken(client, **{name: 1}),
                lambda: anext(client.pages("http://127.0.0.1:1/", **{name: 1})),
                lambda: anext(client.events("http://127.0.0.1:1/", **{name: 1})),
            ):
                with pytest.raises(TypeError, match=told):
                    await call()

    asyncio.run(main())


def test_no_keyword_of_others_is_one_of_ours():
    ours = {*CHECKS, *BODY, *NAMES, *inspect.signature(HttpClient.send_request).parameters}
    assert set(ELSEWHERE) & ours == set()


URL = "http://127.0.0.1:1/"

MISSPELT = {
    "receive_timout": "the nearest is 'receive_timeout'",
    "folow_redirect": "the nearest is 'follow_redirect'",
    "quer": "the nearest is 'query'",
    "headres": "the nearest is 'headers'",
    "jsn": "the nearest is 'json'",
    "tiemout": "here it is total_timeout, ",
    "xyzzy": "",
}


@pytest.mark.parametrize("name", MISSPELT)
@pytest.mark.parametrize("kind", [HttpClient, AsyncHttpClient])
def test_a_misspelt_name_is_answered_by_the_nearest(kind, name):
    def check(told, error):
        assert isinstance(told.value, error)
        hint = MISSPELT[name]
        begin = f"{kind.__name__} has no property named {name!r}" + (f": {hint}" if hint else "")
        assert str(told.value)[: len(begin)] == begin
        assert hint.endswith(" ") or str(told.value) == begin

    async def call(client):
        if isinstance(client, HttpClient):
            client.get(URL, **{name: 1})
        async with client:
            await client.get(URL, **{name: 1})

    client = kind()
    with pytest.raises(TypeError) as told:
        kind(**{name: 1})
    check(told, TypeError)
    with pytest.raises(TypeError) as told:
        asyncio.run(call(client))
    check(told, TypeError)
    with pytest.raises(AttributeError) as told:
        setattr(client, name, 1)
    check(told, AttributeError)


def test_a_property_that_cannot_be_set_is_not_called_unknown():
    with http.HttpClient() as client, pytest.raises(AttributeError, match="has no setter"):
        client.closed = True


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: http.HttpClient(json=1), "'json': it is an argument of a request"),
        (lambda: http.get(URL, on_error=print), "'on_error': it is a property of the client"),
        (lambda: http.Retry(backoff_factor=1), "'backoff_factor': here it is backoff, in mill"),
        (lambda: http.Retry(bakoff=1), "Retry has no argument 'bakoff': the nearest is 'backoff'"),
        (lambda: http.Retry(statuses=503), "statuses is a list of statuses, not 503"),
        (lambda: http.Retry(methods=1), "methods is a list of methods, not 1"),
        (lambda: http.get(URL, cookies="a=b"), "CookieJar, not a str; that of a request may be a"),
        (lambda: http.HttpServer(0, max_bodysize=1), "the nearest is 'max_body_size'"),
    ],
    ids=["json", "on_error", "foreign", "misspelt", "status", "method", "cookies", "server"],
)
def test_an_argument_that_cannot_be_says_what_can(make, told):
    with pytest.raises(TypeError, match=told):
        make()


def test_a_misspelt_property_of_a_server_is_answered_by_the_nearest():
    with pytest.raises(AttributeError, match="no property 'max_bodysize': the nearest is 'max_bo"):
        http.HttpServer(0).max_bodysize = 1
    with pytest.raises(AttributeError, match="has no setter"):
        http.HttpServer(0).url = "http://a/"


@pytest.mark.parametrize(
    ("headers", "found"),
    [("X: secret", "not a str"), (b"X: secret", "not a bytes"), (5, "not a int"),
     (["a", "secret"], "one is a str, not a pair"), (["ab"], "one is a str, not a pair"),
     ([("a", "secret", "c")], "one is a tuple, not a pair")],
    ids=["str", "bytes", "int", "list", "two characters", "three"],
)  # fmt: skip
def test_headers_of_a_wrong_type_are_named_without_their_text(headers, found):
    with http.HttpClient() as client:
        for call in (
            lambda: client.get(URL, headers),
            lambda: client.post(URL, "data", headers=headers),
            lambda: client.stream(URL, headers=headers).__enter__(),
            lambda: client.set_headers(headers),
            lambda: http.HttpClient(headers=headers),
            lambda: http.HttpResponse().headers.extend(headers),
        ):
            with pytest.raises(TypeError) as told:
                call()
            assert str(told.value).startswith("headers is a dict or a list of (name, value) pairs")
            assert str(told.value).endswith(found)


@pytest.mark.parametrize("method", ["GET", "post"])
@pytest.mark.parametrize("url", ["/", "http://name:secret@127.0.0.1:1/"])
def test_method_and_url_in_the_wrong_order(method, url):
    told = f"method is not a token: the URL comes first, then '{method}'"
    with http.HttpClient(URL) as client, http.HttpClient() as other:
        for call in (
            lambda: client.send_request(method, url),
            lambda: other.send_request(method, url),
            lambda: client.stream(method, url).__enter__(),
        ):
            with pytest.raises(http.InvalidHeader, match=told):
                call()
        (result,) = client.send_many([{"url": method, "method": url}])
        assert str(result) == told
