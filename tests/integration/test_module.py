"""The module as Blade documents it: our client talks to our server."""

import json
import subprocess
import sys
import threading

import pytest
from support import wait_until

import bladehttp as http


def test_get_asks_and_gives_the_response(echo):
    response = http.get(f"{echo.url}/users?sort=desc")
    assert (response.status, response.version, response.redirects) == (200, "1.1", 0)
    assert response.responder == f"{echo.url}/users?sort=desc"
    assert response.time_taken > 0
    assert isinstance(response.body, bytes)
    request = response.json()
    assert (request["method"], request["path"], request["queries"]) == (
        "GET",
        "/users",
        {"sort": "desc"},
    )


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
@pytest.mark.parametrize("data", ["text é", b"bytes \xff"], ids=["str", "bytes"])
def test_a_verb_with_a_body_sends_it_as_it_is(echo, verb, data):
    request = getattr(http, verb)(f"{echo.url}/", data).json()
    assert request["method"] == verb.upper()
    assert request["body"] == (data if isinstance(data, str) else {"base64": "Ynl0ZXMg/w=="})


@pytest.mark.parametrize("verb", ["get", "delete", "options", "trace", "post", "put", "patch"])
def test_a_verb_without_a_body_sends_none(echo, verb):
    request = getattr(http, verb)(f"{echo.url}/").json()
    assert (request["method"], request["body"]) == (verb.upper(), {})


def test_head_has_no_body(echo):
    response = http.head(f"{echo.url}/")
    assert (response.status, response.body) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_redirects_are_counted_and_the_responder_is_the_last(echo):
    response = http.get(f"{echo.url}/redirect/redirect/end")
    assert (response.redirects, response.responder) == (2, f"{echo.url}/end")


def test_set_headers_gives_a_client_that_sends_them(echo):
    client = http.set_headers({"Authorization": "Bearer SomeAPIBearerToken", "X-Mine": "1"})
    headers = client.get(f"{echo.url}/current-user").json()["headers"]
    assert (headers["Authorization"], headers["X-Mine"]) == ("Bearer SomeAPIBearerToken", "1")
    assert http.get(f"{echo.url}/").json()["headers"]["X-Mine"] == "1"
    http.set_headers({})
    assert "X-Mine" not in http.get(f"{echo.url}/").json()["headers"]


def test_a_relative_url_goes_to_the_host_header_over_https(secure_echo, certificates):
    client = http.set_headers({"Host": f"localhost:{secure_echo.port}", "X-Mine": "1"})
    try:
        response = client.get("/current-user", ca_cert=certificates.ca_file)
    finally:
        http.set_headers({})
    assert response.responder == f"https://localhost:{secure_echo.port}/current-user"
    assert response.json()["host"] == "localhost"


def test_a_request_object_sends_itself(echo):
    request = http.HttpRequest()
    request.headers["X-Mine"] = "1"
    request.cookies["a"] = "b"
    answer = request.send(f"{echo.url}/redirect/end", "PUT", "data").json()
    assert (answer["path"], answer["headers"]["X-Mine"], answer["cookies"]) == (
        "/end",
        "1",
        {"a": "b"},
    )


def test_a_received_request_is_sent_on_without_what_framed_it(echo):
    with http.server(0) as front:
        front.on_receive(
            lambda request, response: response.write(
                request.send(f"{echo.url}/onwards", "POST", b"another body").body
            )
        )
        answer = http.post(f"{front.url}/", b"body", {"X-Mine": "1", "Connection": "close"}).json()
    assert (answer["path"], answer["body"]) == ("/onwards", "another body")
    assert answer["headers"]["X-Mine"] == "1"
    assert answer["headers"]["Host"] == f"127.0.0.1:{echo.port}"
    assert answer["headers"]["Content-Length"] == "12"


def test_a_request_object_takes_options(echo):
    response = http.HttpRequest().send(
        f"{echo.url}/redirect/end", "GET", None, {"follow_redirect": False}
    )
    assert (response.status, response.redirects) == (302, 0)


