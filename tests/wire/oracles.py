"""h11 and llhttp (through httptools) as second and third opinions on a stream."""

from dataclasses import dataclass
from typing import Any

import h11
import httptools
from wire.corpus import Case

Plain = dict[str, Any]
"""A request as all parsers can tell it: method, target, fields (without Cookie), cookie, body."""

COMMON = ("method", "target", "fields", "cookie", "body")


@dataclass(frozen=True, slots=True)
class Opinion:
    """The complete requests a parser finds in a stream, and whether it refuses what follows."""

    requests: list[Plain]
    refuses: bool


def plain(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], body: bytes) -> Plain:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
    return {
        "method": method.decode("latin-1"),
        "target": target.decode("latin-1"),
        "fields": [[name, value] for name, value in pairs if name.lower() != "cookie"],
        "cookie": "; ".join(value for name, value in pairs if name.lower() == "cookie"),
        "body": body.decode("latin-1"),
    }


def ask_h11(data: bytes) -> Opinion:
    requests: list[Plain] = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        try:
            request = connection.next_event()
            if request is h11.NEED_DATA:
                break
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
        except h11.RemoteProtocolError:
            return Opinion(requests, refuses=True)
        if not isinstance(event, h11.EndOfMessage):
            break
        fields = request.headers.raw_items()
        requests.append(plain(request.method, request.target, fields, body))
        data, _ = connection.trailing_data
    return Opinion(requests, refuses=False)


class Collector:
    """What httptools calls; it keeps what one stream says."""

    def __init__(self) -> None:
        self.requests: list[Plain] = []

    def on_message_begin(self) -> None:
        self.target = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.requests.append(plain(self.parser.get_method(), self.target, self.fields, self.body))


def ask_httptools(data: bytes) -> Opinion:
    requests: list[Plain] = []
    while data:
        collector = Collector()
        collector.parser = httptools.HttpRequestParser(collector)
        collector.requests = requests
        try:
            collector.parser.feed_data(data)
            break
        except httptools.HttpParserUpgrade as upgrade:
            data = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            return Opinion(requests, refuses=True)
    return Opinion(requests, refuses=False)


ORACLES = {"h11": ask_h11, "httptools": ask_httptools}


def differs(case: Case, opinion: Opinion) -> bool:
    """Whether an oracle judges a case's stream otherwise than the corpus does."""
    taken = case.taken or len(case.expected)
    return (opinion.refuses, len(opinion.requests)) != (bool(case.status), taken)
