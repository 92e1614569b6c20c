"""A mounted application does what a row of the table says, and the rest of it comes true."""

import pytest
from support import Raw, wait_until
from wsgi_outcomes import OUTCOMES, Outcome, received

from bladehttp.server import HttpServer


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.does)
def test_what_an_application_does_comes_to_what_the_table_says(outcome: Outcome) -> None:
    told: list[type[BaseException]] = []
    received.clear()
    server = HttpServer(0)
    server.on_error(lambda error, sock: told.append(type(error)))
    server.mount("/app", outcome.application)
    with server:
        with Raw(server.port) as client:
            client.get("/app/")
            if outcome.body is None:
                assert client.line().startswith(b"HTTP/1.1 %d " % outcome.status)
                while not client.buffer.endswith(b"\r\n\r\n3\r\none\r\n"):
                    assert client.more()
                received.set()
                assert client.read_all().endswith(b"\r\n\r\n3\r\none\r\n")  # not by "0"
            else:
                received.set()
                response = client.response()
                assert (response.status, response.body) == (outcome.status, outcome.body)
        with Raw(server.port) as client:
            assert client.get("/other").response().status == 404
        wait_until(lambda: told == ([outcome.error] if outcome.error else []), f"told: {told}")