def test_https_with_an_authority_of_our_own(secure_echo, certificates):
    with http.HttpClient(ca_cert=certificates.ca_file) as client:
        assert client.get(f"{secure_echo.url}/").status == 200
        with pytest.raises(http.CertificateError):
            client.get(f"{secure_echo.url}/", ca_cert=None)


def test_a_server_is_made_by_server_and_tls_server():
    assert repr(http.server(3000)) == "<HttpServer http://127.0.0.1:3000>"
    assert repr(http.server(3000, "0.0.0.0", True)) == "<HttpServer https://0.0.0.0:3000>"
    assert repr(http.tls_server(3000)) == "<HttpServer https://127.0.0.1:3000>"


def test_a_handler_may_ask_another_server(echo):
    with http.server(0) as front:
        front.on_receive(
            lambda request, response: response.write(http.get(f"{echo.url}/inner").body)
        )
        assert http.get(f"{front.url}/outer").json()["path"] == "/inner"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_a_handler_that_asks_its_own_server_is_told(host):
    with http.server(0) as server:
        errors = []
        server.on_error(lambda error, client: errors.append(error))
        server.on_receive(lambda request, response: http.get(f"http://{host}:{server.port}/inner"))
        assert http.get(f"{server.url}/outer").status == 500
        assert [type(error) for error in errors] == [RuntimeError]
        assert "would wait for itself" in str(errors[0])


def test_a_redirect_back_to_the_own_server_is_told():
    with http.server(0) as front, http.server(0) as sender:
        sender.on_receive(lambda request, response: response.redirect(f"{front.url}/inner"))
        front.on_receive(lambda request, response: http.get(f"{sender.url}/"))
        assert http.get(f"{front.url}/outer").status == 500


def test_another_thread_of_a_handler_may_ask_its_server():
    with http.server(0) as server:
        answers = []

        def handler(request, response):
            if request.path == "/outer":
                threading.Thread(
                    target=lambda: answers.append(http.get(f"{server.url}/inner").status)
                ).start()

        server.on_receive(handler)
        assert http.get(f"{server.url}/outer").status == 200
        wait_until(lambda: answers == [200])


def test_one_client_for_many_threads(echo):
    with http.HttpClient() as client:
        wrong = []

        def work(name):
            for number in range(50):
                path = f"/{name}/{number}"
                if client.get(f"{echo.url}{path}").json()["path"] != path:
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_importing_the_module_loads_neither_half():
    program = (
        "import sys, bladehttp\n"
        "halves = {'bladehttp.client._client', 'bladehttp.server._server', 'pycurl', 'ssl'}\n"
        "print(sorted(halves & set(sys.modules)))\n"
        "bladehttp.HttpServer\n"
        "print(sorted(halves & set(sys.modules)))\n"
        "assert 'HttpClient' in dir(bladehttp)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n['bladehttp.server._server', 'ssl']\n"


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="module 'bladehttp' has no attribute 'HttpClent'"):
        _ = http.HttpClent


@pytest.mark.parametrize(
    "imports",
    [
        "import bladehttp; from bladehttp.server import HttpServer",
        "from bladehttp.server import HttpServer; import bladehttp",
        "import bladehttp.server._server; import bladehttp",
        "import bladehttp.client; import bladehttp",
        "import bladehttp.server.wsgi as wsgi; import bladehttp; wsgi.WsgiApplication",
    ],
)
def test_server_is_the_function_and_the_package_in_any_order_of_imports(imports):
    code = (
        f"{imports}\n"
        "from bladehttp.server import HttpServer\n"
        "assert isinstance(bladehttp.server(0), HttpServer)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_statuses_have_their_names_and_words():
    assert (http.OK, http.TEAPOT, http.UNAVAILABLE_FOR_LEGAL_REASONS) == (200, 418, 451)
    assert (http.map[200], http.map[404], http.map[511]) == (
        "OK",
        "Not Found",
        "Network Authentication Required",
    )


def test_messages_are_json(echo):
    response = http.get(f"{echo.url}/")
    assert json.loads(json.dumps(response, default=http.as_json))["status"] == 200
    assert json.loads(response.to_json())["headers"]["Content-Type"] == "application/json"
    assert json.loads(http.HttpRequest().to_json())["method"] == "GET"
