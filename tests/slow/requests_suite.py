"""Run the test suite of requests with RequestsAdapter in place of its own adapter.

The tests come with the source distribution of the installed version, from the package index. A test that fails
has to be in `KNOWN`, with the reason, and one that is there has to fail.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]

BEYOND_LOOPBACK = ("test_connect_timeout", "test_total_timeout_connect")
"""They connect to an address that is none of this machine's."""

KNOWN = {
    "test_chunked_encoding_error": "a head that is cut off is a ConnectionError, not a bad chunk",
    "test_conflicting_content_lengths": "libcurl refuses them: ConnectionError, not InvalidHeader",
    "test_proxy_authorization_preserved_on_request": "the field is for proxies, and no server gets it",
    "test_stream_timeout": "looks for urllib3's words in the message",
    "test_different_connection_pool_for_tls_settings_verify_True": "looks into urllib3's pools",
    "test_different_connection_pool_for_tls_settings_verify_bundle_expired_cert": "as above",
    "test_different_connection_pool_for_tls_settings_verify_bundle_unexpired_cert": "as above",
}

PLUGIN = """
import requests.sessions
from bladehttp.adapters import RequestsAdapter
requests.sessions.HTTPAdapter = RequestsAdapter
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = [sys.executable, "-m"]
        wanted = f"requests=={version('requests')}"
        fetch = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
        subprocess.run([*python, *fetch, "--dest", name], check=True)
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = next(folder.glob("requests-*/"))
        (source / "over_bladehttp.py").write_text(PLUGIN)
        subprocess.run([*python, "pip", "install", "--quiet", "pytest-mock", "pysocks"], check=True)
        left_out = [f"not {name}" for name in BEYOND_LOOPBACK]
        options = ["-q", "-n0", "-rf", "-W", "ignore", "-p", "over_bladehttp", "-p", "no:bladehttp"]
        done = subprocess.run(
            [*python, "pytest", *options, "-k", " and ".join(left_out), "tests"],
            cwd=source, env={"PYTHONPATH": f"{source}:{ROOT}", "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
    failed = set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE))
    print(done.stdout.splitlines()[-1])
    for each in sorted(failed & KNOWN.keys()):
        print(f"known: {each}: {KNOWN[each]}")
    for each in sorted(failed ^ KNOWN.keys()):
        print(f"{'FAILED' if each in failed else 'passes now'}: {each}")
    return 0 if failed == KNOWN.keys() else 1


if __name__ == "__main__":
    sys.exit(main())
