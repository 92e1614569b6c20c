"""docs/deploying.md is true: its application, commands and configurations, run as they are.

Only paths, ports and addresses are replaced. What the page says of nginx and HAProxy is asked
of real ones, where they are installed.
"""

import configparser
import contextlib
import fcntl
import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rolling import Supervised, roll
from support import PATIENCE, free_port, is_open, wait_until

import bladehttp as http
from bladehttp.server import HttpServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "deployed.py"
PAGE = (ROOT / "docs" / "deploying.md").read_text()
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def block(language: str, containing: str) -> str:
    """The one block of the page in a language that contains a text."""
    found = [
        code
        for code in re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        if containing in code
    ]
    assert len(found) == 1, f"{len(found)} {language} blocks with {containing!r}"
    return found[0]


def replaced(text: str, **changes: str) -> str:
    for old, new in changes.items():
        assert old in text, f"not on the page: {old}"
        text = text.replace(old, new)
    return text


@pytest.fixture
def deployed(monkeypatch) -> Callable[..., HttpServer]:
    """The example's server, as a process with that environment would have it."""

    def load(**environment: str) -> HttpServer:
        for name, value in {"PORT": "0", **environment}.items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("deployed", EXAMPLE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.server

    return load


@contextlib.contextmanager
def process(command: list[str], stop: signal.Signals | None = signal.SIGTERM, **options: Any):
    """A program that is told to end, and ends."""
    with subprocess.Popen(command, **options) as running:
        try:
            yield running
            assert running.poll() is None, f"{command[0]} has ended"
            running.send_signal(stop)
            running.wait(PATIENCE)
        finally:
            running.kill()


@contextlib.contextmanager
def nginx(directory: Path, configuration: str, *modules: Path) -> Iterator[int]:
    """A real nginx with a configuration where PORT is to be listened on."""
    program = shutil.which("nginx", path=PROGRAMS)
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    file = directory / "nginx.conf"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        file.write_text(
            "".join(f"load_module {module};\n" for module in modules)
            + f"daemon off; worker_processes 1; pid {directory}/nginx.pid;\n"
            # Workers of root's are somebody else, who may not use a socket in this directory.
            + ("user root;\n" if os.geteuid() == 0 else "")
            + "error_log stderr crit; events { worker_connections 64; }\n"
            + configuration.replace("PORT", f"127.0.0.1:{port}")
        )
        # A socket that it inherits, as in an upgrade, is listened on already: nothing to wait for.
        environment = {**os.environ, "NGINX": f"{listener.fileno()};"}
        command = [program, "-p", str(directory), "-e", "stderr", "-c", str(file)]
        with process(command, env=environment, pass_fds=[listener.fileno()]):
            yield port


TEMPORARY = "".join(
    f"{kind}_temp_path temporary; " for kind in "client_body proxy fastcgi uwsgi scgi".split()
)


@contextlib.contextmanager
def haproxy(directory: Path, configuration: str) -> Iterator[int]:
    """A real HAProxy with a configuration where PORT is to be bound."""
    program = shutil.which("haproxy", path=PROGRAMS)
    if program is None:
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    file = directory / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        file.write_text(
            f"global\n    stats socket {directory}/admin.sock\n"
            "defaults\n    timeout connect 30s\n    timeout client 30s\n    timeout server 30s\n"
            "    timeout check 30s\n"  # on a busy machine a late answer is no sign of a fault
            + configuration.replace("PORT", f"fd@{listener.fileno()}")
        )
        command = [program, "-db", "-f", str(file)]
        with process(command, pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL):
            yield listener.getsockname()[1]


# The application


def test_the_page_shows_the_example_as_it_is():
    text = EXAMPLE.read_text()
    for containing in "inherited_socket(),", "server.wsgi":
        assert block("python", containing) in text


def test_the_health_check_and_the_metrics_are_as_shown(deployed):
    with deployed() as server, http.HttpClient(base_url=server.url) as client:
        assert client.get("/health").text == "ok\n"
        assert client.get("/none").status == 404
        response = client.get("/metrics")
    assert response.text == block("text", "http_requests_total")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4"


# https://prometheus.io/docs/instrumenting/exposition_formats/
is_exposition = re.compile(
    r"(?:# TYPE (?:[a-zA-Z_:][\w:]*) (?:counter|gauge)\n"
    r'|[a-zA-Z_:][\w:]*(?:\{[a-zA-Z_]\w*="[^"\\\n]*"(?:,[a-zA-Z_]\w*="[^"\\\n]*")*\})? \d+\n)+'
).fullmatch


def test_the_metrics_are_in_the_format_of_prometheus(deployed):
    with deployed() as server, http.HttpClient(base_url=server.url) as client:
        for _ in range(2):
            assert is_exposition(client.get("/metrics").text)


def test_the_client_asks_over_the_unix_socket_as_shown(deployed, tmp_path, capsys):
    code = block("python", "unix_socket")
    path = str(tmp_path / "app.sock")
    with deployed(HOST=f"unix:{path}"):
        exec(replaced(code, **{"/run/app/app.sock": path}), {})
    assert capsys.readouterr().out == "ok\n\n"


# Commands


def command_of(containing: str) -> tuple[list[str], dict[str, str]]:
    """The words of a command on the page, and the environment it sets."""
    line = next(
        line[2:] for line in PAGE.splitlines() if line.startswith("$ ") and containing in line
    )
    words = shlex.split(line)
    environment = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    return words, environment


def test_a_process_on_a_unix_socket_ends_at_sigterm(tmp_path):
    words, environment = command_of("HOST=unix")
    assert words == ["python", "deployed.py"]
    path = tmp_path / "app.sock"
    host = replaced(environment["HOST"], **{"/run/app/app.sock": str(path)})
    command = [sys.executable, *words[1:]]
    options = {"cwd": EXAMPLE.parent, "env": {**os.environ, "HOST": host}}
    with process(command, **options) as running, http.HttpClient(unix_socket=str(path)) as client:
        wait_until(path.exists)
        wait_until(lambda: can_connect(path))
        assert client.get("http://localhost/health").text == "ok\n"
    assert running.returncode == 0
    assert not path.exists()


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_gunicorn_serves_it_as_shown(tmp_path):
    words, _ = command_of("gunicorn")
    path = tmp_path / "app.sock"
    changes = {"unix:/run/app/app.sock": f"unix:{path}", "4": "1"}
    words = [changes.get(word, word) for word in words]
    command = [sys.executable, "-m", *words, "--no-control-socket"]
    with process(command, cwd=EXAMPLE.parent), http.HttpClient(unix_socket=str(path)) as client:
        wait_until(path.exists)
        wait_until(lambda: can_connect(path))
        answer = client.get("http://localhost/", headers={"X-Forwarded-For": "1.2.3.4"})
        assert answer.json() == {"ip": "1.2.3.4", "host": "localhost", "scheme": "http"}


def test_waitress_serves_it_as_shown():
    words, _ = command_of("waitress-serve")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = [replaced(word, **{"3000": str(port)}) if "3000" in word else word for word in words]
    command = [sys.executable, "-m", "waitress", *words[1:]]
    with process(command, cwd=EXAMPLE.parent), http.HttpClient() as client:
        wait_until(lambda: tcp_connects(port))
        answer = client.get(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "1.2.3.4"})
        assert answer.json() == {"ip": "1.2.3.4", "host": "127.0.0.1", "scheme": "http"}


