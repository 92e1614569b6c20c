"""SharedHandle: a handle on the `SharedMulti` of a scheduler, beside others."""

from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from math import inf
from typing import Any, cast

import pycurl

from bladehttp.client._curl.body_sink import DecodingBudget, DecodingSink
from bladehttp.client._curl.callbacks import Call
from bladehttp.client._curl.connections import (
    HTTP_1,
    HTTP_2,
    MULTIPLEXED,
    Connections,
    silence_s,
)
from bladehttp.client._curl.handle import OK, STOP, Chains, Handle, Options, WriteGuard
from bladehttp.client._curl.shared_multi import SharedMulti
from bladehttp.client._curl.sweeper import Sweeper

# once: an attribute of a module costs five times as much as a global
REQUEST_SIZE, SIZE_DOWNLOAD = pycurl.REQUEST_SIZE, pycurl.SIZE_DOWNLOAD_T


class Shared:
    """The parts that the handles of one scheduler share.

    Attributes:
        budget: The budget for decoding bodies while they are received; None decodes them at their
            end.
        chains: Certificates by connection and origin; see `Handle`.
        connections: The connections of the multi.
        multi: The multi.
        resume: Called with an easy handle whose transfer was paused until received bytes were
            decoded.
        sweeper: The sweeper of the multi, which is told of each descriptor.
    """

    __slots__ = ("budget", "chains", "connections", "multi", "resume", "sweeper")

    def __init__(self, budget: DecodingBudget | None, resume: Callable[[Any], None]) -> None:
        """Create a multi without connections."""
        self.budget = budget
        self.resume = resume
        self.chains: Chains = {}
        self.connections = Connections()
        self.multi = SharedMulti()
        self.sweeper = Sweeper(self.multi)


class SharedHandle(Handle):
    """A handle that runs one transfer after another, beside others.

    Attributes:
        context: The context in which libcurl calls the caller's code; None while it calls none.
        waits: Whether it waits for a connection to share.
    """

    __slots__ = ("_others", "_shared", "context", "waits")

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared.multi, shared.chains, shared.connections)
        self.has_events = _no_events  # `_before_write` is at the one connection that is used
        self._shared = shared
        self._others: Any = None
        self.waits = False
        self.context: Context | None = None
        if shared.budget is not None:
            self.collector = DecodingSink(shared.budget, self.curl, shared.resume)

    def set_pipewait(self, waits: bool) -> None:
        """Set whether it waits for a connection to share. CURLOPT_PIPEWAIT."""
        if waits != self.waits:
            self.waits = waits
            self.curl.setopt(pycurl.PIPEWAIT, waits)

    @property
    def is_queued(self) -> bool:
        """Whether the transfer has not yet been allowed to connect."""
        return not self.getinfo(pycurl.NUM_CONNECTS) and not self.getinfo(pycurl.REQUEST_SIZE)

    def has_only_waited(self, code: int) -> bool:
        """Whether a connect timeout was only a wait for one of a limited number of connections.

        Args:
            code: libcurl's error number.
        """
        if code != pycurl.E_OPERATION_TIMEDOUT or not self._shared.multi.is_limited:
            return False
        return self.is_queued

    def bytes_moved(self, has_body: bool) -> int:
        """Return a number that grows with all that is sent and received; 0 until the request is.

        The lines of a proxy's answer to CONNECT come before that, and a TLS handshake after them.

        Args:
            has_body: Whether the request has one, whose bytes count too.
        """
        sent = self.getinfo(REQUEST_SIZE)
        if not sent:
            return 0
        moved = sent + self.getinfo(SIZE_DOWNLOAD) + len(self.lines)
        return int(moved + self.getinfo(pycurl.SIZE_UPLOAD_T) if has_body else moved)

    def silence_s(self) -> float:
        """Return the seconds since its connection received bytes; infinite if that is not known.

        libcurl counts a line of a head, or of chunked framing, when it is complete. On a connection
        that is shared the bytes may belong to another transfer, and that is not known.
        """
        origin: Any = self.origin
        usual = HTTP_1 if origin[0] == "http" else HTTP_2
        if self.connections.versions.get(origin, usual) in MULTIPLEXED:
            return inf
        return silence_s(self.getinfo(pycurl.ACTIVESOCKET))

    def in_context(self, function: Call) -> Call:
        """Return a function of the caller's bound to the caller's context.

        Each transfer uses a copy of the context: a context can be entered only once at a time, and
        libcurl may call while the caller's own is entered.
        """
        if self.context is None:
            self.context = copy_context()
        in_context: Any = partial(self.context.run, function)
        return cast("Call", in_context)

    def _set_up(self, options: Options) -> None:
        super()._set_up(options)
        self.waits = False
        self.curl.setopt(pycurl.PIPEWAIT, False)
        self._others = dict(options).get(pycurl.PREREQFUNCTION)
        self.setopt(pycurl.PREREQFUNCTION, self._on_request)

    def set_guard(self, guard: WriteGuard) -> None:
        self.guard = guard

    def watch_rounds(self) -> None:
        """Do nothing: `_before_write` looks before each round."""

    def _before_write(self, *address: Any) -> int:
        if self.guard is not None:
            return self.guard.decide(address)
        if self._decide(address) == STOP:
            return STOP
        return OK if self._others is None else int(self._others(*address))

    def _on_open(self, descriptor: int, purpose: int) -> int:
        self._shared.sweeper.note_descriptor(descriptor)
        return super()._on_open(descriptor, purpose)


def _no_events(_: int) -> bool:
    return False
