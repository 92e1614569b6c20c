"""The program as it is started, in a pipe and on a terminal, and a server to talk to."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading

from support import PATIENCE, SLOWNESS

PROGRAM = [sys.executable, "-W", "error", "-m", "bladehttp"]


ENVIRONMENT = {
    **os.environ,
    "PYTHONDONTWRITEBYTECODE": "",  # or each start compiles the package again
    "PYTHONUNBUFFERED": "",  # or argparse does not mind that nobody reads its help
}


def program(
    *words: object, data: bytes | None = None, start: list[str] = PROGRAM
) -> subprocess.CompletedProcess:
    """Run the program as a process of its own, with pipes."""
    command = [*start, *map(str, words)]
    return subprocess.run(
        command, input=data, capture_output=True, timeout=PATIENCE * 3, check=False, env=ENVIRONMENT
    )


class Running:
    """The program while it runs, with a pipe for each of its outputs."""

    def __init__(self, *words: object) -> None:
        command = [*PROGRAM, *map(str, words)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )

    def line(self) -> str:
        return self.process.stdout.readline().decode()

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Press Ctrl-C, or send a signal.

        Returns:
            The exit code and the rest of both outputs, without the warnings of slow handlers.
        """
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        lines = [line for line in err.decode().splitlines(keepends=True) if SLOWNESS not in line]
        return self.process.returncode, out.decode(), "".join(lines)


class Terminal:
    """The program on a terminal of 80 columns (a pty), and all that it wrote there."""

    def __init__(self, words: tuple[object, ...], start: list[str], environment: dict) -> None:
        self.written = ""
        self._side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [*start, *map(str, words)], stdin=other, stdout=other, stderr=other,
            # one system call, and nothing else makes a terminal the controlling one
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            env={**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "", **environment},
        )  # fmt: skip
        os.close(other)

    def read(self) -> bool:
        """Read what comes next; False at the end."""
        ready, _, _ = select.select([self._side], [], [], PATIENCE)
        assert ready, f"silent after {self.written!r}"
        try:
            data = os.read(self._side, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.written += data.decode()
        return bool(data)

    def until(self, text: str) -> None:
        while text not in self.written:
            assert self.read(), f"ended with {self.written!r}"

    def press(self, keys: str) -> None:
        os.write(self._side, keys.encode())

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._side)


class Scripted:
    """A server that answers every connection with the same bytes, then waits or hangs up."""

    def __init__(self, data: bytes, stays: bool) -> None:
        self._data, self._stays = data, stays
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with sock:
                if self._ended.is_set():
                    return
                with contextlib.suppress(OSError):
                    self._answer(sock)

    def _answer(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(65536)
            if not data:
                return
            head += data
        self.asked.append(head.decode("latin-1"))
        sock.sendall(self._data)
        if self._stays:
            sock.recv(1)

    def close(self) -> None:
        self._ended.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(PATIENCE)
        self._listener.close()
