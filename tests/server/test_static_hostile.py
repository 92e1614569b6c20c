"""Names that must lead nowhere, sent as they are over a real socket."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support import wait_until

from bladehttp.server._files.safe_open import Directory, is_servable

SECRET = b"SECRET"


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A site among secrets; every name in it that must not be served holds one, too."""
    top = tmp_path_factory.mktemp("hostile")
    for name in (
        "secret.txt",
        "outside/secret.txt",
        "site2/secret.txt",
        "site/.env",
        "site/.git/config",
        "site/.well-known/.hidden",
        "site/sub/.htpasswd",
        "site/..\\outside\\secret.txt",
        "site/back\\slash",
        "site/bell\x07",
        "site/line\nfeed",
        "site/delete\x7f",
        "site/next\x85line",
    ):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SECRET)
    site = top / "site"
    (site / "a.txt").write_bytes(b"public")
    (site / "sub" / "b.txt").write_bytes(b"public")
    (site / ".well-known" / "security.txt").write_bytes(b"public")
    for link, target in {
        "link-out": "../outside/secret.txt",
        "link-out-absolute": str(top / "outside/secret.txt"),
        "link-to-root": "/",
        "link-to-parent": "..",
        "link-to-directory": "../outside",
        "link-through-itself": "sub/../../site/a.txt",
        "link-that-looks-inside": f"{site}/../outside/secret.txt",
        "link-to-neighbour": f"{top}/site2/secret.txt",
        "link-to-link": "link-out",
        "link-to-nothing": "nowhere",
        "link-to-file-as-directory": "a.txt/",
        "link-to-device": "/dev/zero",
        "link-to-proc": "/proc/self/environ",
        "loop": "loop",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "sub/up": "../../outside",
    }.items():
        (site / link).symlink_to(target)
    for number in range(60):
        (site / f"chain{number}").symlink_to(f"chain{number + 1}" if number < 59 else "a.txt")
    os.mkfifo(site / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(site / "socket"))
    return top