def tcp_connects(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


# What systemd does between fork and exec
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="app.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


def unit(containing: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser()
    parsed.optionxform = str
    parsed.read_string(block("ini", containing))
    return parsed


def test_the_service_runs_as_systemd_would_start_it():
    assert unit("ListenStream")["Socket"]["ListenStream"] == "3000"
    start = unit("app.service")["Service"]["ExecStart"]
    assert unit("app@.service")["Service"]["ExecStart"] == start
    places = {"/srv/app/.venv/bin/python": sys.executable, "/srv/app/deployed.py": str(EXAMPLE)}
    words = [places[word] for word in start.split()]
    reload = unit("app.service")["Service"]["ExecReload"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-c", AS_SYSTEMD, str(descriptor), *words]
        options = {"pass_fds": [descriptor], "start_new_session": True}
        with process(command, **options) as running, http.HttpClient() as client:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/health"
            assert client.get(url).text == "ok\n"  # waits in the backlog until it has started
            subprocess.run(reload.replace("$MAINPID", str(running.pid)).split(), check=True)
            assert client.get(url).text == "ok\n"  # it has no log that could be reopened
        assert running.returncode == 0


# Proxies. The client comes from 127.0.0.2, which nobody trusts, and lies.

LIES = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "666",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=https",
    "X-Real-IP": "6.6.6.6",
}


@pytest.fixture
def client(certificates) -> Iterator[http.HttpClient]:
    with http.HttpClient(interface="127.0.0.2", ca_cert=certificates.ca_file) as client:
        client.total_timeout = PATIENCE * 1000
        yield client


def test_behind_nginx_the_client_is_known_whatever_it_says(
    deployed, certificates, tmp_path, client
):
    path = str(tmp_path / "app.sock")
    configuration = replaced(
        block("nginx", "upstream app"),
        **{
            "listen 443": "listen PORT",
            "/run/app/app.sock": path,
            "/etc/ssl/app.pem": certificates.cert_file,
            "/etc/ssl/app.key": certificates.key_file,
        },
    )
    server = deployed(HOST=f"unix:{path}")
    big = b"x" * 1_000_000
    server.handle("GET", "/url", lambda request, response: response.write(request.url))
    server.handle("POST", "/big", lambda request, response: response.stream([request.raw_body] * 3))
    server.spool_size = len(big)
    with (
        server,
        nginx(tmp_path, f"http {{ access_log off; {TEMPORARY}\n{configuration} }}") as port,
    ):
        url = f"https://localhost:{port}"
        known = {"ip": "127.0.0.2", "host": "localhost", "scheme": "https"}
        for _ in range(5):
            assert client.get(url, headers=LIES).json() == known
        assert client.get(f"{url}/url", headers=LIES).text == f"{url}/url"
        assert client.post(f"{url}/big", big).body == big * 3
        assert client.head(f"{url}/health").headers["Content-Length"] == "3"
        assert client.get(f"{url}/none").status == 404
        assert server.stats.connections == 1  # which nginx kept


@contextlib.contextmanager
def apache(directory: Path, configuration: str) -> Iterator[int]:
    """A real Apache with a configuration; it asks from 127.0.0.2."""
    program = shutil.which("apache2", path=PROGRAMS)
    modules = Path("/usr/lib/apache2/modules")
    if program is None or not modules.is_dir():
        pytest.skip("Apache is not installed: apt-get install apache2")
    port = free_port()
    names = "mpm_event authz_core proxy proxy_http headers cache cache_disk".split()
    lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names]
    if os.geteuid() == 0:
        lines += ["User www-data", "Group www-data"]
    (directory / "cache").mkdir()
    (directory / "cache").chmod(0o777)
    file = directory / "httpd.conf"
    file.write_text(
        "\n".join(lines) + f"\nServerRoot {directory}\nPidFile {directory}/httpd.pid\n"
        f"DefaultRuntimeDir {directory}\nErrorLog {directory}/error.log\nServerName localhost\n"
        f"Listen 127.0.0.1:{port}\nProxySourceAddress 127.0.0.2\nCacheRoot {directory}/cache\n"
        f"CacheEnable disk /files\n{configuration.replace('*:80', f'*:{port}')}"
    )
    with process([program, "-f", str(file), "-DFOREGROUND"], stderr=subprocess.DEVNULL):
        wait_until(lambda: is_open(port))
        yield port


def test_behind_apache_the_client_is_known_and_its_cache_is_not_poisoned(tmp_path):
    os.chmod(tmp_path, 0o755)  # noqa: PTH101
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("0123456789")
    server = HttpServer(0, trusted_proxies=["127.0.0.2"])
    server.serve_files("/files", tmp_path / "files", cache_age=3600)
    server.handle(
        "GET",
        "/who",
        lambda request, response: response.json([request.ip, request.port, request.url]),
    )
    configuration = block("apache", "ProxyPass")
    with server, http.HttpClient() as client:
        configuration = replaced(configuration, **{"10.0.0.1:3000": f"127.0.0.1:{server.port}"})
        with apache(tmp_path, configuration) as port:
            url = f"http://localhost:{port}"
            expected = ["127.0.0.1", 0, f"http://localhost:{port}/who?a=%41"]
            for lies in ({}, LIES, LIES | {"X-Forwarded-Host": "evil.example, evil.example"}):
                assert client.get(f"{url}/who?a=%41", headers=lies).json() == expected
            for path, bad in {
                "/files/a.txt": {"If-Match": '"x"'},
                "/files/a.txt?range": {"Range": "bytes=5000-"},
            }.items():
                assert client.get(url + path, headers=bad).status in {412, 416}
                assert client.get(url + path).text == "0123456789"


@pytest.fixture
def second(deployed) -> HttpServer:
    return deployed()


def test_behind_haproxy_the_client_is_known_whatever_it_says(deployed, second, tmp_path, client):
    server, asked = deployed(), []
    for each in server, second:
        each.on_receive(lambda request, response, at=each: asked.append((request.path, at)))
    with server, second:
        configuration = replaced(
            block("haproxy", "frontend web"),
            **{
                "bind :80": "bind PORT",
                "10.0.0.1:3000": f"127.0.0.1:{server.port}",
                "10.0.0.2:3000": f"127.0.0.1:{second.port}",
            },
        )
        with haproxy(tmp_path, configuration) as port:
            url = f"http://localhost:{port}/"
            for _ in range(4):
                known = {"ip": "127.0.0.2", "host": "localhost", "scheme": "http"}
                assert client.get(url, headers=LIES).json() == known
            for each in server, second:
                each.handle("GET", "/url", lambda request, response: response.write(request.url))
            assert client.get(f"{url}url", headers=LIES).text == f"{url}url"
            wait_until(lambda: {("/health", server), ("/health", second)} <= set(asked))
    assert {("/", server), ("/", second)} <= set(asked)


@pytest.mark.parametrize("version", ["send-proxy-v2", "send-proxy"])
def test_behind_the_proxy_protocol_of_haproxy_the_client_is_known(
    deployed, certificates, tmp_path, client, version
):
    with tls_twin(deployed, certificates) as (server, seen):
        configuration = replaced(
            block("haproxy", "frontend bytes"),
            **{
                "bind :443": "bind PORT",
                "10.0.0.1:3443": f"127.0.0.1:{server.port}",
                "send-proxy-v2": version,
            },
        )
        with haproxy(tmp_path, configuration) as port:
            assert client.get(f"https://localhost:{port}/").json()["ip"] == "127.0.0.2"
    assert seen == [("127.0.0.2", "https")]


def test_behind_the_proxy_protocol_of_nginx_the_client_is_known(
    deployed, certificates, tmp_path, client
):
    if not STREAM_MODULE.exists():
        pytest.skip("nginx has no stream module: apt-get install libnginx-mod-stream")
    with tls_twin(deployed, certificates) as (server, seen):
        configuration = replaced(
            block("nginx", "stream {"),
            **{"listen 443": "listen PORT", "10.0.0.1:3443": f"127.0.0.1:{server.port}"},
        )
        with nginx(tmp_path, configuration, STREAM_MODULE) as port:
            assert client.get(f"https://localhost:{port}/").json()["ip"] == "127.0.0.2"
    assert seen == [("127.0.0.2", "https")]


# Restarts, one process after the other, under load. ROLL_REQUESTS=300000 (make roll) is the proof.

REQUESTS = int(os.environ.get("ROLL_REQUESTS", "2000"))


def unix_pair(directory: Path) -> list[dict[str, str]]:
    return [{"HOST": f"unix:{directory / name}"} for name in ("one.sock", "two.sock")]


@pytest.mark.timeout(0 if REQUESTS > 2000 else 60)
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
def test_restarting_processes_on_one_port_loses_nothing(tmp_path, kept):
    port = str(free_port())
    with Supervised(tmp_path, [{"PORT": port}] * 2) as app:
        answered, lost = roll(int(port), app.restart, REQUESTS, kept=kept)
    assert (lost, answered >= REQUESTS) == ([], True)


@pytest.mark.timeout(0 if REQUESTS > 2000 else 60)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
def test_restarting_behind_a_socket_of_systemd_loses_nothing(tmp_path, processes, kept):
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        copy = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, 10)
        try:
            with Supervised(tmp_path, [{}] * processes, copy) as app:
                port = listener.getsockname()[1]
                answered, lost = roll(port, app.restart, REQUESTS, kept=kept)
        finally:
            os.close(copy)
    assert (lost, answered >= REQUESTS) == ([], True)


