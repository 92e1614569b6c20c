"""Setting: the files and the servers that a run needs, gone when it ends."""

import itertools
import json
import sys
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from benchmarks.heads import browser_head, cookie_heads, proxied_heads
from benchmarks.processes import SERVER_CORE, Group, free_port
from benchmarks.servers import nginx

HEADS = 4096
"""Different heads: 64 browsers that ask for 64 paths each."""


class Web(NamedTuple):
    """The URLs of one server: plain, TLS with HTTP/1.1 only, TLS with HTTP/2."""

    plain: str
    tls: str
    http2: str


def as_pkcs8(pem: bytes) -> bytes:
    """Return a key in the only form that granian reads."""
    return load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


class Setting:
    """What all rows share.

    Attributes:
        directory: For files, gone at the end.
        pem: Certificate and key of localhost.
        key: The key alone.
        authority: Certificate of who signed it.
    """

    def __init__(self) -> None:
        """Make the directory and the certificates."""
        self._closing = ExitStack()
        self.directory = Path(
            self._closing.enter_context(tempfile.TemporaryDirectory(prefix="bladehttp-bench-"))
        )
        self.directory.chmod(0o755)  # nginx's worker may be another user
        authority = trustme.CA()
        self.pem = str(self.directory / "server.pem")
        self.key = str(self.directory / "key.pem")
        self.authority = str(self.directory / "authority.pem")
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.pem)
        Path(self.key).write_bytes(as_pkcs8(certificate.private_key_pem.bytes()))
        authority.cert_pem.write_to_path(self.authority)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def file(self, megabytes: int) -> str:
        """Return a file of so many million bytes, which nginx of `web` also serves."""
        path = self.directory / f"{megabytes}.bin"
        if not path.exists():
            path.write_bytes(bytes(megabytes * 1_000_000))
        return str(path)

    @cached_property
    def heads(self) -> str:
        """The file of browsers' heads."""
        path = self.directory / "heads"
        numbers = range(HEADS)
        paths = [f"/products/{number * 7919 % 10007}?page={number % 13}" for number in numbers]
        path.write_bytes(b"".join(browser_head(number % 64, paths[number]) for number in numbers))
        return str(path)

    @cached_property
    def proxied(self) -> str:
        """The file of heads as a proxy passes them on: no two are the same."""
        path = self.directory / "proxied"
        path.write_bytes(b"".join(itertools.islice(proxied_heads(), 4 * HEADS)))
        return str(path)

    @cached_property
    def cookies(self) -> str:
        """The file of browsers' heads with 2.8 KB of cookies."""
        path = self.directory / "cookies"
        path.write_bytes(b"".join(itertools.islice(cookie_heads(), HEADS)))
        return str(path)

    @cached_property
    def uvicorn_log(self) -> str:
        """The file that has uvicorn write its access log to a file."""
        path = self.directory / "uvicorn-log.json"
        logging = {
            "version": 1,
            "formatters": {
                "access": {
                    "()": "uvicorn.logging.AccessFormatter",
                    "fmt": '%(asctime)s %(client_addr)s "%(request_line)s" %(status_code)s',
                    "use_colors": False,
                }
            },
            "handlers": {
                "access": {
                    "class": "logging.FileHandler",
                    "filename": str(self.directory / "uvicorn.log"),
                    "formatter": "access",
                }
            },
            "loggers": {
                "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False}
            },
        }
        path.write_text(json.dumps(logging))
        return str(path)

    @cached_property
    def web(self) -> Web:
        """An nginx that clients are measured against."""
        ports = free_port(), free_port(), free_port()
        path = nginx.configure(self.directory, self.pem, *ports)
        group = Group([nginx.program(), "-c", path], SERVER_CORE)
        self._closing.callback(group.close)
        group.wait_listening(ports[0])
        plain, tls, http2 = ports
        return Web(
            f"http://127.0.0.1:{plain}/",
            f"https://127.0.0.1:{tls}/",
            f"https://127.0.0.1:{http2}/",
        )

    @cached_property
    def sink(self) -> str:
        """The URL of a server that swallows what is sent to it."""
        port = free_port()
        group = Group([sys.executable, "-m", "benchmarks.servers.swallow", str(port)], SERVER_CORE)
        self._closing.callback(group.close)
        group.wait_listening(port)
        return f"http://127.0.0.1:{port}/"
