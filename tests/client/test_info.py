"""info() and ``python -m bladehttp info``."""

import subprocess
import sys
from typing import Any

import pycurl
import pytest

import bladehttp
from bladehttp.cli import COMMANDS, main
from bladehttp.exceptions import CertificateFileError


def test_info_names_the_parts() -> None:
    info = bladehttp.info()
    assert info["bladehttp"] == bladehttp.__version__
    assert info["libcurl"] == pycurl.version_info()[1]
    assert info["pycurl"] in pycurl.version
    assert info["protocols"] == ["http", "https"]
    assert {"http2", "ssl", "libz"} <= set(info["features"])
    assert info["content_codings"] == ["gzip", "deflate"]


def test_info_tells_whom_is_trusted(certificates: Any, monkeypatch: Any) -> None:
    for name in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    assert bladehttp.info()["certificate_authorities"] == certificates.ca_file
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(CertificateFileError):
        bladehttp.info()


def test_the_command_prints_it() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "bladehttp", "info"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"bladehttp:                {bladehttp.__version__}"
    assert len(lines) == len(bladehttp.info())


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command.name, "--help"])
        assert ended.value.code == 0
        assert command.help in capsys.readouterr().out


def test_no_command_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"bladehttp {bladehttp.__version__}\n"


def test_info_by_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert "certificate_authorities:" in capsys.readouterr().out