@pytest.mark.timeout(0 if REQUESTS > 2000 else 60)
def test_restarting_behind_nginx_loses_nothing(tmp_path, certificates):
    line = "    server unix:/run/app/app.sock max_fails=0;  # one line for each process\n"
    lines = "".join(
        line.replace("/run/app/app.sock", str(tmp_path / name)) for name in ("one.sock", "two.sock")
    )
    configuration = replaced(
        block("nginx", "upstream app"),
        **{
            line: lines,
            "listen 443": "listen PORT",
            "/etc/ssl/app.pem": certificates.cert_file,
            "/etc/ssl/app.key": certificates.key_file,
        },
    )
    context = certificates.client_context()
    with (
        Supervised(tmp_path, unix_pair(tmp_path)) as app,
        nginx(tmp_path, f"http {{ access_log off; {TEMPORARY}\n{configuration} }}") as port,
    ):
        answered, lost = roll(port, app.restart, REQUESTS, kept=True, context=context)
    assert (lost, answered >= REQUESTS) == ([], True)


def is_up(directory: Path, server: str) -> list[str]:
    """What the page's grep finds in HAProxy's statistics: the line of a server that is UP."""
    words, _ = command_of("show stat")
    pattern = words[words.index("-q") + 1].rstrip(";").replace("one", server)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(directory / "admin.sock"))
        sock.sendall(b"show stat\n")
        with sock.makefile() as lines:
            return [line for line in lines if re.match(pattern, line)]


