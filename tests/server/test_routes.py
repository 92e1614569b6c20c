import gzip
import json
import time

import pytest
from server_doors import DOORS, ask
from support import Raw

import bladehttp as http
from bladehttp.server import HttpServer
from bladehttp.server._dispatch.routes import Routes

ROUTES = [
    ("/", "root"),
    ("/exact", "exact"),
    ("/dir/", "dir"),
    ("/dir/deeper/", "deeper"),
    ("/dir/file", "file"),
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "root"),
        ("/exact", "exact"),
        ("/exact/", None),
        ("/exactly", None),
        ("/other", None),
        ("/dir", None),
        ("/dir/", "dir"),
        ("/dir/x", "dir"),
        ("/dir/x/y/z", "dir"),
        ("/dir/file", "file"),
        ("/dir/file/more", "dir"),
        ("/dir/deeper", "dir"),
        ("/dir/deeper/", "deeper"),
        ("/dir/deeper/x", "deeper"),
        ("/exact?query=1", "exact"),
        ("/e%78act", "exact"),
    ],
)
def test_the_exact_route_wins_then_the_longest_prefix(serve, connect, path, expected):
    server = serve()
    for route, name in ROUTES:
        server.handle("GET", route, lambda request, response, name=name: response.write(name))
    response = connect(server).get(path).response()
    assert (response.status, response.body) == (
        (200, expected.encode()) if expected else (404, b"404 - Not Found.")
    )


def answering(name):
    def handler(request, response):
        response.json({"route": name, "params": request.params})

    return handler


TEMPLATES = [
    "/users/me",
    "/users/{id}",
    "/users/{id}/",
    "/users/{id}/edit",
    "/users/me/{page}",
    "/{kind}/me/edit",
    "/files/{rest:path}",
    "/files/{name}/meta",
    "/files/fixed/{rest:path}",
    "/old/",
    "/old/{name}/x",
]


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/users/me", "/users/me", {}),
        ("/users/7", "/users/{id}", {"id": "7"}),
        ("/users/Ren%C3%A9%20%7Bx%7D", "/users/{id}", {"id": "René {x}"}),
        ("/users/a+b%2B;c=d", "/users/{id}", {"id": "a+b+;c=d"}),
        ("/users/%ff", "/users/{id}", {"id": "%ff"}),
        ("/users/%257Bid", "/users/{id}", {"id": "%7Bid"}),
        ("/users/{id}", "/users/{id}", {"id": "{id}"}),
        ("/users/7?id=8", "/users/{id}", {"id": "7"}),
        ("/users/7/", "/users/{id}/", {"id": "7"}),
        ("/users/7/edit", "/users/{id}/edit", {"id": "7"}),
        ("/users/me/edit", "/users/me/{page}", {"page": "edit"}),
        ("/groups/me/edit", "/{kind}/me/edit", {"kind": "groups"}),
        ("/users/a%2Fedit", "/users/{id}/edit", {"id": "a"}),
        ("/files/", "/files/{rest:path}", {"rest": ""}),
        ("/files/a/b//c/", "/files/{rest:path}", {"rest": "a/b//c/"}),
        ("/files/a/meta", "/files/{name}/meta", {"name": "a"}),
        ("/files/fixed/meta", "/files/fixed/{rest:path}", {"rest": "meta"}),
        ("/files/a/meta/more", "/files/{rest:path}", {"rest": "a/meta/more"}),
        ("/old/a/x", "/old/{name}/x", {"name": "a"}),
        ("/old/a/y", "/old/", {}),
        ("/users", None, None),
        ("/users/", None, None),
        ("/users//edit", None, None),
        ("/files", None, None),
        ("/x/y", None, None),
    ],
)
def test_exact_comes_before_parameters_and_they_before_prefixes(
    serve, connect, path, route, params
):
    server = serve()
    for template in TEMPLATES:
        server.handle("GET", template, answering(template))
    response = connect(server).get(path).response()
    if route is None:
        assert response.status == 404
    else:
        assert json.loads(response.body) == {"route": route, "params": params}


def test_the_order_of_registration_does_not_matter(serve, connect):
    server = serve()
    for template in reversed(TEMPLATES):
        server.handle("GET", template, answering(template))
    client = connect(server)
    assert json.loads(client.get("/users/me").response().body)["route"] == "/users/me"
    assert json.loads(client.get("/files/a/meta").response().body)["route"] == "/files/{name}/meta"


