"""What programs get wrong: each marked line is an error of mypy --strict and of pyright.

After "error:" comes mypy's code, and pyright's rule after a comma.
"""

from pathlib import Path

import bladehttp as http
from bladehttp import HookRequest, HttpClient, HttpRequest, HttpResponse, HttpServer

client = HttpClient()
server = HttpServer(0)


def hook(request: HookRequest) -> None: ...


def plain(response: HttpResponse) -> None: ...


client.get("/", timeout=5)  # error: call-arg, reportCallIssue
client.get("/", params={"a": 1})  # error: call-arg, reportCallIssue
client.get("/", recieve_timeout=1_000)  # error: call-arg, reportCallIssue
client.get("/", receive_timeout="1s")  # error: arg-type, reportArgumentType
client.get("/", receive_timeout=1.5)  # error: arg-type, reportArgumentType
client.get(b"/")  # error: arg-type, reportArgumentType
client.get("/", headers={"A": 1})  # error: arg-type, reportArgumentType
client.get("/", auth=("ada", 1))  # error: arg-type, reportArgumentType
client.get("/", query=1)  # error: arg-type, reportArgumentType
client.get("/", form={"a": 1}, data="text")  # error: call-arg, reportCallIssue
client.post("/", 1)  # error: arg-type, reportArgumentType
client.post("/", ["text"])  # error: list-item, reportArgumentType
client.post("/", form="a=1")  # error: arg-type, reportArgumentType
client.post("/", files={"a": 1})  # error: dict-item, reportArgumentType
client.stream("/", verify=False)  # error: call-arg, reportCallIssue
client.download("/", Path("a"), timeout=1)  # error: call-arg, reportCallIssue
http.get("/", allow_redirects=False)  # error: call-arg, reportCallIssue
http.post("/", content=b"")  # error: call-arg, reportCallIssue
HttpClient(proxies={})  # error: call-arg, reportCallIssue
http.AsyncHttpClient(cert="a.pem")  # error: call-arg, reportCallIssue
HttpServer(0, read_timout=1_000)  # error: call-arg, reportCallIssue

client.read_timeout = 1_000  # error: attr-defined, reportAttributeAccessIssue
client.follow_redirect = "yes"  # error: assignment, reportAttributeAccessIssue
client.cookies = {"a": "b"}  # error: assignment, reportAttributeAccessIssue
client.connect_timeout = 1.5  # error: assignment, reportAttributeAccessIssue
client.on_response = [hook]  # error: list-item, reportAttributeAccessIssue
client.on_request.append(plain)  # error: arg-type, reportArgumentType
HttpClient(on_request=[plain])  # error: list-item, reportArgumentType

for result in client.send_many(["/a", "/b"]):
    print(result.status)  # error: union-attr, reportAttributeAccessIssue
for result in client.send_many([1, 2]):  # error: list-item, reportArgumentType
    print(result)

response = client.get("/")
response.url.startswith(1)  # error: arg-type, reportArgumentType
response.body.encode()  # error: attr-defined, reportAttributeAccessIssue
number: int = response.text  # error: assignment, reportAssignmentType
written: int = response.json({"a": 1})  # error: assignment, reportAssignmentType

server.on_receive(plain)  # error: type-var, reportArgumentType
server.on_reply(lambda request, response: None)  # error: type-var, reportArgumentType
server.read_timeout = "2s"  # error: assignment, reportAttributeAccessIssue
server.load_certs(1)  # error: arg-type, reportArgumentType


@server.handle("GET", "/")  # error: type-var, reportArgumentType
def handler(request: HttpRequest) -> None: ...


async def forgotten() -> None:
    async with http.AsyncHttpClient() as asynchronous:
        print(asynchronous.get("/").status)  # error: attr-defined, reportAttributeAccessIssue
