"""The command lines that users of curl and HTTPie type, each run beside curl where curl has it.

Both programs send to the same server, from directories with the same files. They have to send the
same request, print the same, write the same files and end with the same exit code, up to the
differences that are named here and in docs/decisions/0098.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import PATIENCE

import bladehttp as http
from bladehttp._cli import main

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

OF_THE_PROGRAM = {"user-agent", "accept-encoding"}
"""Fields that name the program and the codings it knows."""

# libcurl 7.88 sends Expect with every PUT, later ones with long bodies only; and their boundaries
# are of other lengths, which Content-Length tells
OF_THE_VERSION = {"expect"}
boundary = re.compile(rb"-{20,}[0-9A-Za-z]{16,22}")
length_of_form = re.compile(r"multipart/form-data; boundary=BOUNDARY")


class Sent(NamedTuple):
    """A request as the server had it."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes


class Done(NamedTuple):
    """How a command ended: its exit code, its output and the files in its directory."""

    code: int
    out: bytes
    files: dict[str, bytes]


class Recorder:
    """A server that records each request and answers by the path."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.server = http.server(0)
        self.server.powered_by = None
        self.server.on_receive(self._answer)

    def _answer(self, request: http.HttpRequest, response: http.HttpResponse) -> None:
        cookies = request.cookies
        fields = [
            *request.headers.pairs(),
            *(("Cookie", f"{name}={each}") for name in cookies for each in cookies.get_all(name)),
        ]
        fields = [
            (name, boundary.sub(b"BOUNDARY", value.encode("latin-1")).decode("latin-1"))
            for name, value in fields
        ]
        body = boundary.sub(b"BOUNDARY", request.raw_body)
        self.requests.append(Sent(request.method, request.request_uri, fields, body))
        response.headers["Content-Type"] = "text/plain"
        response.headers["Date"] = "Thu, 01 Jan 1970 00:00:00 GMT"
        status = re.fullmatch(r"/status/(\d+)", request.path)
        if status:
            response.status = int(status[1])
        elif request.path.startswith("/redirect"):
            response.redirect("/end", 302)
        elif request.path == "/cookie":
            response.set_cookie("a", "1", path="/")
        elif request.path == "/named":
            response.headers["Content-Disposition"] = 'attachment; filename="report.txt"'
        elif request.path == "/private" and "Authorization" not in request.headers:
            response.status = 401
            response.headers["WWW-Authenticate"] = 'Basic realm="x"'
        response.write(f"{request.method} {request.request_uri}\n")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with recorder.server:
        yield recorder


FILES = {
    "data.json": b'{"a": 1,\n "b": [2]}\n',
    "lines.txt": b"one=1\r\ntwo=2\n",
    "photo.png": b"\x89PNG\r\n\x1a\n",
    "fields.txt": b"X-One: 1\nX-Two: 2\n",
    "format.txt": b"code: %{http_code}\\n\nsize: %{size_download}\n",
    "jar.txt": b"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkept\tyes\n",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name not in FILES
    }


def comparable(sent: list[Sent]) -> list[Sent]:
    """Leave out fields that name the program, and the order of fields, which has no meaning."""
    return [each._replace(fields=sorted(_own(each.fields))) for each in sent]


def _own(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    gone = OF_THE_PROGRAM | OF_THE_VERSION
    if any(length_of_form.match(value) for _, value in fields):
        gone = gone | {"content-length"}
    return [(name, value) for name, value in fields if name.lower() not in gone]


@pytest.fixture
def ours(recorder, directory, monkeypatch, capfdbinary) -> Callable[..., tuple[Done, list[Sent]]]:
    """Run bladehttp in a directory of its own."""

    def run(*words: str, data: bytes = b"") -> tuple[Done, list[Sent]]:
        recorder.requests.clear()
        monkeypatch.chdir(directory)
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        with os.fdopen(reader) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            code = main(placed(recorder, words))
        out = capfdbinary.readouterr().out
        return Done(code, out, files_in(directory)), list(recorder.requests)

    return run


def placed(recorder: Recorder, words: tuple[str, ...]) -> list[str]:
    """Put the address of the server into the words."""
    url, port = recorder.server.url, str(recorder.server.port)
    return [word.replace("{url}", url).replace("{port}", port) for word in words]


def curl(recorder, directory, *words: str, data: bytes = b"") -> tuple[Done, list[Sent]]:
    """Run curl in a directory of its own."""
    recorder.requests.clear()
    directory = directory / "curl"
    directory.mkdir()
    for name, content in FILES.items():
        (directory / name).write_bytes(content)
    command = ["curl", *placed(recorder, words)]
    done = subprocess.run(
        command, input=data, capture_output=True, cwd=directory, timeout=PATIENCE, check=False
    )
    return Done(done.returncode, done.stdout, files_in(directory)), list(recorder.requests)


SAME = """
get                {url}/users/1
get-query          {url}/search?q=a%20b&page=2
no-path            {url}
post-form          {url} -d a=1 -d b=2
post-joined        {url} -da=1
data-file          {url} -d @lines.txt
data-binary        {url} --data-binary @lines.txt
data-raw           {url} --data-raw @lines.txt
data-stdin         {url} -d @-
data-ascii         {url} --data-ascii x=y
data-empty         {url} -d ''
json-header        -X POST {url} -H 'Content-Type: application/json' -d '{"a": 1}'
json-file          {url} -H 'Content-Type: application/json' -d @data.json
json-option        {url} --json '{"a":1}'
json-option-file   {url} --json @data.json
put-json           -X PUT {url}/users/1 -H 'Content-Type: application/json' --data-binary @data.json
patch              -XPATCH {url}/users/1 -d a=1
delete             -X DELETE {url}/users/1
purge              -X PURGE {url}/page
urlencode-text     {url} --data-urlencode 'x y&z'
urlencode-equals   {url} --data-urlencode '=x y=z'
urlencode-name     {url} --data-urlencode 'name=x+y/é~'
urlencode-file     {url} --data-urlencode @lines.txt
urlencode-named    {url} --data-urlencode name@lines.txt
get-data           {url}/search -G -d q=a -d n=2
get-data-more      {url}/search?a=1 -G --data-urlencode 'q=x y'
get-head           {url}/search -G -I -d q=a
form               {url} -F name=ada -F 'photo=@photo.png'
form-type          {url} -F 'doc=@lines.txt;type=text/csv;filename=a b.csv'
form-text          {url} -F 'note=<lines.txt' -F 'json={"a":1};type=application/json'
form-quoted        {url} -F 'name="a;b"' -F 'doc=@"photo.png"'
form-blanks        {url} -F 'html= <b>;type=text/html;charset=utf-8'
form-string        {url} --form-string 'x=@y;type=z'
upload             -T photo.png {url}/photo
upload-name        -T photo.png {url}/photos/
upload-stdin       -T - {url}/photo
range              -r 0-3 {url}/file
agent-referer      {url} -A me/1.0 -e http://a.example/
head               -I {url}/users/1
include            -i {url}/users/1
user               -u ada:secret {url}/private
user-colon         -u 'ada:a:b' {url}
user-empty         -u ada: {url}
bearer             --oauth2-bearer token {url}
cookie             -b 'a=1; b=2' {url}
cookie-file        -b jar.txt {url}
cookie-missing     -b nothing.txt {url}
headers            {url} -H 'X-One: 1' -H 'X-Two:2' -H 'X-Empty;'
header-file        {url} -H @fields.txt
no-content-type    {url} -H 'Content-Type:' -d a=1
no-accept          {url} -H 'Accept:'
no-agent           {url} -H 'User-Agent:'
host               {url} -H 'Host: a.example'
fail-404           -f {url}/status/404
fail-500           -fsS {url}/status/500
fail-with-body     --fail-with-body {url}/status/404
silent             -sS {url}/users/1
code               -s -o /dev/null -w '%{http_code}' {url}/users/1
code-404           -s -o /dev/null -w '%{http_code}\\n' {url}/status/404
code-head          -sI -o /dev/null -w '%{http_code} %{content_type}' {url}
code-and-body      -s -w '\\n%{http_code} %{method} %{num_redirects}\\n' {url}/x
code-and-file      -s -o body.txt -w '%{http_code} %{filename_effective}' {url}/status/404
write-out-sizes    -sw '%{size_download} %{size_upload} %{size_header} %{url}' {url}/x -d abc
write-out-percent  -s -w '%% %{unknown}%{http_version}\\t' {url}/x
write-out-header   -s -o /dev/null -w '%header{content-type}|%{header_json}' {url}/x
output             -o a.txt {url}/a
output-joined      -sSLo a.txt {url}/a
outputs            -o a.txt -o b.txt {url}/a {url}/b
remote-name        -O {url}/dir/a.txt
remote-names       -O {url}/a.txt -O {url}/b.txt
remote-query       -O {url}/a.txt?v=1
remote-header      -OJ {url}/named
remote-header-none -O -J {url}/plain.txt
remote-no-name     -O {url}/
output-dir         --output-dir out --create-dirs -o a.txt {url}/a -w '%{filename_effective}'
dump-header        -s -D head.txt -o /dev/null {url}/x
dump-headers       -s -D head.txt {url}/x {url}/y
dump-header-out    -s -D - -o /dev/null {url}/x
several            {url}/a {url}/b
url-option         --url {url}/a
location           -L {url}/redirect
location-post      -L {url}/redirect -d a=1
cookie-jar-read    -b jar.txt {url}/cookie {url}/next
connect-refused    http://127.0.0.1:1/
connect-name       http://nothing.invalid/
bad-scheme         foo://127.0.0.1/
bad-port           http://127.0.0.1:99999999/
missing-file       -T nothing.bin {url}
missing-form-file  {url} -F a=@nothing.bin
missing-cert       -E nothing.pem https://127.0.0.1:{port}/
max-redirects      -L --max-redirs 0 {url}/redirect
refused-code       -s -w '%{http_code} %{exitcode} %{num_connects}' http://127.0.0.1:1/
proxy-refused      -x http://127.0.0.1:1 http://a.example/
http10             --http1.0 {url}/x
compressed         --compressed {url}/x
resolve            --resolve a.example:{port}:127.0.0.1 http://a.example:{port}/x
connect-to         --connect-to a.example:80:127.0.0.1:{port} http://a.example/x
connect-to-name    --connect-to a.example:80:localhost:{port} http://a.example/x
connect-to-any     --connect-to ::127.0.0.1:{port} http://a.example:8080/x
connect-to-port    --connect-to 127.0.0.1:80::{port} http://127.0.0.1/x
connect-to-others  --connect-to a.example:80:nothing.invalid:1 {url}/x
connect-to-first   --connect-to 127.0.0.1:80:127.0.0.1:{port} --connect-to ::nothing.invalid: http://127.0.0.1/x
no-scheme          127.0.0.1:{port}/x
head-fail          -If {url}/status/404
""".strip().split("\n")
"""A name, and the words that both programs get."""

COPIED = r"""
github         -L -H "Accept: application/vnd.github+json" -H "Authorization: Bearer T" {url}/repos/o/r
github-issue   -L -X POST -H "Authorization: Bearer T" {url}/issues -d '{"title":"Found a bug"}'
elastic-put    -X PUT "{url}/idx?pretty" -H 'Content-Type: application/json' -d'{"a": {"b": 1}}'
elastic-bulk   -s -H "Content-Type: application/x-ndjson" -XPOST {url}/_bulk --data-binary "@data.json"
elastic-cat    -X GET "{url}/_cat/health?v"
elastic-search -XGET {url}/_search -H 'Content-Type: application/json' -d '{"query":{"match_all":{}}}'
registry       -sI -H "Accept: application/vnd.oci.image.manifest.v1+json" {url}/v2/x/manifests/latest
registry-up    -s -X PUT -H "Content-Type: application/octet-stream" --data-binary @photo.png {url}/v2/u
oauth          -X POST -u id:secret -d grant_type=client_credentials -d scope=a {url}/token
oauth-long     --request POST --url {url}/oauth/token --header 'content-type: application/json' -d '{}'
slack          -X POST -H 'Content-type: application/json' --data '{"text":"Hello, World!"}' {url}/hook
slack-file     -F file=@photo.png -F "initial_comment=Shakes the cat" -F channels=C0 {url}/files.upload
s3-presigned   -X PUT -T photo.png "{url}/b/k?X-Amz-Signature=aB%2F9&X-Amz-Date=20260101T000000Z"
s3-form        -F key=a/b.png -F "Content-Type=image/png" -F file=@photo.png {url}/bucket
stripe         {url}/v1/charges -u sk_test: -d amount=2000 -d "metadata[order_id]"=6735
stripe-get     -G {url}/v1/charges -u sk_test: -d limit=3
twilio         -X POST {url}/Messages.json --data-urlencode "Body=Hi there & you" -u AC:token
openai         {url}/v1/chat -H "Content-Type: application/json" -H "Authorization: Bearer K" -d '{ "n": 1 }'
vault          --header "X-Vault-Token: t" --request POST --data @data.json {url}/v1/secret
jenkins        -X POST {url}/job/J/build --user u:t --data-urlencode json='{"parameter": []}'
influx         -i -XPOST '{url}/write?db=d' --data-binary 'cpu,host=a value=0.64 1434055562000000000'
pushgateway    --data-binary @- {url}/metrics/job/j
consul         --request PUT --data 'hello consul' {url}/v1/kv/foo
couchdb        -X PUT {url}/demo/doc -d @data.json -H 'Content-Type: application/json'
solr           '{url}/update?commit=true' --data-binary @data.json -H 'Content-type:application/json'
webdav         -X PROPFIND -H "Depth: 1" -u u:p {url}/dav/
soap           -H 'SOAPAction: "urn:x"' -H "Content-Type: text/xml; charset=utf-8" -d @lines.txt {url}
postman        --location --request GET '{url}/x' --header 'A: b' --data-raw '{"a": 1}'
chrome         '{url}/api' -H 'accept: */*' -H 'cookie: a=1; b=2' --data-raw $'x' --compressed --insecure
chrome-form    '{url}/api' -H 'content-type: multipart/form-data; boundary=B' --data-raw '--B--'
timing-file    -w "@format.txt" -o /dev/null -s {url}
script         -fsSL {url}/install.sh
script-dash    -o- {url}/install.sh
kubectl        -LO "{url}/release/v1/bin/kubectl"
continue       -C - -sSLo kubectl {url}/bin
hardened       --fail --silent --show-error --location --retry 2 --retry-connrefused -m 10 {url}/x
rustup         --proto '=https,http' --tlsv1.2 -sSf {url}/rustup
only-https     --proto =https -sSf {url}/rustup
deploy         -X POST -F token=T -F ref=main -F "variables[A]=b" {url}/trigger/pipeline
package        --header "JOB-TOKEN: x" --upload-file photo.png "{url}/packages/generic/p/1/photo.png"
noproxy        --noproxy '*' -s {url}/metadata -H Metadata:true
health         --connect-timeout 2 -s -o /dev/null -w "%{http_code}" {url}/status/503
ip             -4 -s {url}/ip
head-line      -sI {url}/x
digest         --digest -u u:p {url}/x
delete-body    -X DELETE {url}/_search/scroll -H 'Content-Type: application/json' -d '{"id": "x"}'
header-spaces  {url} -H 'X-A:   b  ' -H 'X-B:c'
header-repeat  {url} -H 'X-A: 1' -H 'X-A: 2'
form-repeat    {url} -F 'f[]=@photo.png' -F 'f[]=@lines.txt'
form-json      {url} -F 'meta={"a": 1};type=application/json' -F file=@photo.png;filename=a.png
no-expect      -H 'Expect:' -T photo.png {url}/x
chunked        -H 'Transfer-Encoding: chunked' -d @lines.txt {url}
chunked-put    -H 'Transfer-Encoding: chunked' -T photo.png {url}/x
content-length -H 'Content-Length: 3' -d a=1 {url}
data-utf8      {url} -d 'name=Zoë'
data-percent   {url} -d 'a=100%&b=%41'
url-spaces     '{url}/a%20b?q=c+d#frag'
url-brackets   -g '{url}/x?a[]=1'
url-userinfo   http://ada:pa%40ss@127.0.0.1:{port}/x
range-suffix   -r -500 {url}/x
range-begin    -r 4 {url}/x
user-wins      -u smith:doggie http://first:secret@127.0.0.1:{port}/x
path-as-is     --path-as-is {url}/a/../b
empty-agent    -A '' {url}
""".strip().split("\n")
"""The same of command lines as documentation and browsers give them out to be copied."""


ROWS = dict(row.split(maxsplit=1) for row in (*SAME, *COPIED))


@needs_curl
@pytest.mark.parametrize("name", ROWS)
def test_a_command_line_of_curl_does_the_same(name, ours, recorder, directory):
    words, data = shlex.split(ROWS[name]), b"from=stdin\n"
    we, we_sent = ours(*words, data=data)
    they, they_sent = curl(recorder, directory, *words, data=data)
    assert comparable(we_sent) == comparable(they_sent)
    assert we == they


@needs_curl
def test_the_variables_of_write_out_have_the_values_of_curls(ours, recorder, directory):
    words = ("-s", "-o", "/dev/null", "-w", "%{json}", "{url}/status/404", "-d", "abc")
    we, they = (
        json.loads(done.out) for done, _ in (ours(*words), curl(recorder, directory, *words))
    )
    own = re.compile(r"(time|speed)_.*|local_port|size_request|scheme")
    assert we.keys() <= they.keys()
    compared = {name for name in we if not own.fullmatch(name)}
    assert len(compared) > 20
    assert {name: we[name] or "" for name in compared} == {
        name: they[name] or "" for name in compared
    }  # curl has null for an error that was none
    assert 0 < we["time_connect"] <= we["time_starttransfer"] <= we["time_total"] < PATIENCE


def test_a_request_is_signed_for_aws(ours):
    words = ("{url}/b", "-u", "KEY:SECRET", "--aws-sigv4", "aws:amz:eu-west-1:s3")
    _, [sent] = ours(*words)
    [value] = [value for name, value in sent.fields if name == "Authorization"]
    assert re.match(r"AWS4-HMAC-SHA256 Credential=KEY/\d{8}/eu-west-1/s3/aws4_request, ", value)
    assert "SECRET" not in str(sent)
    assert ours(*words[:1], *words[3:])[0].code == 2


def test_schemes_that_are_not_allowed_are_not_used(ours):
    done, sent = ours("--proto", "=https", "{url}/x")
    assert (done.code, done.out, sent) == (1, b"", [])
    assert ours("--proto", "-https", "{url}/x")[0].code == 0
    assert ours("--proto", "=ftp", "{url}/x")[0].code == 2


OTHERWISE = """
follow-not --no-redirect {url}/redirect -w '%{redirect_url}' | {url}/redirect -w '%{redirect_url}'
follow {url}/redirect | -L {url}/redirect
follow-head -I --no-redirect {url}/redirect | -I {url}/redirect
bearer --bearer token {url} | --oauth2-bearer token {url}
milliseconds -m 500ms {url} | -m 0.5 {url}
local-port :{port}/x | localhost:{port}/x
method-word PURGE {url}/x | -X PURGE {url}/x
method-and-url-option PURGE --url {url}/x | -X PURGE --url {url}/x
verb delete {url}/x | -X DELETE {url}/x
verb-data put {url}/x -d a=1 | -X PUT {url}/x -d a=1
query-item {url}/x?a=1 q==two 'r==x y' | '{url}/x?a=1&q=two&r=x+y'
field-item {url}/x X-One:1 X-Empty; Accept: | {url}/x -H 'X-One: 1' -H 'X-Empty;' -H Accept:
json-items {url}/x name=Al n:=3 l:='["a"]' | {url}/x {json} -d '{"name": "Al", "n": 3, "l": ["a"]}'
put-items PUT {url}/x on:=true | -X PUT {url}/x {json} -d '{"on": true}'
form-items --as-form {url}/x name=Ada 'city=New York' | {url}/x -d 'name=Ada&city=New+York'
file-item {url}/x name=Ada photo@photo.png | {url}/x -F name=Ada -F photo=@photo.png
text-file-item {url}/x note=@fields.txt --as-form | {url}/x -d 'note=X-One%3A+1%0AX-Two%3A+2%0A'
json-file-item {url}/x data:=@data.json | {url}/x {json} -d '{"data": {"a": 1, "b": [2]}}'
escaped-item {url}/x 'a\\:b=1' | {url}/x {json} -d '{"a:b": "1"}'
nested-items {url}/x 'a[b]=1' 'a[c][]:=2' | {url}/x {json} -d '{"a": {"b": "1", "c": [2]}}'
url-query {url}/x --url-query 'q=a b' --url-query +n=%31 | '{url}/x?q=a+b&n=%31'
query-file-item {url}/x q==@fields.txt | {url}/x?q=X-One%3A+1%0AX-Two%3A+2
auth-item -a ada:secret {url}/private | -u ada:secret {url}/private
two-urls {url}/a {url}/b X-A:1 | {url}/a {url}/b -H 'X-A: 1'
""".strip().split("\n")
"""A name, the words of ours, and words of curl that do the same."""

AS_JSON = "-H 'Accept: application/json, */*;q=0.5' -H 'Content-Type: application/json'"

PAIRS = {row.split()[0]: row.split(maxsplit=1)[1].split(" | ") for row in OTHERWISE}


@needs_curl
@pytest.mark.parametrize("name", PAIRS)
def test_a_shorter_command_line_does_the_same_as_one_of_curl(name, ours, recorder, directory):
    our_words, their_words = (shlex.split(each.replace("{json}", AS_JSON)) for each in PAIRS[name])
    we, we_sent = ours(*our_words)
    they, they_sent = curl(recorder, directory, *their_words)
    assert comparable(we_sent) == comparable(they_sent)
    assert we == they
