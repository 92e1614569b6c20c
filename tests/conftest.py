import gc
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, Phase, settings

# A job in the background is started with SIGINT ignored, and so would all children be.
is_main = threading.current_thread() is threading.main_thread()
if is_main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.register_profile(  # tests/slow/mutate.py: whether a test fails counts, and not by what
    "mutation",
    settings.get_profile("suite"),
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of every collection of garbage; many tests ask for one."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Collect no garbage: what is left counts, or the time that it takes does not."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Certificates:
    """A throw-away authority and what it signed, as files."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.directory = directory
        self.cert_file, self.key_file = self.issue("server", "localhost", "127.0.0.1", "::1")

    def issue(self, file_name: str, *names: str) -> tuple[str, str]:
        certificate = self.authority.issue_cert(*names)
        cert_file = str(self.directory / f"{file_name}.pem")
        key_file = str(self.directory / f"{file_name}.key")
        for number, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(cert_file, append=number > 0)
        certificate.private_key_pem.write_to_path(key_file)
        return cert_file, key_file

    def client_context(self, chain: tuple[str, str] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if chain is not None:
            context.load_cert_chain(*chain)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
