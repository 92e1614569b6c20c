"""Every case of the wire layer's corpus against a live server, over TCP and over TLS."""

import hashlib
import random
import ssl
from collections.abc import Iterator

import pytest
from support import Raw
from wire.corpus import Case, bytewise, load, read, split_at_random

from bladehttp._wire.head import HeadParser
from bladehttp.server import HttpServer

CASES = load("accept") + load("reject")
SHORT = 400
"""Longest case in bytes that is sent byte by byte, with a packet for each."""


def digest(method: str, target: str, body: bytes) -> bytes:
    return hashlib.md5(f"{method} {target} ".encode("latin-1") + body).hexdigest().encode()


def answer(request, response):
    body = request.body_file.read() if request.body_file else request.raw_body
    response.write(digest(request.method, request.request_uri, body))


@pytest.fixture(scope="module")
def servers(certificates) -> Iterator[dict[bool, HttpServer]]:
    servers = {}
    for secure in (False, True):
        server = HttpServer(0, is_secure=secure)
        server.load_certs(certificates.cert_file, certificates.key_file)
        server.on_receive(answer)
        server.read_timeout = 10_000
        servers[secure] = server.start()
    yield servers
    for server in servers.values():
        server.close()


def expected_answers(case: Case, secure: bool) -> tuple[list[tuple[str, int, bytes]], bool]:
    """Return (method, status, body) of each answer, and whether the connection then ends."""
    verdict = read([case.data], HeadParser(case.limits))
    answers = []
    for request in verdict.requests:
        method = request["method"]
        if method == "CONNECT":
            return [*answers, (method, 501, b"501 - Not Implemented.")], True
        if not secure and request["target"].lower().startswith("https:"):
            return [*answers, (method, 421, b"421 - Misdirected Request.")], True
        body = digest(method, request["target"], request["body"].encode("latin-1"))
        answers.append((method, 200, b"" if method == "HEAD" else body))
        if not request["keep_alive"]:
            return answers, True
    if verdict.status:
        answers.append(("", verdict.status, b""))
    return answers, bool(verdict.status)


def check(client: Raw, case: Case, secure: bool) -> None:
    answers, ends = expected_answers(case, secure)
    for method, status, body in answers:
        # Whether an error has a body depends on how far the request line had come.
        head_only = method == "HEAD" or (not method and b"HEAD " in case.data)
        response = client.response("HEAD" if head_only else method)
        while response.status == 100:
            response = client.response(method)
        assert response.status == status
        if method:
            assert response.body == body
        else:
            assert response.get("Connection") == "close"
            assert response.get("Date") is not None
            assert response.get("Content-Length") is not None
    if ends:
        rest = client.read_all()
        assert rest == b"" or b"HEAD " in case.data


@pytest.fixture(scope="module")
def context(certificates) -> ssl.SSLContext:
    return certificates.client_context()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_a_live_server_gives_the_verdict_of_the_reader(servers, context, case, secure):
    server = servers[secure]
    server._runtime.context.parser = HeadParser(case.limits)  # limits that are no properties, too
    chance = random.Random(case.name)
    splits = [split_at_random(case.data, chance)]
    if not secure:
        splits.append([case.data])
        if len(case.data) <= SHORT:
            splits.append(list(bytewise(case.data)))
    for pieces in splits:
        with Raw(server.port, context=context if secure else None) as client:
            for piece in pieces:
                try:
                    client.send(piece)
                except ConnectionError:  # answered and closed already
                    break
            check(client, case, secure)
