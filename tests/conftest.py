import gc
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from support import Certificates, is_not_of_slowness

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
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Without the warnings of slow handlers."""
    caplog.handler.addFilter(is_not_of_slowness)
    return caplog


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Collect no garbage: what is left counts, or the time that it takes does not."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
