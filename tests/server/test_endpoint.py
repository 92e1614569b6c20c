"""Where a server listens: unix sockets, ports shared by processes, sockets opened by others."""

import errno
import fcntl
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support import PATIENCE, Raw, child, nothing_left, wait_until

import bladehttp as http
from bladehttp.server import HttpServer, inherited_socket
from bladehttp.server._net import endpoint


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "app.sock")


def unix(path: str, **settings) -> HttpServer:
    server = HttpServer(0, f"unix:{path}")
    for name, value in settings.items():
        setattr(server, name, value)
    server.on_receive(
        lambda request, response: response.json([request.path, request.ip, request.port])
    )
    return server


def ask(path: str, url: str = "http://localhost/") -> http.HttpResponse:
    with http.HttpClient() as client:
        client.unix_socket = path
        return client.get(url)


def left_over(path: str) -> None:
    """Leave the file of a socket that nobody listens on, as a server does that is killed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


def test_the_client_asks_over_a_unix_socket_whose_peer_has_no_address(path):
    with unix(path) as server:
        assert ask(path, f"{server.url}/users").json() == ["/users", "", 0]


def test_the_file_is_removed_when_the_server_closes_and_it_can_listen_again(path):
    server = unix(path)
    for _ in range(2):
        with server:
            assert ask(path).status == 200
        assert not Path(path).exists()


def test_a_server_on_a_unix_socket_says_where_it_is(path):
    server = HttpServer(3000, f"unix:{path}")
    with server:
        assert (server.host, server.port, server.url) == (f"unix:{path}", 0, "http://localhost")
        assert repr(server) == f"<HttpServer unix:{path}>"
    assert HttpServer(0, f"unix:{path}", True).url == "https://localhost"


def test_tls_works_over_a_unix_socket(path, certificates):
    server = HttpServer(0, f"unix:{path}", is_secure=True)
    server.load_certs(certificates.cert_file, certificates.key_file)
    with server, http.HttpClient(unix_socket=path, ca_cert=certificates.ca_file) as client:
        assert client.get(server.url).status == 404


def test_shutdown_removes_the_file(path):
    server = unix(path)
    server.on_receive(lambda request, response: server.shutdown())
    server.start()
    assert ask(path).status == 200
    wait_until(lambda: server.socket is None)
    assert not Path(path).exists()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_file_has_the_mode_that_is_wanted(path, mode):
    with unix(path, unix_mode=mode):
        assert stat.S_IMODE(Path(path).stat().st_mode) == mode


def test_without_a_mode_the_umask_decides(path):
    before = os.umask(0o027)
    try:
        with unix(path):
            assert stat.S_IMODE(Path(path).stat().st_mode) == 0o777 & ~0o027
    finally:
        os.umask(before)


def test_what_a_killed_server_left_is_replaced(path):
    left_over(path)
    with unix(path):
        assert ask(path).status == 200


def test_a_socket_that_is_listened_on_is_not_taken_over(path):
    with unix(path):
        with nothing_left(), pytest.raises(OSError, match="in use"):
            unix(path).start()
        assert ask(path).status == 200


RACER = """
import sys
from bladehttp.server import HttpServer
print("ready", flush=True)
for line in sys.stdin:
    server = HttpServer(0, "unix:" + line.strip())
    try:
        server.start()
    except OSError as error:
        print(error.errno, flush=True)
    else:
        print("listens", flush=True)
    sys.stdin.readline()
    server.close()