def nothing(request, response):
    pass


def handled(method, path):
    return lambda server, directory: server.handle(method, path, nothing)


def served(path):
    return lambda server, directory: server.serve_files(path, directory)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (handled("GET", "/x"), handled("get", "/x"), "^GET /x has a handler already: "),
        (handled("GET", "/{a}"), handled("GET", "/{b}"), "as GET /{a}: "),
        (handled("GET", "/a/{b:path}"), handled("GET", "/a/{c:path}"), "as GET /a/{b:path}: "),
        (handled("GET", "/a/"), handled("GET", "/a/"), "^GET /a/ has a handler already: "),
        (handled("GET", "/a/"), served("/a"), "^GET /a/ has a handler already: .*nothing"),
        (served("/a/"), handled("GET", "/a/"), "already: .*StaticFiles"),
        (served("/"), served("/"), "^GET / has a handler already"),
    ],
    ids=["exact", "one", "rest", "prefix", "files-after", "files-before", "files-twice"],
)
def test_a_second_handler_of_the_same_method_and_path_is_an_error(tmp_path, first, second, said):
    server = HttpServer(0)
    first(server, tmp_path)
    with pytest.raises(ValueError, match=said):
        second(server, tmp_path)


@pytest.mark.parametrize("path", ["/", "/static"])
@pytest.mark.parametrize("files_first", [True, False], ids=["files-first", "route-first"])
def test_a_route_takes_the_path_of_a_directory_and_files_those_below(
    serve, connect, tmp_path, path, files_first
):
    (tmp_path / "a.txt").write_text("file")
    server = serve()
    steps = [
        lambda: server.serve_files(path, tmp_path),
        lambda: server.handle("GET", path, answering("page")),
    ]
    for step in steps if files_first else reversed(steps):
        step()
    client = connect(server)
    assert json.loads(client.get(path).response().body)["route"] == "page"
    assert client.get(f"{path.rstrip('/')}/a.txt").response().body == b"file"


def test_a_route_of_another_method_does_not_hide_a_less_literal_one(serve, connect):
    server = serve()
    server.handle("GET", "/users/me", answering("me"))
    server.handle("POST", "/users/{id}", answering("post"))
    server.handle("PUT", "/users/", answering("put"))
    client = connect(server)
    post = client.get("/users/me", "Content-Length: 0", method="POST").response()
    put = client.get("/users/me", "Content-Length: 0", method="PUT").response()
    assert json.loads(post.body) == {"route": "post", "params": {"id": "me"}}
    assert json.loads(put.body) == {"route": "put", "params": {}}


def test_params_are_there_for_every_request(serve, connect):
    server = serve(lambda request, response: response.json(request.params))
    assert connect(server).get("/x").response().body == b"{}"
    assert http.HttpRequest().params == {}


def test_a_route_sees_the_path_that_an_on_receive_put_in_place(serve, connect):
    def rewrite(request, response):
        request.path = request.path.removeprefix("/v1")

    server = serve(rewrite)
    server.handle("GET", "/users/{id}", answering("user"))
    body = connect(server).get("/v1/users/7").response().body
    assert json.loads(body) == {"route": "user", "params": {"id": "7"}}


@pytest.mark.parametrize(
    "path",
    [
        "users",
        "",
        "/{id}.txt",
        "/a{id}",
        "/{}",
        "/{1}",
        "/{a b}",
        "/{id",
        "/id}",
        "/{id:int}",
        "/{rest:path}/more",
        "/{rest:path}/",
        "/{a}/{a}",
        "/{a}/{a:path}",
        "/a?b=1",
        "/{a}?b",
        "/%C3%A9",
        "/%41/{a}",
    ],
)
def test_a_path_that_can_never_match_is_refused(path):
    with pytest.raises(ValueError, match=r"route|'/'"):
        HttpServer(0).handle("GET", path, lambda request, response: None)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/users/<id>", r"is \{id\}, not '<id>'"),
        ("/users/<int:id>/x", r"is \{id\}, not '<int:id>'"),
        ("/<string(length=2):code>", r"is \{code\}, not"),
        ("/{a}/<path:rest>", r"is \{rest:path\}, not '<path:rest>'"),
    ],
)
def test_a_parameter_in_the_form_of_flask_is_refused_with_ours(path, said):
    with pytest.raises(ValueError, match=said):
        HttpServer(0).handle("GET", path, lambda request, response: None)