HOSTILE = [
    # up and out
    b"/..",
    b"/../",
    b"/../secret.txt",
    b"/../outside/secret.txt",
    b"/../site2/secret.txt",
    b"/../../../../../../../../etc/passwd",
    b"/sub/../../secret.txt",
    b"/sub/../../outside/secret.txt",
    b"/sub/..",
    b"/sub/../a.txt",
    b"/./a.txt",
    b"/.",
    b"/sub/.",
    b"/a.txt/../../secret.txt",
    b"/nowhere/../../secret.txt",
    b"/...",
    b"/..../secret.txt",
    b"/..;/secret.txt",
    b"/..;x=y/secret.txt",
    # encoded
    b"/%2e%2e/secret.txt",
    b"/%2E%2E/secret.txt",
    b"/.%2e/secret.txt",
    b"/%2e./secret.txt",
    b"/%2e%2e%2fsecret.txt",
    b"/..%2fsecret.txt",
    b"/..%2Foutside%2Fsecret.txt",
    b"/sub%2f..%2f..%2fsecret.txt",
    b"/%2e",
    b"/%2e/a.txt",
    # encoded twice and more
    b"/%252e%252e/secret.txt",
    b"/%252e%252e%252fsecret.txt",
    b"/..%252fsecret.txt",
    b"/%25252e%25252e/secret.txt",
    b"/%%32%65%%32%65/secret.txt",
    # backslash
    b"/..\\secret.txt",
    b"/..%5csecret.txt",
    b"/..%5Coutside%5Csecret.txt",
    b"/..%255csecret.txt",
    b"/sub\\..\\..\\secret.txt",
    b"/back\\slash",
    b"/back%5cslash",
    b"/%5c%5cserver%5cshare",
    b"\\..\\secret.txt",
    # absolute
    b"//etc/passwd",
    b"/%2fetc%2fpasswd",
    b"/%2Fetc/passwd",
    b"///etc/passwd",
    b"/file:///etc/passwd",
    b"http://localhost/../secret.txt",
    b"http://localhost//etc/passwd",
    # NUL and other control characters
    b"/a.txt%00",
    b"/a.txt%00.html",
    b"/%00",
    b"/..%00/secret.txt",
    b"/%2e%2e%00/secret.txt",
    b"/sub%00/b.txt",
    b"/bell%07",
    b"/line%0afeed",
    b"/line%0Afeed",
    b"/a.txt%0d%0aX-Injected:%20yes",
    b"/delete%7f",
    b"/next%c2%85line",
    b"/a.txt%09",
    # links
    b"/link-out",
    b"/link-out-absolute",
    b"/link-to-root/etc/passwd",
    b"/link-to-parent/secret.txt",
    b"/link-to-parent/outside/secret.txt",
    b"/link-to-directory/secret.txt",
    b"/link-to-directory/",
    b"/link-through-itself",
    b"/link-that-looks-inside",
    b"/link-to-neighbour",
    b"/link-to-link",
    b"/link-to-nothing",
    b"/link-to-file-as-directory",
    b"/link-to-device",
    b"/link-to-proc",
    b"/sub/up/secret.txt",
    b"/loop",
    b"/loop-a",
    b"/loop/a.txt",
    b"/chain0",
    # neither file nor directory
    b"/fifo",
    b"/socket",
    b"/fifo/",
    b"/a.txt/",
    b"/a.txt/x",
    # what Windows takes for another name
    b"/C:",
    b"/C:/windows.txt",
    b"/c%3a/windows.txt",
    b"/a.txt::$DATA",
    b"/a.txt%3a%3a$DATA",
    b"/a.txt.",
    b"/a.txt%2e",
    b"/a.txt%20",
    b"/dots...",
    b"/sub./b.txt",
    b"/sub%20/b.txt",
    b"/GIT~1/config",
    # hidden
    b"/.env",
    b"/%2eenv",
    b"/.git/config",
    b"/.git/",
    b"/.git",
    b"/sub/.htpasswd",
    b"/.well-known/.hidden",
    # not UTF-8, or more of it than needed
    b"/%c0%ae%c0%ae/secret.txt",
    b"/%c0%ae%c0%ae%c0%afsecret.txt",
    b"/..%c0%afsecret.txt",
    b"/..%c1%9csecret.txt",
    b"/%e0%80%ae%e0%80%ae/secret.txt",
    b"/%f0%80%80%ae%f0%80%80%ae/secret.txt",
    b"/\xc0\xae\xc0\xae/secret.txt",
    b"/..\xc0\xafsecret.txt",
    b"/%ff%fe",
    b"/%ed%a0%80",
    b"/%uff0e%uff0e/secret.txt",
    b"/%ef%bc%8e%ef%bc%8e/secret.txt",
    b"/%e2%80%a5/secret.txt",
    # too long
    b"/" + b"n" * 256,
    b"/" + b"d/" * 2000,
    b"/" + b"../" * 2000 + b"etc/passwd",
    b"/" + b"sub/../" * 900 + b"a.txt",
]

assert len(HOSTILE) == len(set(HOSTILE)) > 60


@pytest.mark.parametrize("base", [b"", b"/static"], ids=["root", "static"])
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: repr(path[:40])[2:-1])
def test_a_hostile_path_leads_nowhere(serve, connect, tree, base, path):
    server = serve()
    server.serve_files(base.decode() or "/", tree / "site", listing=True)  # which shows more
    client = connect(server)
    target = path if path.startswith(b"http") else base + path
    client.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
    response = client.response()
    assert response.status in {400, 404}
    assert SECRET not in response.body
    assert response.get("X-Injected") is None
    after = connect(server).get(f"{base.decode()}/a.txt").response()
    assert (after.status, after.body) == (200, b"public")


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/security.txt",
        "/link-inside",
        "/link-inside-absolute",
        "/link-to-sub/b.txt",
        "/sub/link-back",
        "/sub/link-back-absolute",
        "/link-by-hidden",
        "/chain30",
        "/%C3%BCml%C3%A4ut%20%26%20%231%3F.txt",
        "/tilde~1",
        "/con-fig.txt",
        "/com10",
    ],
)
def test_what_is_not_hostile_is_served(serve, connect, tmp_path, path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "sub/b.txt", "ümläut & #1?.txt", "tilde~1", "con-fig.txt", "com10"):
        (tmp_path / name).write_bytes(b"public")
    (tmp_path / ".well-known").mkdir()
    (tmp_path / ".well-known" / "security.txt").write_bytes(b"public")
    (tmp_path / "..data").mkdir()  # how Kubernetes mounts what is configured
    (tmp_path / "..data" / "x").write_bytes(b"public")
    (tmp_path / "link-by-hidden").symlink_to("..data/x")
    (tmp_path / "link-inside").symlink_to("sub/../a.txt")
    (tmp_path / "link-inside-absolute").symlink_to(tmp_path / "a.txt")
    (tmp_path / "link-to-sub").symlink_to("./sub/")
    (tmp_path / "sub" / "link-back").symlink_to("../a.txt")
    (tmp_path / "sub" / "link-back-absolute").symlink_to(tmp_path / "sub" / "b.txt")
    for number in range(30, 60):
        target = f"chain{number + 1}" if number < 59 else "a.txt"
        (tmp_path / f"chain{number}").symlink_to(target)
    server = serve()
    server.serve_files("/", tmp_path)
    response = connect(server).get(path).response()
    assert (response.status, response.body) == (200, b"public")