"""


def test_one_of_several_processes_that_start_at_once_replaces_what_was_left(tmp_path):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", RACER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with ExitStack() as stack:
        racers = [stack.enter_context(child(command, **pipes)) for _ in range(4)]
        assert [each.stdout.readline() for each in racers] == ["ready\n"] * 4
        for number in range(10):
            path = str(tmp_path / f"{number}.sock")
            left_over(path)
            for each in racers:
                each.stdin.write(f"{path}\n")
            results = sorted(each.stdout.readline() for each in racers)
            assert results == [f"{errno.EADDRINUSE}\n"] * 3 + ["listens\n"]
            assert ask(path).status == 404
            for each in racers:
                each.stdin.write("close\n")
        for each in racers:
            each.stdin.close()


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_start_waits_for_another_in_the_same_directory(path, tmp_path):
    left_over(path)
    with locked(tmp_path) as lock, ThreadPoolExecutor(1) as pool:
        starting = pool.submit(unix(path).start)
        with pytest.raises(TimeoutError):
            starting.result(0.05)
        fcntl.flock(lock, fcntl.LOCK_UN)
        starting.result(PATIENCE).close()


def test_a_directory_that_stays_locked_is_an_address_in_use(path, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "LOCK_S", 0.02)
    with locked(tmp_path), nothing_left(), pytest.raises(OSError, match="in use") as caught:
        unix(path).start()
    assert caught.value.errno == errno.EADDRINUSE


def test_closing_twice_removes_no_file_that_has_the_inode_of_the_first(path, tmp_path):
    listening = endpoint.listen_unix(path, 1, None)
    os.link(path, tmp_path / "same")
    listening.close()
    (tmp_path / "same").rename(path)
    listening.close()
    assert os.path.lexists(path)


@pytest.mark.parametrize("kind", ["file", "directory", "link", "datagrams"])
def test_what_is_no_such_socket_is_left_alone(path, tmp_path, kind):
    if kind == "file":
        Path(path).write_text("precious")
    elif kind == "directory":
        Path(path).mkdir()
    elif kind == "link":
        left_over(str(tmp_path / "other.sock"))
        Path(path).symlink_to(tmp_path / "other.sock")
    datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if kind == "datagrams":
        datagrams.bind(path)
    with datagrams, nothing_left(), pytest.raises(OSError, match="in use"):
        unix(path).start()
    assert os.path.lexists(path)


def test_another_servers_file_is_not_removed(path):
    first = unix(path).start()
    Path(path).unlink()
    with unix(path):
        first.close()
        assert ask(path).status == 200


def test_a_file_that_has_gone_does_no_harm(path):
    with unix(path):
        Path(path).unlink()


def test_the_file_is_found_again_from_another_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with unix("app.sock"):
        monkeypatch.chdir("/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "\0abstract", "a\0b"], ids=repr)
def test_a_path_has_a_name(name):
    with pytest.raises(ValueError, match="not the path"):
        unix(name).start()


def test_a_file_that_cannot_be_made_is_an_error_of_start(tmp_path):
    with nothing_left(), pytest.raises(OSError, match="No such file"):
        unix(str(tmp_path / "none" / "app.sock")).start()


def test_a_mode_that_is_none_leaves_no_file(path):
    with nothing_left(), pytest.raises(TypeError):
        unix(path, unix_mode="rw").start()
    assert not Path(path).exists()


def test_a_start_for_which_descriptors_do_not_suffice_leaves_nothing(path):
    server = unix(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))  # one: for the socket
    try:
        with pytest.raises(OSError, match="Too many open files"):
            server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not Path(path).exists()
    with server:
        assert ask(path).status == 200


def test_a_forked_child_leaves_the_file_to_its_parent(path):
    with unix(path):
        child = os.fork()
        if not child:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ask(path).status == 200


def test_a_request_to_its_own_unix_socket_is_refused_and_another_one_is_not(path, tmp_path):
    errors, answers = [], []
    with unix(str(tmp_path / "other.sock")) as other, unix(path) as server:

        @server.on_receive
        def around(request, response):
            answers.append(ask(other.host.removeprefix("unix:")).status)
            ask(str(tmp_path / ".." / tmp_path.name / "app.sock"))

        server.on_error(lambda error, client: errors.append(error))
        assert ask(path).status == 500
    assert answers == [200]
    assert f"{path.rpartition('/')[2]} from a callback" in str(errors[0])
    assert "would wait for itself" in str(errors[0])


@pytest.mark.parametrize(("trusted", "ip"), [(["unix:"], "1.2.3.4"), (["10.0.0.0/8"], "")])
def test_a_proxy_on_a_unix_socket_is_believed_when_named(path, trusted, ip):
    with (
        unix(path, trusted_proxies=trusted) as server,
        http.HttpClient(unix_socket=path) as client,
    ):
        answer = client.get(server.url, headers={"X-Forwarded-For": "1.2.3.4"})
        assert answer.json()[1] == ip


# Processes


@contextmanager
def process(script: str, *arguments: str, **options) -> Iterator[subprocess.Popen]:
    """A Python program that prints a line when it is ready; SIGTERM ends it."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options) as running:
        try:
            assert running.stdout.readline() == "ready\n"
            yield running
            running.send_signal(signal.SIGTERM)
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()


SHARED_PORT = """
import os, sys
from bladehttp.server import HttpServer
server = HttpServer(int(sys.argv[1]))
server.reuse_port = True
server.on_receive(lambda request, response: response.write(str(os.getpid())))
import threading
def tell():
    while server.socket is None: pass
    print("ready", flush=True)
threading.Thread(target=tell).start()
server.listen(signals=True)
"""


def test_two_processes_share_a_port():
    with socket.socket() as reserved:  # bound, not listening: the port stays ours to give
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with process(SHARED_PORT, str(port)) as one, process(SHARED_PORT, str(port)) as two:
            answered = set()
            for _ in range(100):  # all by one has a probability of 2 ** -99
                with Raw(port) as client:
                    answered.add(int(client.get("/", "Connection: close").response().body))
            assert answered == {one.pid, two.pid}


