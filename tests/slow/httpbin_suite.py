"""Run the test suite of httpbin, a Flask application, with the application mounted on a server.

The tests come with the source distribution of the installed version, from the package index. Its test client is
replaced by one that sends each request to the server. A test that fails has to be in `KNOWN`, with the reason, and
one that is there has to fail.
"""

import importlib.util
import json
import subprocess
import sys
import tarfile
import tempfile
import unittest
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpbin

import bladehttp as http

KNOWN = {
    "test_bearer_auth_with_wrong_authorization_type": "sends a field without a name",
    "test_digest_auth_with_wrong_authorization_type": "as above",
    "test_post_chunked": "names the transfer coding itself, and expects that chunks cannot be read",
}


class Answer:
    """A response under the names that werkzeug's test client has."""

    def __init__(self, response: http.HttpResponse) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.data = response.body
        self.content_type = response.headers.get("Content-Type", "")
        self.mimetype = self.content_type.partition(";")[0]
        self.content_length = int(response.headers.get("Content-Length", "0"))

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    def get_data(self, as_text: bool = False) -> Any:
        return self.data.decode() if as_text else self.data


class Client:
    """What the tests use of werkzeug's test client, over a socket."""

    url = ""

    def __init__(self) -> None:
        self._client = http.HttpClient(
            self.url, user_agent="", accept_encoding=None, cookies=True, follow_redirect=False
        )

    def open(
        self, path: str, method: str = "GET", headers: Any = (), data: Any = None, **others: Any
    ) -> Answer:
        fields = list(dict(headers).items() if isinstance(headers, dict) else headers or ())
        if "content_type" in others:
            fields.append(("Content-Type", others["content_type"]))
        body: dict[str, Any] = {"data": data}
        if isinstance(data, dict):
            has_file = any(hasattr(value, "read") for value in data.values())
            body = {"files": data} if has_file else {"form": data}
        path = quote(path, safe="/?=&%:,;+!$'()*@~-._")
        return Answer(self._client.send_request(path, method, headers=fields, **body))

    def __getattr__(self, name: str) -> Any:
        return lambda path, **options: self.open(path, name.upper(), **options)


def load_tests_of_httpbin(folder: Path) -> Any:
    wanted = f"httpbin=={version('httpbin')}"
    fetch = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
    subprocess.run([sys.executable, "-m", *fetch, "--dest", folder], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    path = next(folder.glob("httpbin-*/tests/test_httpbin.py"))
    spec = importlib.util.spec_from_file_location("test_httpbin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, http.server(0) as server:
        server.mount("/", httpbin.app)
        Client.url = server.url
        httpbin.app.test_client = Client
        suite = unittest.defaultTestLoader.loadTestsFromModule(load_tests_of_httpbin(Path(folder)))
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    failed = {test.id().rpartition(".")[2] for test, _ in result.failures + result.errors}
    for each in sorted(failed ^ KNOWN.keys()):
        print("fails" if each in failed else "is known to fail, and passes", each)
    print(json.dumps({"run": result.testsRun, "failed": sorted(failed)}))
    return bool(failed ^ KNOWN.keys() or result.testsRun < 60)


if __name__ == "__main__":
    raise SystemExit(main())
