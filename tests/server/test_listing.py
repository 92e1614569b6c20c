import os
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin

import pytest

from bladehttp.server._files import listing
from bladehttp.server._files.listing import ENTRIES, readable
from bladehttp.server._files.safe_open import Directory

OLD = 1_000_000_000


class Rows(HTMLParser):
    """What a reader of the page sees: the cells of each row and where it leads."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_data(self, data):
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


@pytest.fixture
def listed(serve, connect, tmp_path):
    server = serve()
    server.serve_files("/", tmp_path, listing=True)
    return lambda path="/": connect(server).get(path).response()


def test_directories_come_first_then_files_by_name(listed, tmp_path):
    for name, size in {"b.txt": 1, "A.txt": 1500, "c.bin": 2_000_000, "0": 0}.items():
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "zoo").mkdir()
    for path in tmp_path.iterdir():
        os.utime(path, (OLD, OLD))
    page = Rows(listed().body)
    when = "2001-09-09 01:46"
    assert page.rows == [
        ["Name", "Size", "Modified (UTC)"],
        ["zoo/", "", when],
        ["0", "0 bytes", when],
        ["A.txt", "1.5 kB", when],
        ["b.txt", "1 byte", when],
        ["c.bin", "2.0 MB", when],
    ]
    assert page.links == ["zoo/", "0", "A.txt", "b.txt", "c.bin"]


def test_every_link_leads_to_what_it_names(listed, tmp_path):
    names = ['<script>alert("1")</script>', "a b&c", "50%25", "#x?y=z", "ü", "'\"", "http;"]
    names = [name.replace("/", "_") for name in names]
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "&dir").mkdir()
    page = Rows(listed().body)
    assert "script" not in page.tags
    assert {unquote(link) for link in page.links} == {*names, "&dir/"}
    for link in page.links:
        assert listed(urljoin("/", link)).status == 200


def test_what_cannot_be_asked_for_is_not_listed(listed, tmp_path):
    for name in (".env", "back\\slash", "bell\x07", "seen"):
        (tmp_path / name).write_text("")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "sub").mkdir()
    for link, target in {"out": "/etc", "in": "seen", "loop": "loop", "to-sub": "sub"}.items():
        (tmp_path / link).symlink_to(target)
    assert Rows(listed().body).links == ["sub/", "to-sub/", "in", "seen"]


def test_a_directory_below_leads_up(listed, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    page = Rows(listed("/a/b/").body)
    assert page.links == ["../"]
    assert "Index of /a/b/" in page.text


def test_an_empty_directory_says_so(listed):
    assert "Nothing is here." in Rows(listed().body).text


def test_the_page_can_do_nothing(listed, tmp_path):
    response = listed()
    assert response.get("Content-Type") == "text/html; charset=utf-8"
    assert response.get("Content-Security-Policy") == listing.POLICY
    assert response.get("X-Content-Type-Options") == "nosniff"
    assert response.get("Cache-Control") == "no-cache"


def test_an_index_comes_before_a_listing(listed, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    assert listed().body == b"mine"


def test_a_link_below_is_looked_up_from_where_it_is(listed, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_text("")
    (tmp_path / "a" / "b" / "up").symlink_to("../x")
    (tmp_path / "a" / "b" / "out").symlink_to("../../..")
    assert Rows(listed("/a/b/").body).links == ["../", "up"]


def test_long_directory_is_listed_in_pages(listed, tmp_path):
    count = 2 * ENTRIES + 5
    for number in range(count):
        (tmp_path / f"{number:05}").touch()
    (tmp_path / "zoo").mkdir()
    pages = [Rows(listed(f"/?page={number}").body) for number in (1, 2, 3)]
    assert pages[0].links == ["zoo/", *(f"{n:05}" for n in range(ENTRIES - 1)), "?page=2"]
    names = [link for page in pages for link in page.links if "?" not in link]
    assert names == ["zoo/", *(f"{number:05}" for number in range(count))]
    assert pages[1].links[-2:] == ["?page=1", "?page=3"]
    assert f"Page 3 of 3, {count + 1} entries" in pages[2].text
    assert listed("/?page=4").status == listed("/?page=0").status == 404
    assert Rows(listed("/?page=x").body).links == Rows(listed().body).links == pages[0].links


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_not_listed(listed, tmp_path):
    (tmp_path / "secret").touch(mode=0o000)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "open").touch()
    assert Rows(listed().body).links == ["open"]


def test_what_is_not_readable_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(os, "access", lambda name, mode, **_: name == "b")
    with Directory(str(tmp_path)) as directory, os.scandir(tmp_path) as found:
        assert [entry.name for entry in listing.entries(directory, found)] == ["b"]


@pytest.mark.parametrize("when", [-1, 10**12])
def test_any_time_can_be_told(listed, tmp_path, when):
    (tmp_path / "x").touch()
    try:
        os.utime(tmp_path / "x", (when, when))
    except OSError:
        pass  # not on this file system
    assert listed().status == 200


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (10**18, "1.0 EB"),
    ],
)
def test_sizes_are_for_people(size, text):
    assert readable(size) == text
