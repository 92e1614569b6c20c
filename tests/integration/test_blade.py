"""Every name of Blade's documentation works and is in docs/coming-from/blade.md."""

import re
from pathlib import Path

import pytest

import bladehttp as http

ROOT = Path(__file__).parents[2]

STATUSES = """
CONTINUE=100 SWITCHING_PROTOCOLS=101 PROCESSING=102 OK=200 CREATED=201 ACCEPTED=202
NON_AUTHORITATIVE_INFORMATION=203 NO_CONTENT=204 RESET_CONTENT=205 PARTIAL_CONTENT=206
MULTI_STATUS=207 ALREADY_REPORTED=208 IM_USED=226 MULTIPLE_CHOICES=300 MOVED_PERMANENTLY=301
FOUND=302 SEE_OTHER=303 NOT_MODIFIED=304 USE_PROXY=305 TEMPORARY_REDIRECT=307
PERMANENT_REDIRECT=308 BAD_REQUEST=400 UNAUTHORIZED=401 PAYMENT_REQUIRED=402 FORBIDDEN=403
NOT_FOUND=404 METHOD_NOT_ALLOWED=405 NOT_ACCEPTABLE=406 PROXY_AUTHENTICATION_REQUIRED=407
REQUEST_TIMEOUT=408 CONFLICT=409 GONE=410 LENGTH_REQUIRED=411 PRECONDITION_FAILED=412
PAYLOAD_TOO_LARGE=413 REQUEST_URI_TOO_LONG=414 UNSUPPORTED_MEDIA_TYPE=415
REQUESTED_RANGE_NOT_SATISFIABLE=416 EXPECTATION_FAILED=417 TEAPOT=418
MISDIRECTED_REQUEST=421 UNPROCESSABLE_ENTITY=422 LOCKED=423 FAILED_DEPENDENCY=424
UPGRADE_REQUIRED=426 PRECONDITION_REQUIRED=428 TOO_MANY_REQUESTS=429
REQUEST_HEADER_FIELDS_TOO_LARGE=431 CONNECTION_CLOSED_WITHOUT_RESPONSE=444
CLIENT_CLOSED_REQUEST=499 INTERNAL_SERVER_ERROR=500 NOT_IMPLEMENTED=501 BAD_GATEWAY=502
SERVICE_UNAVAILABLE=503 GATEWAY_TIMEOUT=504 HTTP_VERSION_NOT_SUPPORTED=505
VARIANT_ALSO_NEGOTIATES=506 INSUFFICIENT_STORAGE=507 LOOP_DETECTED=508 NOT_EXTENDED=510
NETWORK_AUTHENTICATION_REQUIRED=511 NETWORK_CONNECT_TIMEOUT_ERROR=599
UNAVAILABLE_FOR_LEGAL_REASONS=451
"""
NUMBERS = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", STATUSES)}

MEMBERS = {
    "": "map set_headers get post put delete server HttpException HttpRequest HttpServer"
    " HttpClient HttpResponse",
    "HttpRequest": "request_uri path method host ip headers queries cookies body files"
    " http_version auth_method parse send",
    "HttpServer": "is_secure host port socket resuse_address read_timeout write_timeout"
    " cert_file private_key_file verify_certs load_certs close on_connect on_disconnect"
    " on_receive on_reply on_error listen",
    "HttpClient": "user_agent follow_redirect skip_hostname_verification skip_peer_verification"
    " referer ca_cert connect_timeout receive_timeout headers no_expect send_request get post put"
    " delete",
    "HttpResponse": "version status headers time_taken redirects responder body write",
}
NAMES = [
    f"{owner}.{name}".lstrip(".") for owner, names in MEMBERS.items() for name in names.split()
]

INSTANCES = {
    "": http,
    "HttpRequest": http.HttpRequest(),
    "HttpServer": http.HttpServer(0),
    "HttpClient": http.HttpClient,  # an instance would have to be closed
    "HttpResponse": http.HttpResponse(),
}

ROW = re.compile(r"^\| `([\w.]+)` \| `(tests/[\w/]+\.py)::(\w+)` \|", re.MULTILINE)
TABLE = {
    name: (file, test)
    for name, file, test in ROW.findall((ROOT / "docs" / "coming-from" / "blade.md").read_text())
}


@pytest.mark.parametrize("name", NUMBERS)
def test_each_status_has_its_documented_name_and_number(name):
    assert getattr(http, name) == NUMBERS[name]
    assert http.map[NUMBERS[name]]


@pytest.mark.parametrize("name", NAMES)
def test_each_documented_name_is_there(name):
    owner, _, member = name.rpartition(".")
    assert hasattr(INSTANCES[owner], member)


def test_the_table_has_a_row_for_each_documented_name_and_no_other():
    assert set(TABLE) == {*NUMBERS, *NAMES}


@pytest.mark.parametrize("name", TABLE)
def test_the_test_that_holds_a_name_exists(name):
    file, test = TABLE[name]
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_http_exception_is_the_root_of_what_is_raised():
    assert issubclass(http.SocketException, http.HttpException)
    assert issubclass(http.HttpException, Exception)
    with pytest.raises(http.HttpException):
        http.get("http://no-such-host.invalid/")


def test_a_response_is_made_as_documented():
    response = http.HttpResponse("body", 404, {"X": "1"}, "1.0", 12.5, 2, "http://a/")
    assert (response.body, response.status, response.headers["x"]) == (b"body", 404, "1")
    assert (response.version, response.time_taken) == ("1.0", 12.5)
    assert (response.redirects, response.responder) == (2, "http://a/")
    assert repr(response) == "<HttpResponse status=404, version=1.0>"


def test_write_appends_to_the_body():
    response = http.HttpResponse("a")
    response.write("b")
    response.write(b"c")
    assert response.body == b"abc"
