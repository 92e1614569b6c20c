"""An HTTP/3 server for tests: aioquic on a thread of its own."""

import asyncio
import threading
from typing import Any, Self

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Answering(QuicConnectionProtocol):
    """Answers each request with its method, its path and what it was sent."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._begun: dict[int, bytes] = {}

    def quic_event_received(self, event: Any) -> None:
        for each in self._http.handle_event(event):
            if isinstance(each, HeadersReceived):
                fields = dict(each.headers)
                self._begun[each.stream_id] = fields[b":method"] + b" " + fields[b":path"]
            elif isinstance(each, DataReceived):
                self._begun[each.stream_id] += b" " * bool(each.data) + each.data
            if each.stream_ended:
                self._answer(each.stream_id)

    def _answer(self, stream: int) -> None:
        body = self._begun.pop(stream)
        fields = [(b":status", b"200"), (b"x-peer", b"aioquic")]
        self._http.send_headers(stream, fields)
        self._http.send_data(stream, body, end_stream=True)
        self.transmit()


class QuicServer:
    """Listens on a UDP port."""

    def __init__(self, certificate: str, key: str, port: int = 0) -> None:
        self._configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
        self._configuration.load_cert_chain(certificate, key)
        self.port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        server: Any = await serve(
            "127.0.0.1", self.port, configuration=self._configuration, create_protocol=Answering
        )
        self.port = server._transport.get_extra_info("sockname")[1]
        self._ready.set()
        await self._ended.wait()
        server.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