@pytest.mark.parametrize("path", ["/<", "/a<b", "/<>", "/<a b>"])
def test_a_path_with_a_less_than_sign_is_one(path):
    HttpServer(0).handle("GET", path, lambda request, response: None)


@pytest.mark.parametrize("path", ["/%C3%A9", "/a?b"])
def test_a_directory_whose_path_can_never_match_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match="route"):
        HttpServer(0).serve_files(path, tmp_path)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/é", "/%C3%A9"),
        ("/c#", "/c%23"),
        ("/100%", "/100%25"),
        ("/a b", "/a%20b"),
        ("/%ff", "/%ff"),
    ],
)
def test_a_path_is_compared_decoded(path, sent):
    with HttpServer(0) as server, Raw(server.port) as client:
        server.handle("GET", path, lambda request, response: response.write("found"))
        assert client.get(sent).response().body == b"found"


@pytest.mark.parametrize("method", ["", "G T", "GET\n", "GE\u0301T", "GET,POST", " GET"])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(ValueError, match="not a method"):
        HttpServer(0).handle(method, "/", lambda request, response: None)


@pytest.mark.parametrize(("method", "path"), [(None, "/"), (b"GET", "/"), ("GET", None)])
def test_method_and_path_are_str(method, path):
    with pytest.raises(TypeError, match="are str"):
        HttpServer(0).handle(method, path, lambda request, response: None)


def test_handle_decorates(serve, connect):
    server = serve()

    @server.handle("GET", "/users/{id}")
    def user(request, response):
        response.write(request.params["id"])

    assert user.__name__ == "user"
    assert connect(server).get("/users/7").response().body == b"7"


def test_a_method_is_registered_in_capitals_and_asked_for_as_it_is_sent(serve, connect):
    server = serve()
    server.handle("get", "/", answering("/"))
    assert connect(server).get("/").response().status == 200
    assert connect(server).get("/", method="get").response().status == 405


def test_head_is_served_from_get(serve, connect):
    server = serve()
    server.handle("GET", "/users/{id}", answering("user"))
    client = connect(server)
    length = client.get("/users/7").response().get("Content-Length")
    head = client.get("/users/7", method="HEAD").response("HEAD")
    assert (head.status, head.get("Content-Length")) == (200, length)
    assert client.get("/users/7").response().status == 200


def test_a_route_of_head_comes_before_one_of_get(serve, connect):
    server = serve()
    server.handle("GET", "/a", lambda request, response: response.write("get"))
    server.handle("HEAD", "/{any}", lambda request, response: response.write("its own"))
    assert connect(server).get("/a", method="HEAD").response("HEAD").get("Content-Length") == "7"


ALLOWED = [
    ("GET", "/things/"),
    ("POST", "/things/{id}"),
    ("DELETE", "/things/1"),
    ("PATCH", "/others"),
]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/things/1", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/things/2", "GET, HEAD, OPTIONS, POST"),
        ("/things/2/3", "GET, HEAD, OPTIONS"),
        ("/others", "OPTIONS, PATCH"),
    ],
)
def test_405_and_options_tell_the_methods_of_a_path(serve, connect, path, allowed):
    server = serve()
    for method, route in ALLOWED:
        server.handle(method, route, answering(route))
    client = connect(server)
    options = client.get(path, method="OPTIONS").response()
    other = client.get(path, method="PROPFIND").response()
    assert (options.status, options.get("Allow"), options.get("Content-Type")) == (
        204,
        allowed,
        None,
    )
    assert (other.status, other.get("Allow"), other.body) == (
        405,
        allowed,
        b"405 - Method Not Allowed.",
    )


def test_options_of_everything_tells_every_method(serve, connect):
    server = serve()
    for method, route in ALLOWED:
        server.handle(method, route, answering(route))
    response = connect(server).get("*", method="OPTIONS").response()
    assert (response.status, response.get("Allow")) == (
        204,
        "DELETE, GET, HEAD, OPTIONS, PATCH, POST",
    )


def test_a_path_without_any_route_is_for_none_handler_whatever_the_method(serve, connect):
    server = serve()
    server.handle("GET", "/a", answering("/a"))
    client = connect(server)
    for method in ("GET", "HEAD", "OPTIONS", "PATCH"):
        assert client.get("/b", method=method).response(method).status == 404


