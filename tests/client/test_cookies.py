"""Cookies: what is kept, where it is sent, and what the file holds."""

import asyncio
import copy
import os
import pickle
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from proxies import HttpProxy

from bladehttp import AsyncHttpClient, CookieJar
from bladehttp.client import HttpClient
from bladehttp.client._config.cookie_jar import Cookie

YEAR = 365 * 24 * 3600


@pytest.fixture
def jar_client() -> Any:
    with HttpClient(cookies=True) as client:
        yield client


def setting(reply: Any, *cookies: str) -> Any:
    """Answer every request to /set with these cookies."""
    lines = [f"Set-Cookie: {cookie}" for cookie in cookies]

    def respond(seen: Any) -> bytes:
        return reply(b"ok", "200 OK", *(lines if seen.target.startswith("/set") else []))

    return respond


def named(seen: Any) -> set[str]:
    """The cookies of a request; it has at most one field of them."""
    fields = seen.get_all("Cookie")
    assert len(fields) <= 1
    return set(fields[0].split("; ")) if fields else set()


def test_without_a_jar_none_are_kept(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(setting(reply, "a=1"))
    assert client.get(peer.url + "/set").cookies == ["a=1"]
    client.get(peer.url)
    assert peer.last.get("Cookie") is None
    client.get(peer.url, headers={"Cookie": "b=2"})
    assert named(peer.last) == {"b=2"}
    assert client.cookies is None


def test_cookies_come_back_to_where_they_are_from(
    jar_client: HttpClient, peers: Any, reply: Any
) -> None:
    soon = f"c=3; Max-Age={YEAR}; HttpOnly"
    peer = peers(setting(reply, "a=1; Path=/", "b=2; Path=/deep", soon, "d=4; Max-Age=0"))
    jar_client.get(peer.url + "/set")
    jar_client.get(peer.url + "/deep/er")
    assert named(peer.last) == {"a=1", "b=2", "c=3"}
    jar_client.get(peer.url + "/deeper")
    assert named(peer.last) == {"a=1", "c=3"}
    kept = {cookie.name: cookie for cookie in jar_client.cookies}
    assert kept["a"] == Cookie("a", "1", "127.0.0.1", "/", False, False, None, True)
    assert (kept["b"].path, kept["c"].http_only) == ("/deep", True)
    assert abs(kept["c"].expires - time.time() - YEAR) < 60
    assert (len(jar_client.cookies), jar_client.cookies.get("a")) == (3, "1")
    assert jar_client.cookies.get("z", "no") == "no"
    jar_client.cookies.clear()
    jar_client.get(peer.url + "/deep/")
    assert named(peer.last) == set()


def test_a_cookie_set_by_a_redirect_is_sent_on_the_next_hop(
    jar_client: HttpClient, peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/":
            return reply(b"", "302 Found", "Location: /in", "Set-Cookie: session=x")
        return reply(b"in")

    peer = peers(respond)
    assert jar_client.get(peer.url).body == b"in"
    assert named(peer.last) == {"session=x"}


@pytest.mark.parametrize(
    ("cookie", "other", "sent"),
    [("a=1", "sub.site.test", False), ("a=1; Domain=site.test", "sub.site.test", True),
     ("a=1; Domain=site.test", "othersite.test", False), ("a=1", "elsewhere.test", False),
     ("a=1; Domain=elsewhere.test", "elsewhere.test", False), ("a=1", "site.test", True)],
)  # fmt: skip
def test_no_cookie_goes_to_another_site(
    jar_client: HttpClient, peers: Any, reply: Any, cookie: str, other: str, sent: bool
) -> None:
    peer = peers(setting(reply, cookie))
    places = {f"{host}:{peer.port}": "127.0.0.1" for host in ("site.test", other)}
    jar_client.resolve = places
    jar_client.get(f"http://site.test:{peer.port}/set")
    jar_client.get(f"http://{other}:{peer.port}/")
    assert named(peer.last) == ({"a=1"} if sent else set())


def test_a_public_suffix_is_refused(jar_client: HttpClient, peers: Any) -> None:
    class Setting(HttpProxy):
        def __call__(self, connection: Any) -> None:
            while True:
                self.requests.append(connection.read_request())
                connection.send(
                    b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=co.uk\r\n"
                    b"Set-Cookie: b=2; Domain=shop.co.uk\r\nContent-Length: 0\r\n\r\n"
                )

    handler = Setting()
    jar_client.proxy = peers.raw(handler).url
    jar_client.get("http://www.shop.co.uk/")
    jar_client.get("http://shop.co.uk/")
    assert named(handler.requests[-1]) == {"b=2"}
    jar_client.get("http://other.co.uk/")
    assert named(handler.requests[-1]) == set()


def test_a_secure_cookie_is_not_sent_in_the_clear(
    jar_client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    jar_client.ca_cert = certificates.ca_file
    context = certificates.issue("site", "site.test")
    server_context = type(server_context)(server_context.protocol)
    server_context.load_cert_chain(*context)
    safe, plain = peers(setting(reply, "s=1; Secure"), server_context), peers()
    ports = (safe.port, plain.port)
    jar_client.resolve = {f"site.test:{port}": "127.0.0.1" for port in ports}
    for path in ("/set", "/"):
        jar_client.get(f"https://site.test:{safe.port}{path}")
    assert named(safe.last) == {"s=1"}
    jar_client.get(f"http://site.test:{plain.port}/")
    assert named(plain.last) == set()


def test_a_cookie_field_is_sent_beside_the_jars(
    jar_client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(setting(reply, "a=1"))
    jar_client.get(peer.url + "/set")
    jar_client.get(peer.url, {"Cookie": "mine=2; more=3"})
    assert named(peer.last) == {"a=1", "mine=2", "more=3"}
    jar_client.get(peer.url, {"X": "y"})
    assert named(peer.last) == {"a=1"}


def test_a_call_may_do_without_the_jar_or_with_another(
    jar_client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(setting(reply, "a=1"))
    jar_client.get(peer.url + "/set", cookies=None)
    assert len(jar_client.cookies) == 0
    other = CookieJar()
    jar_client.get(peer.url + "/set", cookies=other)
    jar_client.get(peer.url)
    assert named(peer.last) == set()
    jar_client.get(peer.url, cookies=other)
    assert named(peer.last) == {"a=1"}
    jar_client.get(peer.url)
    assert named(peer.last) == set()
    assert [each.name for each in other] == ["a"]


def test_threads_share_one_jar(jar_client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(lambda seen: reply(b"", "200 OK", f"Set-Cookie: {seen.target[1:]}=1"))
    with ThreadPoolExecutor(8) as executor:
        for _ in executor.map(lambda n: jar_client.get(f"{peer.url}/n{n}"), range(100)):
            pass
    assert {each.name for each in jar_client.cookies} == {f"n{n}" for n in range(100)}


def test_a_file_is_read_and_saved(peers: Any, reply: Any, tmp_path: Path) -> None:
    peer = peers(setting(reply, f"a=1; Max-Age={YEAR}; HttpOnly", "s=\xe4"))
    path = tmp_path / "cookies.txt"
    with HttpClient(cookie_file=path) as client:
        assert client.cookie_file == str(path)
        client.get(peer.url + "/set")
        assert not path.exists()
        client.save_cookies()
        first = path.read_bytes()
    assert path.read_bytes() == first
    assert first.startswith(b"# Netscape HTTP Cookie File\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["cookies.txt"]  # noqa: PTH208
    with HttpClient(cookie_file=path) as client:
        assert {(each.name, each.http_only) for each in client.cookies} == {
            ("a", True), ("s", False)}  # fmt: skip
        client.get(peer.url)
        assert named(peer.last) == {"a=1", "s=\xe4"}
        client.cookies.clear()
    with HttpClient(cookie_file=path) as client:
        assert len(client.cookies) == 0
        client.cookies = None
        assert client.cookie_file is None
        with pytest.raises(ValueError, match="no cookie_file"):
            client.save_cookies()


def test_a_file_is_saved_where_it_was_read(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with HttpClient(cookie_file="jar") as client:
        client.cookies.set("a", "1", "a.test")
        monkeypatch.chdir("other")
    assert "a.test" in (tmp_path / "jar").read_text()
    assert list((tmp_path / "other").iterdir()) == []


UNCLOSED = """
import sys
from bladehttp.client import HttpClient
client = HttpClient(cookie_file=sys.argv[1])
client.get(sys.argv[2])
client.cookies.set("a", "1", "a.test")
"""


def test_a_file_is_saved_by_a_client_that_the_end_of_the_program_closes(
    tmp_path: Path, peers: Any
) -> None:
    command = [sys.executable, "-c", UNCLOSED, str(tmp_path / "jar"), peers().url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "a.test" in (tmp_path / "jar").read_text()


def test_a_file_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    jar = CookieJar()
    jar.set("a", "1", "a.test")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        jar.save(str(tmp_path / "folder"))
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
    (tmp_path / "link").symlink_to("file")
    jar.save(str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert CookieJar(str(tmp_path / "file")).get("a") == "1"


def test_a_jar_can_be_filled_and_thinned_by_hand(peers: Any) -> None:
    peer, jar = peers(), CookieJar()
    jar.set("a", "1", "127.0.0.1")
    jar.set("a", "2", "127.0.0.1")
    jar.set("deep", "b c", "127.0.0.1", "/deep", http_only=True, expires=int(time.time()) + YEAR)
    jar.set("a", "3", "example.com", secure=True, host_only=False)
    jar.set("gone", "4", "127.0.0.1", expires=1)
    assert Cookie("a", "2", "127.0.0.1", "/", False, False, None, True) in jar
    assert jar.get("deep") == "b c"
    assert jar.get("gone", "no") == "no"
    assert Cookie("a", "3", "example.com", "/", True, False, None, False) in jar
    with HttpClient(cookies=jar) as client, HttpClient(cookies=jar) as other:
        for each, path, sent in (
            (client, "/", {"a=2"}), (other, "/deep", {"a=2", "deep=b c"}),
        ):  # fmt: skip
            each.get(peer.url + path)
            assert named(peer.last) == sent
        jar.delete("a", "example.com")
        assert [(each.name, each.domain) for each in jar] == [
            ("a", "127.0.0.1"), ("deep", "127.0.0.1")
        ]  # fmt: skip
        jar.delete("a")
        jar.delete("never there")
        client.get(peer.url + "/deep")
        assert named(peer.last) == {"deep=b c"}
    assert len(jar) == 1


@pytest.mark.parametrize(
    ("name", "value", "domain"),
    [("", "1", "a.test"), ("a", "1", ""), ("a\t", "1", "a.test"), ("a", "1\n", "a.test"),
     ("a", "1", "a.test\r\nX: y"), ("__Host-a", "1", "a.test")],
)  # fmt: skip
def test_a_cookie_that_cannot_be_kept_is_refused(name: str, value: str, domain: str) -> None:
    jar = CookieJar()
    with pytest.raises(ValueError, match="cookie"):
        jar.set(name, value, domain)
    assert len(jar) == 0


def test_an_async_client_saves_its_cookies_too(peers: Any, reply: Any, tmp_path: Path) -> None:
    url = peers(setting(reply, "a=1")).url + "/set"

    async def get() -> None:
        async with AsyncHttpClient(cookie_file=tmp_path / "c") as client:
            await client.get(url)

    asyncio.run(get())
    assert CookieJar(str(tmp_path / "c")).get("a") == "1"


def test_a_file_that_cannot_be_used_is_left_alone(tmp_path: Path, peers: Any) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("buy milk\n")
    with pytest.raises(ValueError, match="not a Netscape cookie file"):
        HttpClient(cookie_file=notes)
    assert notes.read_text() == "buy milk\n"
    with pytest.raises(IsADirectoryError):
        HttpClient(cookie_file=tmp_path)
    gone = HttpClient(cookie_file=tmp_path / "no" / "cookies.txt")
    gone.get(peers().url)
    with pytest.raises(FileNotFoundError):
        gone.close()
    assert gone.closed
    gone.close()
    with pytest.raises(ValueError, match="no file"):
        CookieJar().save()
    for wrong in ("yes", 1):
        with pytest.raises(TypeError, match="cookies is True, None or a CookieJar"):
            gone.cookies = wrong


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test_a_pickled_client_takes_its_cookies_along(
    jar_client: HttpClient, peers: Any, reply: Any, duplicate: Any
) -> None:
    peer = peers(setting(reply, "a=1"))
    jar_client.get(peer.url + "/set")
    with duplicate(jar_client) as other:
        jar_client.cookies.clear()
        other.get(peer.url)
        assert named(peer.last) == {"a=1"}
    assert repr(jar_client.cookies) == "<CookieJar of 0, path=None>"


def test_an_explicit_cookie_takes_the_place_of_the_jars(
    jar_client: HttpClient, peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target.startswith("/set"):
            fields = [f"Set-Cookie: {cookie}; Path=/" for cookie in ("a=1", "b=1", "c=1")]
            return bytes(reply(b"ok", "200 OK", *fields))
        if seen.target == "/change":
            return bytes(
                reply(b"", "200 OK", "Set-Cookie: a=2; Path=/", "Set-Cookie: b=; Max-Age=0; Path=/",
                      "Set-Cookie: d=4; Path=/")
            )  # fmt: skip
        return bytes(reply(b"ok"))

    peer = peers(respond)
    jar_client.base_url = peer.url
    jar_client.get("/set")
    jar_client.get("/", {"Cookie": "a=mine; x=y"})
    assert named(peer.last) == {"a=mine", "x=y", "b=1", "c=1"}
    jar_client.get("/", {"cookie": "b=2;c=3"})
    assert named(peer.last) == {"a=1", "b=2", "c=3"} or named(peer.last) == {"a=1", "b=2;c=3"}
    jar_client.get("/change", {"Cookie": "a=mine"})
    assert named(peer.last) == {"a=mine", "b=1", "c=1"}
    jar_client.get("/")
    assert named(peer.last) == {"a=2", "c=1", "d=4"}
    with jar_client.stream("/set", headers={"Cookie": "a=mine"}) as response:
        assert {cookie.name for cookie in jar_client.cookies} == {"a", "b", "c", "d"}
        response.read()
    list(jar_client.send_many([{"url": "/", "headers": {"Cookie": "d=mine"}}]))
    assert named(peer.last) == {"a=1", "b=1", "c=1", "d=mine"}
    jar_client.get("/")
    assert named(peer.last) == {"a=1", "b=1", "c=1", "d=4"}


def test_an_explicit_cookie_of_asyncio_takes_the_place_of_the_jars(peers: Any) -> None:
    peer = peers()
    jar = CookieJar()
    jar.set("a", "1", "127.0.0.1")

    async def main() -> None:
        async with AsyncHttpClient(cookies=jar, headers={"Cookie": "a=mine"}) as client:
            await client.get(peer.url)
            assert named(peer.last) == {"a=mine"}
            await client.get(peer.url, headers={"Cookie": "b=2"})
            assert named(peer.last) == {"a=1", "b=2"}

    asyncio.run(main())
    assert [cookie.value for cookie in jar] == ["1"]


def test_a_value_may_hold_what_others_take_for_a_line_end(
    peers: Any, reply: Any, tmp_path: Path
) -> None:
    value = "x\u0085y\u2028z\x1cw"
    path = tmp_path / "cookies.txt"
    wire = "a=" + "x\u0085y\u2028z".encode().decode("latin-1")
    peer = peers(setting(reply, f"{wire}; Path=/; Max-Age={YEAR}"))
    with HttpClient(cookie_file=str(path)) as client:
        client.get(peer.url + "/set")
        assert len(client.cookies) == 1
    with HttpClient(cookie_file=str(path)) as client:
        assert [cookie.value for cookie in client.cookies] == [value.partition("\x1c")[0]]
        client.get(peer.url)
        assert peer.last.get("Cookie") == wire


def test_odd_lines_of_browsers_exports_are_taken(tmp_path: Path) -> None:
    soon = int(time.time()) + YEAR
    path = tmp_path / "cookies.txt"
    lines = [
        "\ufeff# Netscape HTTP Cookie File",
        f"a.test\tFALSE\t/\tFALSE\t{soon}.123456\tfraction\t1",
        "a.test\tFALSE\t/\tFALSE\t-1\tsession\t2",
        "a.test\tFALSE\t/\tFALSE\t\tnone\t3",
        f"a.test\tFALSE\t/\tFALSE\t{soon}\tempty\t",
        f"a.test\tFALSE\t/\tFALSE\t{soon}\tshort",
        f"#HttpOnly_.faß.de\tTRUE\t/\tTRUE\t{soon}\tidn\t4",
        "# a comment", "",
    ]  # fmt: skip
    path.write_text("\r\n".join(lines), "utf-8")
    found = {cookie.name: cookie for cookie in CookieJar(str(path))}
    assert {name: cookie.value for name, cookie in found.items()} == {
        "fraction": "1", "session": "2", "none": "3", "empty": "", "short": "", "idn": "4"
    }  # fmt: skip
    assert (found["fraction"].expires, found["session"].expires) == (soon, None)
    assert (found["idn"].domain, found["idn"].http_only) == ("xn--fa-hia.de", True)


@pytest.mark.parametrize(
    "line", ["a.test FALSE / FALSE 0 a 1", "a.test\tFALSE\t/\tFALSE\tsoon\ta\t1", "x\ty", "{}"]
)
def test_a_file_of_another_kind_is_not_taken(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text(line)
    with pytest.raises(ValueError, match="not a Netscape cookie file"):
        CookieJar(str(path))


@pytest.mark.parametrize(
    ("number", "size", "kept", "sent"),
    [(50, 100, 50, 50), (51, 1, 50, 50), (60, 1, 50, 50), (50, 200, 50, 39), (1, 4094, 1, 1),
     (1, 4095, 0, 0)],
)  # fmt: skip
def test_the_limits_of_the_jar(
    client: HttpClient, peers: Any, reply: Any, number: int, size: int, kept: int, sent: int
) -> None:
    fields = [f"Set-Cookie: c{n}={'v' * (size - (number > 1 and n > 9))}" for n in range(number)]
    peer = peers(lambda seen: reply(b"ok", "200 OK", *(fields if seen.target == "/set" else ())))
    client.cookies = True  # type: ignore[assignment]
    assert len(client.get(peer.url + "/set").cookies) == number
    assert len(client.cookies) == kept  # type: ignore[arg-type]
    client.get(peer.url)
    field = peer.last.get("Cookie") or ""
    assert (field.count("="), len(field) <= 8190) == (sent, True)


def test_at_most_150_cookies_are_sent(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.cookies = jar = CookieJar()
    for n in range(151):
        jar.set(f"c{n}", "v", "127.0.0.1")
    client.get(peer.url)
    assert (len(jar), peer.last.get("Cookie").count("=")) == (151, 150)
    own = "; ".join(f"own{n}=1" for n in range(1000))
    client.get(peer.url, {"Cookie": own}, cookies=None)
    assert peer.last.get("Cookie") == own


@pytest.mark.parametrize(
    ("attribute", "is_kept"),
    [("Max-Age=10", True), ("Max-Age=0", False), ("Max-Age=-1", False), ("Max-Age=+10", False),
     ("Max-Age=soon", False), ("Max-Age=1_0", True),
     ("Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True)],
)  # fmt: skip
def test_the_age_of_a_cookie(
    client: HttpClient, peers: Any, reply: Any, attribute: str, is_kept: bool
) -> None:
    peer = peers(lambda _: reply(b"ok", "200 OK", f"Set-Cookie: a=1; {attribute}"))
    client.cookies = True  # type: ignore[assignment]
    assert len(client.get(peer.url).cookies) == 1
    client.get(peer.url)
    assert (peer.last.get("Cookie") == "a=1") is is_kept
