"""One request after another on a kept connection; with ``json`` in the job the body is parsed.

A job may have ``options``, keyword arguments of ours, and ``post``, a body. pycurl sets the same by
`OPTIONS`, for each request as our call does.
"""

import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

from benchmarks.clients import BATCH, Bit, repeated

Job = dict[str, Any]


def _reading(job: Job, get: Callable[[], bytes]) -> Bit:
    """Return the work that is to get the body and, if that is wanted, to parse it."""
    if not job.get("json"):
        return repeated(get)
    return repeated(lambda: json.loads(get()))


def bladehttp(job: Job) -> Bit:
    from bladehttp import HttpClient

    client, url = HttpClient(ca_cert=job["authority"]), job["url"]
    options = {
        name: tuple(value) if name == "auth" else value
        for name, value in job.get("options", {}).items()
    }
    send = partial(client.post, url, job["post"]) if "post" in job else partial(client.get, url)

    def get() -> bytes:
        response = send(**options)
        assert response.status == 200
        return response.body

    return _reading(job, get)


def _options(job: Job) -> list[tuple[int, Any]]:
    """Return libcurl's options for a job's."""
    import pycurl

    said = job.get("options", {})
    options: list[tuple[int, Any]] = []
    if "headers" in said:
        options.append((pycurl.HTTPHEADER, [f"{a}: {b}" for a, b in said["headers"].items()]))
    if "receive_timeout" in said:
        options.append((pycurl.TIMEOUT_MS, said["receive_timeout"]))
    if "auth" in said:
        options += [(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)]
        options += [(pycurl.USERPWD, ":".join(said["auth"]))]
    if "json" in said:
        options.append((pycurl.HTTPHEADER, ["Content-Type: application/json"]))
    return options


def pycurl(job: Job) -> Bit:
    """Use nothing but an easy handle: the floor of every client over libcurl."""
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.CAINFO, job["authority"])
    curl.setopt(pycurl.FOLLOWLOCATION, 1)
    url, options, sent = job["url"], _options(job), job.get("options", {}).get("json")

    def get() -> bytes:
        body = BytesIO()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEDATA, body)
        for option, value in options:
            curl.setopt(option, value)
        if "post" in job:
            curl.setopt(pycurl.POSTFIELDS, json.dumps(sent) if sent else job["post"])
        curl.perform()
        assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
        return body.getvalue()

    return _reading(job, get)


def requests(job: Job) -> Bit:
    import requests

    session, url = requests.Session(), job["url"]
    session.verify = job["authority"]
    return _reading(job, lambda: session.get(url).content)


def niquests(job: Job) -> Bit:
    import niquests

    session, url = niquests.Session(), job["url"]
    session.verify = job["authority"]
    return _reading(job, lambda: session.get(url).content or b"")


def httpx(job: Job) -> Bit:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=job["authority"])
    client, url = httpx.Client(verify=context, follow_redirects=True), job["url"]
    return _reading(job, lambda: client.get(url).content)


def urllib3(job: Job) -> Bit:
    import urllib3

    pool, url = (
        urllib3.PoolManager(ca_certs=job["authority"], retries=urllib3.Retry(10)),
        job["url"],
    )
    return _reading(job, lambda: pool.request("GET", url).data)


def curl_cffi(job: Job) -> Bit:
    from curl_cffi import requests

    session, url = requests.Session(verify=job["authority"]), job["url"]
    return _reading(job, lambda: session.get(url).content)


def pyreqwest(job: Job) -> Bit:
    from pathlib import Path

    from pyreqwest.client import SyncClientBuilder

    pem, url = Path(job["authority"]).read_bytes(), job["url"]
    client = SyncClientBuilder().add_root_certificate_pem(pem).build()
    return _reading(job, lambda: bytes(client.get(url).build().send().bytes()))


def primp(job: Job) -> Bit:
    import primp

    client, url = primp.Client(ca_cert_file=job["authority"]), job["url"]
    return _reading(job, lambda: client.get(url).content)


def aiohttp(job: Job) -> Bit:
    import asyncio
    import ssl

    import aiohttp

    loop = asyncio.new_event_loop()
    context = ssl.create_default_context(cafile=job["authority"])
    url = job["url"]
    parse = json.loads if job.get("json") else bytes

    async def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    session = loop.run_until_complete(open_session())

    async def batch() -> int:
        for _ in range(BATCH):
            async with session.get(url) as response:
                parse(await response.read())
        return BATCH

    return lambda: loop.run_until_complete(batch())
