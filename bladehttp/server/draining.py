"""Draining: how a run ends without cutting anybody off.

A client that sends its request at the moment the server stops sees a reset, or a FIN in place of
its answer. So a run ends in steps:

1. New connections are turned away before they are made (`Listener.turn_away`), those that are made
   are accepted and answered, then the listener is closed.
2. Each answer is the last on its connection. A connection that is idle stays for a moment: a
   request may be on its way.
3. When the time is over, what has no answer gets 503, and what is on its way is reset.
4. What reads its 503 has a moment, too, unless it goes before.
"""

from bladehttp.server.listener import Listener
from bladehttp.server.loop import Timer
from bladehttp.server.service import Service
from bladehttp.server.systemd import notify

MOMENT = 1.0
"""Seconds an idle connection is kept for a request that is on its way; fewer if draining may not
take twice as long."""

SHORTENED = ("keep_alive", "handshake", "silence")
"""The clocks of clients that have nothing to wait for."""

HANDSHAKE = 0.25
"""Seconds until the listener is closed: those whose handshake is under way come through."""

LAST_WORDS = 0.5
"""Seconds in which a client may read the 503 that it gets at the end."""


class Draining:
    """The end of one run."""

    __slots__ = ("_listener", "_loop", "_service", "_timers")

    def __init__(self, service: Service, listener: Listener) -> None:
        """Drain when `start` is called."""
        self._service = service
        self._loop = service.loop
        self._listener = listener
        self._timers: list[Timer] = []

    def start(self, seconds: float) -> None:
        """Begin, or begin again with another limit.

        Args:
            seconds: After which what is left is cut off. 0: at once.
        """
        for timer in self._timers:
            timer.cancel()
        service, later = self._service, self._loop.call_later
        service.draining = True
        notify("STOPPING=1")
        if not seconds:
            self._loop.stop()
            return
        for name in SHORTENED:
            service.shorten(name, min(MOMENT, seconds / 2))
        self._listener.turn_away()
        for connection in list(service.connections):
            connection.close_when_done()
        self._timers = [
            later(self._listener.grace(min(HANDSHAKE, seconds / 2)), self._close_listener),
            later(seconds, self._cut),
            later(seconds + LAST_WORDS, self._loop.stop),
        ]

    def check(self) -> None:
        """End the run if nothing is left to be done."""
        if not self._service.connections and self._listener.is_closed:
            self._loop.stop()

    def _close_listener(self) -> None:
        self._listener.accept_all()
        self._listener.close()
        self.check()

    def _cut(self) -> None:
        for connection in list(self._service.connections):
            connection.cut()
        self.check()
