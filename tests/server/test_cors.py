"""CORS: what a browser is told about scripts of other origins."""

import re
from typing import Any

import pytest
from server_doors import DOORS, ask
from support import Response

import bladehttp as http
from bladehttp.server import HttpServer, cors

APP = "https://app.example"
OTHER = "https://evil.example"
ALLOW = "access-control-allow-"


def answer_plainly(request, response):
    response.write("x")


@pytest.fixture(params=DOORS.values(), ids=list(DOORS))
def site(request):
    """Start a server with a policy behind each door; returns a function that sends a request."""
    contexts = []

    def start(*arguments: Any, before: bool = True, after: bool = True, **options: Any):
        policy = cors(*arguments, **options)
        server = HttpServer(0, max_field_line=2000)
        if before:
            server.before_request(policy)
        if after:
            server.after_request(policy)
        server.handle("GET", "/", answer_plainly)
        server.handle("GET", "/fails", lambda request, response: 1 // 0)
        server.handle("GET", "/aborts", lambda request, response: http.abort(403))
        server.handle("POST", "/", answer_plainly, max_body_size=3)
        contexts.append(request.param(server))
        port = contexts[-1].__enter__()

        def send(path="/", *fields, origin=APP, method="GET", body="", server=server) -> Response:
            fields = (*fields, f"Origin: {origin}") if origin else fields
            return ask(port, path, *fields, method=method, body=body)

        return send

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


def of_cors(response: Response) -> dict[str, str]:
    return {
        name: value
        for name, value in response.header.items()
        if name.startswith("access-control-") or name == "vary"
    }


def preflight(send, *fields, method="PUT", **options):
    wanted = f"Access-Control-Request-Method: {method}"
    return send("/", wanted, *fields, method="OPTIONS", **options)


@pytest.mark.parametrize(
    ("origins", "origin", "expected"),
    [
        ("*", APP, {f"{ALLOW}origin": "*"}),
        ("*", None, {f"{ALLOW}origin": "*"}),
        (APP, APP, {f"{ALLOW}origin": APP, "vary": "Origin"}),
        (APP, OTHER, {"vary": "Origin"}),
        (APP, None, {"vary": "Origin"}),
        (APP, "null", {"vary": "Origin"}),
        (APP, f"{APP}.evil.example", {"vary": "Origin"}),
        (APP, APP.upper(), {"vary": "Origin"}),
        (APP, f"{APP}, {APP}", {"vary": "Origin"}),
        ("HTTPS://App.Example:443", APP, {f"{ALLOW}origin": APP, "vary": "Origin"}),
        ("http://a:8080", "http://a:8080", {f"{ALLOW}origin": "http://a:8080", "vary": "Origin"}),
        ("http://[::1]:80", "http://[::1]", {f"{ALLOW}origin": "http://[::1]", "vary": "Origin"}),
        (["null"], "null", {f"{ALLOW}origin": "null", "vary": "Origin"}),
        (["http://a", APP], APP, {f"{ALLOW}origin": APP, "vary": "Origin"}),
        (re.compile(r"https://\w+\.example"), APP, {f"{ALLOW}origin": APP, "vary": "Origin"}),
        (re.compile(r"https://\w+\.example"), f"{APP}.evil", {"vary": "Origin"}),
    ],
)
def test_an_allowed_origin_is_named_and_no_other(site, origins, origin, expected):
    response = site(origins)(origin=origin)
    assert (response.status, response.body, of_cors(response)) == (200, b"x", expected)


def test_a_preflight_is_answered_without_the_handlers(site):
    response = preflight(site(APP), "Access-Control-Request-Headers: x-a, Content-Type")
    assert (response.status, response.body) == (204, b"")
    assert of_cors(response) == {
        f"{ALLOW}origin": APP,
        f"{ALLOW}methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        f"{ALLOW}headers": "x-a, Content-Type",
        "access-control-max-age": "600",
        "vary": "Origin, Access-Control-Request-Headers",
    }


@pytest.mark.parametrize(
    ("before", "after"), [(True, False), (False, True)], ids=["before", "after"]
)
def test_either_registration_answers_a_preflight(site, before, after):
    send = site(APP, before=before, after=after, headers=["X-A"], max_age=None)
    assert of_cors(preflight(send)) == {
        f"{ALLOW}origin": APP,
        f"{ALLOW}methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        f"{ALLOW}headers": "X-A",
        "vary": "Origin",
    }


def test_a_preflight_of_another_origin_is_refused_by_name(site):
    response = preflight(site(APP), origin=OTHER)
    assert (response.status, of_cors(response)) == (403, {"vary": "Origin"})
    assert response.body == b"403 - Forbidden. Origin https://evil.example is not allowed."


def test_options_without_the_field_of_a_preflight_is_an_ordinary_request(site):
    response = site(APP)("/", method="OPTIONS")
    assert (response.status, response.header["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert of_cors(response) == {f"{ALLOW}origin": APP, "vary": "Origin"}


@pytest.mark.parametrize(
    ("path", "fields", "method", "body", "status"),
    [
        ("/absent", (), "GET", "", 404),
        ("/", (), "PATCH", "", 405),
        ("/fails", (), "GET", "", 500),
        ("/aborts", (), "GET", "", 403),
        ("/", (), "POST", "long", 413),
    ],
)
def test_errors_and_refusals_can_be_read_by_scripts(site, path, fields, method, body, status):
    response = site(APP, expose=["X-Id"])(path, *fields, method=method, body=body)
    assert (response.status, of_cors(response)) == (
        status,
        {f"{ALLOW}origin": APP, "access-control-expose-headers": "X-Id", "vary": "Origin"},
    )


def test_credentials_are_allowed_to_named_origins_only(site):
    send = site(APP, credentials=True)
    assert of_cors(send())[f"{ALLOW}credentials"] == "true"
    assert of_cors(preflight(send))[f"{ALLOW}credentials"] == "true"
    assert of_cors(send(origin=OTHER)) == {"vary": "Origin"}


def test_a_private_network_is_opened_on_request_only():
    asked = "Access-Control-Request-Private-Network: true"
    found = []
    for opens in (True, False):
        server = HttpServer(0)
        server.before_request(cors("*", private_network=opens))
        with server:
            fields = ("Access-Control-Request-Method: PUT", f"Origin: {APP}", asked)
            found.append(of_cors(ask(server.port, "/", *fields, method="OPTIONS")))
    name = f"{ALLOW}private-network"
    assert (found[0].get(name), name in found[1]) == ("true", False)
    assert "Private-Network" in found[0]["vary"]


def test_a_preflight_passes_guards_that_want_credentials(site):
    def guard(request, response):
        http.abort(401, headers={"WWW-Authenticate": "Bearer"})

    server = HttpServer(0)
    server.before_request(guard)
    server.after_request(cors(APP))
    with server:
        fields = ("Access-Control-Request-Method: PUT", f"Origin: {APP}")
        response = ask(server.port, "/", *fields, method="OPTIONS")
    assert (response.status, response.body) == (204, b"")
    assert not {"www-authenticate", "content-type", "cache-control"} & set(response.header)


def test_fields_of_a_handler_and_vary_stay():
    def answer(request, response):
        response.headers["Access-Control-Allow-Origin"] = "https://own.example"
        response.headers["Vary"] = "Accept-Encoding"

    server = HttpServer(0)
    server.after_request(cors(APP, credentials=True))
    server.on_receive(answer)
    with server:
        response = ask(server.port, "/", f"Origin: {APP}")
    assert of_cors(response) == {
        f"{ALLOW}origin": "https://own.example",
        "vary": "Accept-Encoding, Origin",
    }


def test_names_that_are_no_tokens_are_not_allowed_back(site):
    response = preflight(site("*"), "Access-Control-Request-Headers: x-a,, x b, <x>, x-c")
    assert of_cors(response)[f"{ALLOW}headers"] == "x-a, x-c"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        (["*"], {"credentials": True}, ValueError, "credentials need a list of origins"),
        ([["*", APP]], {}, ValueError, "not both"),
        ([[]], {}, ValueError, "needs an origin"),
        ([f"{APP}/"], {}, ValueError, "scheme://host"),
        (["app.example"], {}, ValueError, "scheme://host"),
        (["https://*.example/x"], {}, ValueError, "scheme://host"),
        ([b"https://a"], {}, TypeError, "an origin is a str"),
        ([APP], {"methods": "GET"}, TypeError, "list of names"),
        ([APP], {"headers": ["a b"]}, ValueError, "'a b' is none"),
        ([APP], {"expose": ["*"], "credentials": True}, ValueError, "no meaning"),
        ([APP], {"max_age": "1"}, TypeError, "max_age is seconds"),
        ([APP], {"max_age": -1}, ValueError, "max_age is 0 or more"),
    ],
)
def test_a_policy_that_cannot_mean_what_it_says_is_an_error(arguments, options, error, said):
    with pytest.raises(error, match=said):
        cors(*arguments, **options)
