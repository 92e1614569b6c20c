"""Host names beyond ASCII: UTS 46 non-transitional, IDNA 2008, wherever a name comes in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from proxies import HttpProxy

from bladehttp import CookieJar
from bladehttp._data.host_names import list_to_ascii, to_ascii
from bladehttp.client import HttpClient
from bladehttp.exceptions import InvalidUrl, ResolveError

SHARP = "xn--fa-hia.de"

NAMES = {
    "faß.de": SHARP,
    "FAẞ.de": SHARP,
    "straße.de": "xn--strae-oqa.de",
    "βόλος.com": "xn--nxasmm1c.com",
    "نامه‌ای.com": "xn--mgba3gch31f060k.com",
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.Example": "xn--bcher-kva.example",
    "bu\u0308cher.example": "xn--bcher-kva.example",
    "उदाहरण.परीक्षा": "xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g",
    "例え。テスト": "xn--r8jz45g.xn--zckzah",
    "例え\uff0eテスト\uff61jp": "xn--r8jz45g.xn--zckzah.jp",
    "faß.de.": SHARP + ".",
    "my_host.bücher.example": "my_host.xn--bcher-kva.example",
    "xn--fa-hia.bücher.example": "xn--fa-hia.xn--bcher-kva.example",
    "\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com": "example.com",
    "\uff11\uff12\uff17.0.0.1": "127.0.0.1",
    "a\u00adb.com": "ab.com",
    "plain.example": "plain.example",
}


@pytest.mark.parametrize(("name", "ascii_name"), NAMES.items(), ids=map(ascii, NAMES))
def test_a_name_has_the_ascii_form_of_idna_2008(name: str, ascii_name: str) -> None:
    assert to_ascii(name) == ascii_name


@pytest.mark.parametrize(
    "name",
    ["ü" * 64, "ü" * 60 + ".x" * 110, "ü" * 100_000, "ü..de", ".ü", "\u00ad", "☃.example",
     "ü\u200d.de", "\u0308x.de", "a\uff0fü", "ü\uff0541", "ü@x",
     "ü\uff1a80", "\ud800", "ü\u2028", "\u3000ü", "-ü-.de"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        to_ascii(name)
    assert len(str(caught.value)) < 300


def test_names_of_a_list_become_ascii() -> None:
    assert list_to_ascii("faß.de, .bücher.example 10.0.0.0/8,*") == (
        f"{SHARP},.xn--bcher-kva.example,10.0.0.0/8,*"
    )


def serving(client: HttpClient, peer: Any, *names: str) -> None:
    """Have names lead to a peer."""
    client.resolve = {f"{name}:{peer.port}": "127.0.0.1" for name in names}


def test_a_name_in_a_url_a_base_a_location_and_in_resolve(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/from":
            where = f"http://straße.de:{peer.port}/to".encode().decode("latin-1")
            return bytes(reply(b"", "302 Found", f"Location: {where}"))
        return bytes(reply(b"ok"))

    peer = peers(respond)
    serving(client, peer, "faß.de", "straße.de")
    assert client.resolve.keys() == {f"{SHARP}:{peer.port}", f"xn--strae-oqa.de:{peer.port}"}
    assert client.get(f"http://faß.de:{peer.port}/x").url == f"http://{SHARP}:{peer.port}/x"
    assert client.get("y", base_url=f"http://faß.de:{peer.port}/").ok
    response = client.get(f"http://faß.de:{peer.port}/from")
    assert response.url == f"http://xn--strae-oqa.de:{peer.port}/to"
    hosts = [request.get("Host") for request in peer.requests]
    assert hosts == [f"{SHARP}:{peer.port}"] * 3 + [f"xn--strae-oqa.de:{peer.port}"]


@pytest.mark.parametrize(
    "no_proxy", ["faß.invalid", "x.test, faß.invalid", ["x.test", ".faß.invalid"]], ids=ascii
)
def test_a_name_in_no_proxy(client: HttpClient, peers: Any, no_proxy: Any) -> None:
    proxy = peers.raw(HttpProxy())
    assert client.get("http://faß.invalid/", proxy=proxy.url).body == b"via proxy"
    with pytest.raises(ResolveError):
        client.get("http://faß.invalid/", proxy=proxy.url, no_proxy=no_proxy)


def test_a_name_in_no_proxy_of_the_environment(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = peers.raw(HttpProxy())
    monkeypatch.setenv("http_proxy", proxy.url)
    assert client.get("http://faß.invalid/").body == b"via proxy"
    monkeypatch.setenv("no_proxy", "x.test,faß.invalid")
    with pytest.raises(ResolveError):
        client.get("http://faß.invalid/")
    assert client.get("http://faß.invalid/", no_proxy="x.test").body == b"via proxy"
    assert client.get("http://faß.invalid/", proxy=proxy.url).body == b"via proxy"


def test_a_name_of_a_proxy(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.proxy = "http://nämé:pä@prüfung.invalid:3128/"
    assert client.proxy == "http://n%C3%A4m%C3%A9:p%C3%A4@xn--prfung-4ya.invalid:3128"
    client.proxy = "socks5h://prüfung.invalid"
    assert client.proxy == "socks5h://xn--prfung-4ya.invalid"
    client.proxy = None
    monkeypatch.setenv("all_proxy", "http://prüfung.invalid:1")
    with pytest.raises(Exception, match=r"xn--prfung-4ya\.invalid"):
        client.get("http://a.test/")


def test_a_name_of_a_cookies_domain(peers: Any, tmp_path: Path) -> None:
    peer = peers()
    jar = CookieJar()
    jar.set("a", "1", "faß.de")
    assert [cookie.domain for cookie in jar] == [SHARP]
    with HttpClient(cookies=jar) as client:
        serving(client, peer, "faß.de", "fass.de")
        client.get(f"http://faß.de:{peer.port}/")
        assert peer.last.get("Cookie") == "a=1"
        client.get(f"http://fass.de:{peer.port}/")
        assert peer.last.get("Cookie") is None
    jar.delete("a", "faß.de")
    assert len(jar) == 0


def test_idna_is_imported_for_names_beyond_ascii_only() -> None:
    code = (
        "import sys, bladehttp as http\n"
        "client = http.HttpClient(base_url='http://127.0.0.1:9/', no_proxy='a.example',"
        " resolve={'b.example:80': '127.0.0.1'}, cookies=True)\n"
        "client.cookies.set('a', '1', 'c.example')\n"
        "try: client.get('/', connect_timeout=1000)\n"
        "except http.HttpException: pass\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'idna']\n"
        "client.no_proxy = 'ü.example'\n"
        "assert 'idna' in sys.modules\n"
        "client.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
