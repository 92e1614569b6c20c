"""info() and ``bladehttp info``."""

from typing import Any

import pycurl
import pytest

import bladehttp
from bladehttp.exceptions import CertificateFileError


def test_info_names_the_parts() -> None:
    info = bladehttp.info()
    assert info["bladehttp"] == bladehttp.__version__
    assert info["libcurl"] == pycurl.version_info()[1]
    assert info["pycurl"] in pycurl.version
    assert info["protocols"] == ["http", "https"]
    assert {"http2", "ssl", "libz"} <= set(info["features"])
    assert info["content_codings"] == ["gzip", "deflate", "br", "zstd"]


def test_info_tells_whom_is_trusted(certificates: Any, monkeypatch: Any) -> None:
    for name in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    assert bladehttp.info()["certificate_authorities"] == certificates.ca_file
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(CertificateFileError):
        bladehttp.info()


def test_the_command_prints_it_a_line_each(run: Any) -> None:
    code, out, err = run("info")
    assert (code, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0] == f"bladehttp:                {bladehttp.__version__}"
    assert [line.split(":")[0] for line in lines] == list(bladehttp.info())
