"""RequestsAdapter under a requests.Session, against real servers."""

import gzip
import io
import pickle
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import trustme

from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.adapters import RequestsAdapter
from bladehttp.server import HttpServer
from bladehttp.server.testing import BladeServer, Identity, faults


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", RequestsAdapter())
        session.mount("https://", RequestsAdapter())
        yield session


def test_a_response_is_requests_own(server: HttpServer, session: requests.Session) -> None:
    response = session.get(f"{server.url}/a?b=é", timeout=(5, 5))
    assert type(response) is requests.Response
    assert (response.status_code, response.reason, response.ok) == (200, "OK", True)
    assert response.json()["uri"] == "/a?b=%C3%A9"
    assert response.json()["headers"]["User-Agent"].startswith("python-requests/")
    assert response.headers["content-type"] == "application/json"
    assert response.raw.version == 11


def test_cookies_are_the_sessions(server: HttpServer, session: requests.Session) -> None:
    session.get(server.url)
    assert session.cookies["seen"] == "1"
    assert session.get(server.url).json()["cookies"] == {"seen": "1"}


BODIES: dict[str, tuple[Any, str]] = {
    "str": ("é", "Ã©"),
    "bytes": (b"ab", "ab"),
    "a file": (io.BytesIO(b"file"), "file"),
    "a generator": ((piece for piece in (b"a", b"b")), "ab"),
    "a form": ({"a": "b"}, "a=b"),
}


@pytest.mark.parametrize(("data", "sent"), BODIES.values(), ids=BODIES.keys())
def test_a_body_is_sent_as_it_is(
    server: HttpServer, session: requests.Session, data: Any, sent: str
) -> None:
    assert session.post(server.url, data=data).json()["body"] == sent


