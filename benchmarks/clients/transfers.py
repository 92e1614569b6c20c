"""Large bodies: to memory, to a file, from a file, as multipart. The unit is a million bytes."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.clients import Bit

Job = dict[str, Any]

BUFFER = 512 * 1024
"""What libcurl and the file system take at a time, where it can be said."""


def _counted(job: Job, transfer: Callable[[], object]) -> Bit:
    def run() -> int:
        transfer()
        return int(job["megabytes"])

    return run


def _curl(job: Job) -> Any:
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, job["url"])
    curl.setopt(pycurl.BUFFERSIZE, BUFFER)
    curl.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER)
    return curl


# To memory


def bladehttp_memory(job: Job) -> Bit:
    from bladehttp import HttpClient

    client = HttpClient()
    return _counted(job, lambda: client.get(job["url"]).body)


def pycurl_memory(job: Job) -> Bit:
    curl = _curl(job)

    def get() -> bytes:
        body = BytesIO()
        curl.setopt(curl.WRITEDATA, body)
        curl.perform()
        return body.getvalue()

    return _counted(job, get)


def requests_memory(job: Job) -> Bit:
    import requests

    session = requests.Session()
    return _counted(job, lambda: session.get(job["url"]).content)


def httpx_memory(job: Job) -> Bit:
    import httpx

    client = httpx.Client()
    return _counted(job, lambda: client.get(job["url"]).content)


def pyreqwest_memory(job: Job) -> Bit:
    from pyreqwest.client import SyncClientBuilder

    client = SyncClientBuilder().build()
    return _counted(job, lambda: client.get(job["url"]).build().send().bytes())


def primp_memory(job: Job) -> Bit:
    import primp

    client = primp.Client()
    return _counted(job, lambda: client.get(job["url"]).content)


# To a file


def bladehttp_file(job: Job) -> Bit:
    from bladehttp import HttpClient

    client = HttpClient()
    return _counted(job, lambda: client.download(job["url"], job["target"]))


def pycurl_file(job: Job) -> Bit:
    curl = _curl(job)

    def get() -> None:
        with Path(job["target"]).open("wb", buffering=0) as file:
            curl.setopt(curl.WRITEDATA, file)
            curl.perform()

    return _counted(job, get)


def requests_file(job: Job) -> Bit:
    import requests

    session = requests.Session()

    def get() -> None:
        with (
            session.get(job["url"], stream=True) as response,
            Path(job["target"]).open("wb", buffering=0) as file,
        ):
            file.writelines(response.iter_content(BUFFER))

    return _counted(job, get)


def httpx_file(job: Job) -> Bit:
    import httpx

    client = httpx.Client()

    def get() -> None:
        with (
            client.stream("GET", job["url"]) as response,
            Path(job["target"]).open("wb", buffering=0) as file,
        ):
            file.writelines(response.iter_bytes(BUFFER))

    return _counted(job, get)


# From a file


def _opened(job: Job, send: Callable[[Any], object]) -> Bit:
    def upload() -> None:
        with Path(job["file"]).open("rb") as file:
            send(file)

    return _counted(job, upload)


def bladehttp_upload(job: Job) -> Bit:
    from bladehttp import HttpClient

    client = HttpClient()
    return _opened(job, lambda file: client.put(job["url"], file))


def pycurl_upload(job: Job) -> Bit:
    curl = _curl(job)
    curl.setopt(curl.UPLOAD, 1)
    curl.setopt(curl.INFILESIZE_LARGE, Path(job["file"]).stat().st_size)

    def send(file: Any) -> None:
        curl.setopt(curl.READFUNCTION, file.read)
        curl.setopt(curl.WRITEDATA, BytesIO())
        curl.perform()

    return _opened(job, send)


def requests_upload(job: Job) -> Bit:
    import requests

    session = requests.Session()
    return _opened(job, lambda file: session.put(job["url"], data=file).content)


def httpx_upload(job: Job) -> Bit:
    import httpx

    client = httpx.Client()
    return _opened(job, lambda file: client.put(job["url"], content=file).content)


# As multipart


def bladehttp_multipart(job: Job) -> Bit:
    from bladehttp import HttpClient

    client = HttpClient()
    return _counted(job, lambda: client.post(job["url"], files={"file": Path(job["file"])}))


def pycurl_multipart(job: Job) -> Bit:
    import pycurl

    curl = _curl(job)

    def send() -> None:
        curl.setopt(curl.HTTPPOST, [("file", (pycurl.FORM_FILE, job["file"]))])
        curl.setopt(curl.WRITEDATA, BytesIO())
        curl.perform()

    return _counted(job, send)


def requests_multipart(job: Job) -> Bit:
    import requests

    session = requests.Session()
    return _opened(job, lambda file: session.post(job["url"], files={"file": file}).content)


def httpx_multipart(job: Job) -> Bit:
    import httpx

    client = httpx.Client()
    return _opened(job, lambda file: client.post(job["url"], files={"file": file}).content)