def test_the_directory_itself_may_be_a_link_that_is_turned(serve, connect, tmp_path):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.txt").write_text(version)
        (tmp_path / version / "absolute").symlink_to(tmp_path / version / "a.txt")
    current = tmp_path / "current"
    current.symlink_to("1")
    server = serve()
    server.serve_files("/", current)
    client = connect(server)
    assert client.get("/a.txt").response().body == b"1"
    assert client.get("/absolute").response().body == b"1"
    current.unlink()
    current.symlink_to("2")
    assert client.get("/a.txt").response().body == b"2"
    current.unlink()
    assert client.get("/a.txt").response().status == 404


@pytest.fixture
def swapped(tmp_path) -> Iterator[Path]:
    """A site whose directory "now" is by turns itself, missing, and a link that leads out."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_bytes(SECRET)
    site = tmp_path / "site"
    (site / "now").mkdir(parents=True)
    (site / "now" / "x").write_bytes(b"public")
    (site / "other").symlink_to("../outside")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (site / "now").rename(site / "third")
            (site / "other").rename(site / "now")
            (site / "third").rename(site / "other")

    swapping = threading.Thread(target=swap)
    swapping.start()
    yield site
    done.set()
    swapping.join()


def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(serve, connect, swapped):
    """The race that looking at a path before opening it loses."""
    server = serve(max_requests_per_connection=0)
    server.serve_files("/", swapped)
    client = connect(server)
    seen = [client.get("/now/x").response().body for _ in range(600)]
    wait_until(lambda: seen.append(client.get("/now/x").response().body) or len(set(seen)) > 1)
    assert set(seen) == {b"public", b"404 - Not Found."}


def test_no_permission_is_as_not_there(serve, connect, tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "x").write_bytes(b"public")
    (tmp_path / "closed").chmod(0)
    server = serve()
    server.serve_files("/", tmp_path)
    try:
        expected = 200 if os.access(tmp_path / "closed", os.X_OK) else 404  # root may do anything
        assert connect(server).get("/closed/x").response().status == expected
    finally:
        (tmp_path / "closed").chmod(0o700)


NAMES = (
    "site a.txt sub b.txt . .. '' etc outside link-out link-to-root link-to-parent secret.txt fifo "
    "link-to-directory link-to-link link-that-looks-inside loop chain0 chain50 sub/up up a/../b"
).split()


@given(st.lists(st.sampled_from(["", *NAMES]) | st.text(max_size=3), max_size=8))
def test_no_way_leads_out_of_the_directory(tree, names):
    """Whatever is asked of `Directory`, by names that a client could not even say."""
    site = (tree / "site").resolve()
    with Directory(str(site)) as directory:
        try:
            found = directory.open(names)
        except (OSError, ValueError):
            return
        descriptor = directory.fd if found is None else found.file.fileno()
        where = Path(f"/proc/self/fd/{descriptor}").readlink()
        if found is not None:
            found.file.close()
        assert where.is_relative_to(site)


def test_a_way_is_closed_whatever_happens(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(FileNotFoundError), Directory(str(tmp_path)) as directory:
        directory.open(["a", "b", "c"])
    with Directory(str(tmp_path)) as directory:
        assert directory.open(["a", "b"]) is None
        assert os.path.samestat(os.fstat(directory.fd), (tmp_path / "a" / "b").stat())


@pytest.mark.parametrize(
    ("name", "servable"),
    [
        ("a", True),
        ("a.b.c", True),
        ("ä", True),
        ("", False),
        (".", False),
        ("..", False),
        ("a/b", False),
        ("nul", True),
        ("null", True),
        ("COM0", True),
        ("com", True),
        ("console.log", True),
        ("12:30:00.log", True),
        ("a.txt ", True),
        ("\udcff", True),
        ("a\\b", False),
        ("a\x00", False),
    ],
)
def test_names_that_a_client_may_say(name, servable):
    assert is_servable(name) is servable