def test_a_port_is_shared_only_by_those_who_say_so():
    server = HttpServer(0)
    server.reuse_port = True
    with server, pytest.raises(OSError, match="in use"):
        HttpServer(server.port).start()


# Sockets opened by others


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.mark.parametrize("form", ["socket", "descriptor"])
def test_a_given_socket_is_listened_on_and_stays_the_givers(listening, form):
    given = listening if form == "socket" else listening.fileno()
    server = HttpServer(0, socket=given)
    for _ in range(2):  # the server can listen again
        with server, Raw(listening.getsockname()[1]) as client:
            assert client.get().response().status == 404
            assert (server.host, server.port) == listening.getsockname()
    assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_a_client_that_came_while_nobody_served_is_answered_by_the_next_who_does(listening):
    with Raw(listening.getsockname()[1]) as client:
        client.get()
        with HttpServer(0, socket=listening):
            assert client.response().status == 404


def test_a_given_socket_that_is_only_bound_is_made_to_listen():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with HttpServer(0, socket=sock) as server, Raw(server.port) as client:
            assert client.get().response().status == 404


def test_a_given_unix_socket_keeps_its_file(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        with HttpServer(0, socket=sock) as server:
            assert server.host == f"unix:{path}"
            assert ask(path).status == 404
    assert Path(path).exists()


def test_a_given_socket_without_a_file_has_its_name_as_the_path():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0bladehttp-test")
        with HttpServer(0, socket=sock) as server:
            assert server.host == "unix:\0bladehttp-test"


def test_a_socket_that_cannot_listen_is_an_error_of_start(listening):
    with (
        socket.create_connection(listening.getsockname()) as connected,
        nothing_left(),
        pytest.raises(OSError, match="Invalid argument"),
    ):
        HttpServer(0, socket=connected).start()


def test_none_given_is_host_and_port():
    with HttpServer(0, socket=None) as server, Raw(server.port) as client:
        assert client.get().response().status == 404


# Socket activation: a program as systemd execs it, with descriptors from 3 on and LISTEN_*

ACTIVATED = """
import os, threading
from bladehttp.server import HttpServer, inherited_socket
from bladehttp.server._net import endpoint
def server(*name):
    given = inherited_socket(*name)
    seen = [given, os.get_inheritable(given)]
    made = HttpServer(0, socket=given)
    made.on_receive(lambda request, response: response.json([*seen, made.port]))
    return made
with server():
    admin = server("admin")
    def tell():
        while admin.socket is None: pass
        print("ready", flush=True)
    threading.Thread(target=tell).start()
    admin.listen(signals=True)
"""

# What systemd does between fork and exec; LISTEN_PID has to be that of the process itself.
AS_SYSTEMD = """
import os, sys
for number in 0, 1:
    os.dup2(int(sys.argv[1 + number]), 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:admin")
os.execv(sys.executable, [sys.executable, "-X", "dev", "-W", "error", "-c", sys.argv[3]])
"""


def test_sockets_of_systemd_are_served_by_the_process_they_were_handed_to(listening):
    with socket.create_server(("127.0.0.1", 0)) as second:
        copies = [  # out of the way of 3 and 4
            fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 10) for sock in (listening, second)
        ]
        arguments = [*map(str, copies), ACTIVATED]
        try:
            with process(AS_SYSTEMD, *arguments, pass_fds=copies):
                for sock, descriptor in (listening, 3), (second, 4):
                    port = sock.getsockname()[1]
                    with Raw(port) as client:
                        body = client.get("/", "Connection: close").response().body
                    assert body == b"[%d, false, %d]" % (descriptor, port)
        finally:
            for descriptor in copies:
                os.close(descriptor)


def test_a_name_that_was_not_handed_over_is_an_error(monkeypatch):
    for name, value in ("PID", str(os.getpid())), ("FDS", "1"), ("FDNAMES", "http:more"):
        monkeypatch.setenv(f"LISTEN_{name}", value)
    with pytest.raises(LookupError, match=r"no inherited socket is named 'htpp', only \['http'\]"):
        inherited_socket("htpp")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getppid())},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
    ],
    ids=["nothing", "for another process", "none"],
)
def test_without_systemd_there_is_no_inherited_socket(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert inherited_socket() is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1"),
        ("0.0.0.0", "http://127.0.0.1"),
        ("::", "http://[::1]"),
        ("[::]", "http://[::1]"),
        ("::1", "http://[::1]"),
        ("[::1]", "http://[::1]"),
        ("localhost", "http://localhost"),
    ],
)
def test_url_is_one_that_can_be_connected_to(host, url):
    with HttpServer(0, host) as server, http.HttpClient() as client:
        server.on_receive(lambda request, response: response.write(request.host))
        assert server.url == f"{url}:{server.port}"
        assert client.get(server.url).text == url.removeprefix("http://").strip("[]")
        assert server.host == host
