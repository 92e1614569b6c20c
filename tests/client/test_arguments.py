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


def test_an_unknown_keyword_is_refused_without_a_hint():
    with pytest.raises(TypeError, match=r"no property named 'tiemout'$"):
        http.HttpClient(tiemout=1)