def test_a_route_of_options_answers_it(serve, connect):
    server = serve()
    server.handle("GET", "/a", answering("/a"))
    server.handle("OPTIONS", "/a", lambda request, response: response.write("mine"))
    response = connect(server).get("/a", method="OPTIONS").response()
    assert (response.status, response.body) == (200, b"mine")


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH"])
def test_beside_an_on_receive_nothing_is_answered_for_another_method(serve, connect, method):
    server = serve(lambda request, response: response.write("received"))
    server.handle("GET", "/a", lambda request, response: response.write(" routed"))
    client = connect(server)
    response = client.get("/a", method=method).response()
    assert (response.status, response.get("Allow"), response.body) == (200, None, b"received")
    assert client.get("/a").response().body == b"received routed"


@pytest.mark.usefixtures("no_collector")
def test_a_long_path_of_many_segments_costs_little():
    routes = Routes()
    for path in ("/a/", "/{a}/{b}/{c}", "/b"):
        routes.add("GET", path, answering(path))
    start = time.process_time()
    for _ in range(50):
        assert routes.find("GET", "/" * 8000) is None
    assert time.process_time() - start < 0.1  # 1 s if every prefix of the path were looked up


BODY = "x" * 100


def ask_with_body(server, path, *, chunked=False, method="POST"):
    with Raw(server.port) as client:
        if chunked:
            client.get(path, "Transfer-Encoding: chunked", method=method)
            client.send(f"64\r\n{BODY}\r\n0\r\n\r\n")
        else:
            client.get(path, "Content-Length: 100", method=method).send(BODY)
        return client.response()


def sized(request, response):
    response.json(len(request.raw_body))


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/least", 413),
        ("/l%65ast", 413),
        ("/most/x", 200),
        ("/any", 200),
        ("/server", 413),
        ("/absent", 413),
        ("/exactly", 200),
    ],
)
def test_a_route_has_a_body_limit_of_its_own(serve, path, status, chunked):
    server = serve(max_body_size=60)
    server.handle("POST", "/least", sized, max_body_size=10)
    server.handle("POST", "/most/", sized, max_body_size=1000)
    server.handle("POST", "/any", sized, max_body_size=None)
    server.handle("POST", "/server", sized)
    server.handle("PUT", "/absent", sized, max_body_size=1000)
    server.handle("POST", "/exactly", sized, max_body_size=100)
    assert ask_with_body(server, path, chunked=chunked).status == status


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_the_limit_of_a_route_holds_behind_every_door(door):
    server = HttpServer(0, max_body_size=60)
    server.handle("POST", "/least", sized, max_body_size=10)
    server.handle("POST", "/most", sized, max_body_size=1000)
    with door(server) as port:
        assert ask(port, "/least", method="POST", body=BODY).status == 413
        assert ask(port, "/most", method="POST", body=BODY).body == b"100"


def test_a_client_that_asks_before_it_sends_is_told_of_the_routes_limit(serve, connect):
    server = serve()
    server.handle("POST", "/", sized, max_body_size=10)
    client = connect(server).get("/", "Content-Length: 100", "Expect: 100-continue", method="POST")
    assert client.response().status == 413


def test_a_decoded_body_has_the_limit_of_its_route(serve, connect):
    server = serve(decode_request_body=True)
    server.handle("POST", "/", sized, max_body_size=10_000)
    packed = gzip.compress(b"x" * 20_000)
    client = connect(server)
    client.get("/", f"Content-Length: {len(packed)}", "Content-Encoding: gzip", method="POST")
    assert client.send(packed).response().status == 413


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"max_body_size": -1}, ValueError, "max_body_size is at least 0"),
        ({"max_body_size": "1"}, TypeError, "max_body_size is an int or None"),
        ({"handler_timeout": 1.5, "offload": True}, TypeError, "handler_timeout is an int"),
        ({"handler_timeout": 1}, ValueError, "needs offload=True"),
        ({"read_timeout": 1}, TypeError, "no option 'read_timeout'"),
    ],
    ids=["negative", "str", "float", "on-the-loop", "unknown"],
)
def test_an_option_that_a_route_cannot_have_is_an_error(options, error, said):
    decorate = HttpServer(0).handle("GET", "/", **options)
    with pytest.raises(error, match=said):
        decorate(nothing)
