"""Media types by the names of files."""

import mimetypes
import subprocess
import sys

import pytest

import bladehttp as http
from bladehttp._data.media_types import MEDIA_TYPES, TABLE, guess_media_type, media_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JS", "text/javascript; charset=utf-8"),
        ("/some.where/a.txt", "text/plain; charset=utf-8"),
        ("/some.js/a", "application/octet-stream"),
        ("js", "application/octet-stream"),
        (".js", "text/javascript; charset=utf-8"),
        ("a.svgz", "application/gzip"),
        ("a.tar.xz", "application/x-xz"),
        ("a.Z", "application/octet-stream"),
        ("a.py", "text/x-python; charset=utf-8"),
    ],
)
def test_the_type_of_a_name(name, kind):
    assert media_type(name) == kind


@pytest.mark.parametrize(
    "name",
    "a.ts a.tsx a.log a.yaml a.YML a.toml a.ini a.conf a.rs a.go a.c a.sh a.rst a.sql a.diff "
    "Makefile /src/Dockerfile LICENSE readme go.mod".split(),
)
def test_text_for_people_is_plain_text(name):
    assert media_type(name) == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", "a a. makefile.bin .gitignore a/b.c/d x.unknown".split())
def test_unknown_name_is_bytes(name):
    assert guess_media_type(name) == "application/octet-stream"


def test_types_do_not_depend_on_the_machine(monkeypatch):
    monkeypatch.setattr(mimetypes, "guess_type", lambda name: ("video/mp2t", "gzip"))
    mimetypes.add_type("text/x-own", ".ts")
    assert media_type("a.ts") == "text/plain; charset=utf-8"


def test_each_ending_has_one_type():
    endings = [ending for line in TABLE.splitlines() for ending in line.split()[1:]]
    assert sorted(endings) == sorted(MEDIA_TYPES)


def test_client_and_command_line_use_the_same_table(tmp_path):
    with http.server(0) as server, http.HttpClient(base_url=server.url) as client:
        server.handle("POST", "/form", lambda q, r: r.write(q.files["f"]["mime"]))
        for name in ("a.ts", "Makefile", "a.tar.gz", "a.bin"):
            (tmp_path / name).write_bytes(b"x")
            sent = client.post("/form", files={"f": tmp_path / name}).text
            assert sent == guess_media_type(name)
            part = f"f=@{tmp_path / name}"
            command = [sys.executable, "-m", "bladehttp", "post", f"{server.url}/form", "-F", part]
            assert subprocess.check_output(command, text=True) == guess_media_type(name)