@pytest.mark.timeout(0 if REQUESTS > 2000 else 60)
def test_restarting_behind_haproxy_loses_nothing(tmp_path):
    ports = [str(free_port()), str(free_port())]
    configuration = replaced(
        block("haproxy", "frontend web"),
        **{
            "bind :80": "bind PORT",
            "10.0.0.1:3000": f"127.0.0.1:{ports[0]}",
            "10.0.0.2:3000": f"127.0.0.1:{ports[1]}",
        },
    )
    with (
        Supervised(tmp_path, [{"PORT": port} for port in ports]) as app,
        haproxy(tmp_path, configuration) as port,
    ):

        def restart() -> None:
            app.restart()
            wait_until(lambda: all(len(is_up(tmp_path, name)) == 1 for name in ("one", "two")))

        answered, lost = roll(port, restart, REQUESTS, kept=True)
    assert (lost, answered >= REQUESTS) == ([], True)


@contextlib.contextmanager
def tls_twin(deployed, certificates) -> Iterator[tuple[HttpServer, list[Any]]]:
    """The example with TLS, told by the PROXY protocol who its clients are."""
    server, seen = deployed(PROXY_PROTOCOL="1"), []
    server.is_secure = True
    server.load_certs(certificates.cert_file, certificates.key_file)
    server.on_receive(lambda request, response: seen.append((request.ip, request.scheme)))
    with server:
        yield server, seen