class Odd:
    """A file whose seek returns None, as some that are not io's do."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.read, self.tell = self._file.read, self._file.tell

    def __len__(self) -> int:
        return len(self._file.getvalue())

    def seek(self, offset: int, whence: int = 0) -> None:
        self._file.seek(offset, whence)


def test_a_file_whose_seek_returns_none_is_sent_whole(
    server: HttpServer, session: requests.Session
) -> None:
    assert session.post(server.url, data=Odd(b"odd")).json()["body"] == "odd"


def test_redirects_are_followed_by_the_session(session: requests.Session) -> None:
    with BladeServer() as server:
        server.expect("GET", "/old").respond(status=302, headers={"Location": "/new"})
        server.expect("GET", "/new").respond("here")
        response = session.get(server.url_for("/old"))
        server.check()
    assert (response.text, [each.status_code for each in response.history]) == ("here", [302])


def test_a_streamed_body_is_read_as_it_comes(session: requests.Session) -> None:
    go_on = threading.Event()

    def slow(_: HttpRequest, response: HttpResponse) -> None:
        channel = response.channel()
        channel.write(b"first")

        def finish() -> None:
            go_on.wait(10)
            channel.write(b"second")
            channel.close()

        threading.Thread(target=finish).start()

    server = HttpServer(0)
    server.on_receive(slow)
    with server, session.get(server.url, stream=True) as response:
        chunks = response.iter_content(5)
        assert next(chunks) == b"first"
        go_on.set()
        assert b"".join(chunks) == b"second"


TEXT = b"".join(b"line %d\n" % n for n in range(20_000))


@pytest.fixture(params=["plain", "gzip", "chunked"])
def lines(request: pytest.FixtureRequest) -> Iterator[tuple[HttpServer, bytes]]:
    """A server of TEXT, and the body as it comes over the wire."""
    sent = gzip.compress(TEXT) if request.param == "gzip" else TEXT

    def serve(asked: HttpRequest, response: HttpResponse) -> None:
        if request.param == "gzip":
            response.headers["Content-Encoding"] = "gzip"
        if request.param == "chunked":
            response.stream(sent[at : at + 777] for at in range(0, len(sent), 777))
        else:
            response.write(sent)

    server = HttpServer(0)
    server.on_receive(serve)
    with server:
        yield server, sent


READS: dict[str, Any] = {
    "read": lambda raw, sent: (raw.read(), sent),
    "read, decoded": lambda raw, sent: (raw.read(decode_content=True), TEXT),
    "read(n)": lambda raw, sent: (raw.read(40_000), sent[:40_000]),
    "read(n) twice": lambda raw, sent: (raw.read(7) + raw.read(40_000), sent[:40_007]),
    "read(0)": lambda raw, sent: (raw.read(0) + raw.read(), sent),
    "read1(n)": lambda raw, sent: (raw.read1(5), sent[:5]),
    "read1": lambda raw, sent: (b"".join(iter(raw.read1, b"")), sent),
    "read1, decoded": lambda raw, sent: (raw.read1(5, decode_content=True), TEXT[:5]),
    "readline": lambda raw, sent: (raw.readline(), sent[: sent.index(b"\n") + 1]),
    "iter": lambda raw, sent: (b"".join(raw), TEXT),
    "stream": lambda raw, sent: (b"".join(raw.stream(1000)), sent),
    "stream, decoded": lambda raw, sent: (b"".join(raw.stream(9, decode_content=True)), TEXT),
    "BufferedReader": lambda raw, sent: (io.BufferedReader(raw).read(), sent),
    "copyfileobj": lambda raw, sent: (copied(raw), sent),
}


def copied(raw: Any) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(raw, target)
    return target.getvalue()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("adapter", ["requests", "ours"])
def test_raw_is_the_body_as_it_came(
    session: requests.Session, lines: tuple[HttpServer, bytes], read: Any, adapter: str
) -> None:
    server, sent = lines
    if adapter == "requests":
        session.mount("http://", requests.adapters.HTTPAdapter())
    with session.get(server.url, stream=True) as response:
        got, expected = read(response.raw, sent)
    assert got == expected


def test_a_body_that_was_read_gives_its_connection_back(
    session: requests.Session, lines: tuple[HttpServer, bytes]
) -> None:
    server, _ = lines
    opened: list[Any] = []
    server.on_connect(opened.append)
    for _ in range(3):
        response = session.get(server.url, stream=True)
        assert b"".join(response.iter_content(1000)) == TEXT
        assert response.raw.closed
        assert response.raw.read() == b""
    assert len(opened) == 1


@pytest.mark.parametrize("framing", ["chunked", "until the end"])
@pytest.mark.parametrize(
    "read",
    [lambda r: r.iter_lines(), lambda r: r.iter_content(None), lambda r: r.iter_content(512)],
    ids=["iter_lines", "iter_content(None)", "iter_content(512)"],
)
def test_an_event_is_given_before_the_next_one_is_sent(
    session: requests.Session, framing: str, read: Any
) -> None:
    go_on = threading.Event()

    def events(peer: socket.socket) -> None:
        fields = {"chunked": b"Transfer-Encoding: chunked", "until the end": b"Connection: close"}
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % fields[framing])
        for event in (b"one\n", b"two\n"):
            peer.sendall(b"4\r\n%s\r\n" % event if framing == "chunked" else event)
            assert go_on.wait(10)
        if framing == "chunked":
            peer.sendall(b"0\r\n\r\n")

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            events(peer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with session.get(url, stream=True, timeout=5) as response:
            chunks = read(response)
            assert next(chunks).strip() == b"one"
            go_on.set()
            assert next(chunks).strip() == b"two"
        thread.join()


def test_errors_are_those_of_requests(session: requests.Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(requests.ConnectionError):
        session.get(f"http://127.0.0.1:{port}/")
    with pytest.raises(requests.exceptions.InvalidProxyURL):
        session.get("http://127.0.0.1/", proxies={"http": "http://:8080"})
    with pytest.raises(requests.exceptions.ProxyError):
        session.get("http://a.example/", proxies={"http": f"127.0.0.1:{port}"})
    for wrong in ("foo", 0, -1, (1, 2, 3)):
        with pytest.raises(ValueError, match="timeout"):
            session.get("http://127.0.0.1/", timeout=wrong)  # type: ignore[arg-type]


def test_a_silent_server_is_a_read_timeout(session: requests.Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(requests.ReadTimeout) as caught:
            session.get(url, timeout=0.05)
    assert caught.value.request is not None
    assert caught.value.__cause__ is not None


def test_a_truncated_body_is_an_error(session: requests.Session) -> None:
    with BladeServer() as server:
        server.expect("GET", "/").respond("0123456789", fault=faults.truncate(4))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            session.get(server.url_for("/"))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ],
    ids=["no body", "no size", "no end"],
)
def test_a_malformed_body_is_an_error_whether_its_head_has_come_before(
    session: requests.Session, data: bytes
) -> None:
    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer, listener)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            session.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        answered.result()


def test_the_name_of_a_host_is_no_malformed_body(session: requests.Session) -> None:
    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(b"no head\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        place = f"chunks.test:{listener.getsockname()[1]}"
        session.mount("http://", RequestsAdapter(resolve={place: "127.0.0.1"}))
        answered = pool.submit(answer, listener)
        with pytest.raises(requests.ConnectionError):
            session.get(f"http://{place}/")
        answered.result()


def test_trust_is_that_of_the_request(
    session: requests.Session, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("adapter")
    identity = Identity.throw_away(folder)
    other = folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with BladeServer(identity=identity) as server:
        server.expect("GET", "/").respond("secure")
        assert session.get(server.url_for("/"), verify=str(identity.ca_file)).text == "secure"
        with pytest.raises(requests.exceptions.SSLError):
            session.get(server.url_for("/"), verify=str(other))
        with pytest.raises(OSError, match="invalid path: /none"):
            session.get(server.url_for("/"), verify="/none")
        with pytest.raises(OSError, match="TLS key file, invalid path: /none"):
            session.get(server.url_for("/"), cert=(str(other), "/none"))


def test_an_adapter_serves_many_threads(server: HttpServer, session: requests.Session) -> None:
    with ThreadPoolExecutor(8) as pool:
        uris = list(pool.map(lambda n: session.get(f"{server.url}/{n}").json()["uri"], range(80)))
    assert uris == [f"/{n}" for n in range(80)]


def test_an_adapter_survives_pickling(server: HttpServer) -> None:
    adapter = pickle.loads(pickle.dumps(RequestsAdapter(receive_timeout=5000)))
    with requests.Session() as session:
        session.mount("http://", adapter)
        assert session.get(server.url).status_code == 200


def test_properties_of_the_client_can_be_given(server: HttpServer) -> None:
    place = f"a.example:{server.port}"
    with requests.Session() as session:
        session.mount("http://", RequestsAdapter(resolve={place: "127.0.0.1"}))
        assert session.get(f"http://{place}/x").json()["headers"]["Host"] == place
    with pytest.raises(TypeError, match="no_such"):
        RequestsAdapter(no_such=1)
