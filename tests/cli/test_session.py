"""--session: login, fields and cookies from one command to the next, for one origin."""

import json
import os
import stat
from pathlib import Path

import pytest

import bladehttp as http


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "bladehttp" / "sessions"


@pytest.fixture
def site():
    """A server that sets a cookie at /login and answers with the fields that it got."""
    server = http.server(0)

    @server.on_receive
    def answer(request, response):
        if request.path == "/login":
            response.set_cookie("id", "7", path="/", http_only=True, max_age=1000)
        if request.path == "/logout":
            response.delete_cookie("id", path="/")
        response.json({**request.headers, **{f"cookie {k}": v for k, v in request.cookies.items()}})

    with server:
        yield server


def fields(run, *words) -> dict:
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    return json.loads(out)


def files(config: Path) -> list[Path]:
    return sorted(path for path in config.rglob("*") if path.is_file())


def test_login_fields_and_cookies_are_sent_again(run, site, config):
    words = ("-u", "ada:secret", "X-Team:blue", "Content-Type:a/b", "-r", "0-9", "-b", "once=1")
    fields(run, "--session", "work", f"{site.url}/login", *words)
    again = fields(run, "--session=work", site.url)
    assert again["Authorization"] == "Basic YWRhOnNlY3JldA=="
    assert (again["X-Team"], again["cookie id"]) == ("blue", "7")
    assert {"Content-Type", "Range", "cookie once"}.isdisjoint(again)
    assert "cookie id" not in fields(run, "--session", "other", site.url)


def test_a_session_is_a_file_of_its_owner(run, site, config):
    mask = os.umask(0)
    try:
        fields(run, "--session", "work", site.url, "--bearer", "token")
    finally:
        os.umask(mask)
    [path] = files(config)
    assert path.relative_to(config).parts == (f"http_127.0.0.1_{site.port}", "work.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(each.stat().st_mode) & 0o077 for each in path.parents[:3]] == [0, 0, 0]
    assert json.loads(path.read_text())["auth"] == "token"


def test_a_session_belongs_to_an_origin(run, site, secure_server, config, certificates):
    fields(run, "--session", "work", site.url, "--bearer", "token")
    other = http.server(0)
    other.on_receive(lambda request, response: response.json(dict(request.headers.pairs())))
    with other:
        assert "Authorization" not in fields(run, "--session", "work", other.url)
        moved = f"http://localhost:{site.port}"
        assert "Authorization" not in fields(run, "--session", "work", moved)
    words = ("--session", "work", secure_server.url, "--cacert", certificates.ca_file)
    assert "Authorization" not in fields(run, *words)["headers"]
    assert len(files(config)) == 4


def test_a_new_login_replaces_the_old_one_and_others_stay(run, site, config):
    session = ("--session", "work", site.url)
    fields(run, *session, "Authorization:Digest x", "X-A:1")
    assert fields(run, *session)["Authorization"] == "Digest x"
    assert fields(run, *session, "-u", "a:b")["Authorization"] == "Basic YTpi"
    again = fields(run, *session, "X-A:2")
    assert (again["Authorization"], again["X-A"]) == ("Basic YTpi", "2")
    assert "X-A" not in fields(run, *session, "-H", "X-A:")
    assert fields(run, *session)["X-A"] == "2"


def test_a_login_is_sent_again_in_the_way_it_was(run, config):
    asked = []
    server = http.server(0)

    @server.on_receive
    def refuse(request, response):
        asked.append(request.headers.get("Authorization", ""))
        response.status = 401
        response.headers["WWW-Authenticate"] = 'Digest realm="x", nonce="y", qop="auth"'

    with server:
        assert run("--session", "d", server.url, "-u", "ada:secret", "--digest")[0] == 0
        assert run("--session", "d", server.url)[0] == 0
    assert [text[:6] for text in asked] == ["", "Digest"] * 2


def test_a_cookie_that_is_deleted_is_gone(run, site, config):
    session = ("--session", "work")
    fields(run, *session, f"{site.url}/login")
    assert fields(run, *session, f"{site.url}/logout")["cookie id"] == "7"
    assert "cookie id" not in fields(run, *session, site.url)


def test_a_read_only_session_is_not_changed(run, site, config):
    fields(run, "--session-read-only", "work", f"{site.url}/login", "X-A:1")
    assert files(config) == []
    fields(run, "--session", "work", site.url, "X-A:1")
    before = files(config)[0].read_bytes()
    words = ("--session-read-only", "work", f"{site.url}/login", "X-A:2")
    assert fields(run, *words)["X-A"] == "2"
    assert files(config)[0].read_bytes() == before


def test_a_file_that_is_no_session_is_told_and_stays(run, site, config):
    fields(run, "--session", "work", site.url)
    [path] = files(config)
    for text in ("{", "[]", '{"headers": [], "auth": 7, "auth_method": null, "cookies": []}'):
        path.write_text(text)
        assert run("--session", "work", site.url) == (
            1, b"", f"bladehttp: {path}: not a session of bladehttp\n",
        )  # fmt: skip
        assert path.read_text() == text


def test_a_session_that_cannot_be_written_is_23(run, site, config):
    config.parent.mkdir(parents=True)
    config.write_text("a file in the way")
    code, out, err = run("--session", "work", site.url)
    assert (code, "Host" in out.decode(), str(config) in err) == (23, True, True)


def test_without_a_directory_for_settings_it_is_that_of_the_home(run, site, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    fields(run, "--session", "work", site.url)
    assert len(files(tmp_path / ".config" / "bladehttp" / "sessions")) == 1
