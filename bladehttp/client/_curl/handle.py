"""Handle: a kept easy handle of libcurl, and the options it was last set up for."""

from collections.abc import Callable
from typing import Any

import pycurl

from bladehttp.client._config.options import STANDING, Settings
from bladehttp.client._config.secrets import SECRET
from bladehttp.client._config.tls import check_named
from bladehttp.client._curl.body_sink import NO_SINK, BodySink
from bladehttp.client._curl.connections import Connections
from bladehttp.client._request.body import Call

Options = tuple[tuple[int, object], ...]
Files = tuple[tuple[str, str], ...]
Chains = dict[object, list[Any]]

SECRET_OPTIONS = frozenset(
    (pycurl.PROXY, pycurl.USERPWD, pycurl.USERNAME, pycurl.PASSWORD, pycurl.PROXYUSERPWD,
     pycurl.PROXYUSERNAME, pycurl.PROXYPASSWORD, pycurl.KEYPASSWD, pycurl.XOAUTH2_BEARER,
     pycurl.HTTPHEADER, pycurl.PROXYHEADER, pycurl.COOKIE, pycurl.COOKIELIST)
)  # fmt: skip
"""Options whose values no message shows."""

CHAINS_KEPT = 32
"""Connections and origins whose certificates are remembered, the oldest given up first."""


class Handle:
    """A kept easy handle.

    Attributes:
        curl: The easy handle, to be set up by whoever runs a transfer.
        setopt: Its method, looked up once: pycurl makes an object for it at every look-up.
        getinfo: Likewise.
        ended_cleanly: Whether no transfer on it was cut short.
        plain: Whether what transfers have set is undone, so that it is set up for a plain GET.
        sink: Where the body of the transfer goes if it is received as a whole.
        connections: The connections that it may use.
        opened: The descriptors that the running transfer has opened.
        origin: What the running transfer, or the last one, is for.
        lines: Its header lines.
        is_unusable: Whether the transfer was stopped because its connection was not usable.
        has_events: Called with 0 before a transfer: whether something may have happened to one of
            the connections since the last.
    """

    __slots__ = (
        "_applied",
        "_asked",
        "_caller_callback",
        "_chains",
        "connections",
        "curl",
        "ended_cleanly",
        "getinfo",
        "has_events",
        "is_unusable",
        "lines",
        "opened",
        "origin",
        "plain",
        "setopt",
        "sink",
    )  # fmt: skip

    has_events: Callable[[int], object]

    def __init__(
        self, chains: Chains | None = None, connections: Connections | None = None
    ) -> None:
        """Make one.

        Args:
            chains: Certificates by the number of their connection, shared by handles that share
                connections; None for a dict of its own.
            connections: Those of its multi, likewise.
        """
        self.connections = Connections() if connections is None else connections
        self.has_events = self.connections.ready
        self.opened: list[int] = []
        self.is_unusable = False
        self.origin: object = None
        self.lines: list[bytes] = []
        self.curl = curl = pycurl.Curl()
        self.setopt, self.getinfo = curl.setopt, curl.getinfo
        self.ended_cleanly = self.plain = True
        self.sink = NO_SINK
        self._applied: Options | None = None
        self._asked: object = None
        self._chains: Chains = {} if chains is None else chains

    @property
    def is_reusable(self) -> bool:
        """Whether it may be kept for another transfer."""
        return self.ended_cleanly and self.plain

    def configure(self, options: Options, files: Files = ()) -> None:
        """Set the handle up for a client's options, unless it is already.

        reset() keeps connections and TLS sessions; with all options again it costs 29 us.

        Args:
            options: The options.
            files: Names of properties and the files they name, which have to be there.

        Raises:
            CertificateFileError: A file is not there.
            ValueError: This libcurl cannot do what an option asks for.
        """
        if options is self._applied or options == self._applied:
            return
        for name, path in files:
            check_named(name, path)
        self._applied = None
        self.curl.reset()
        self._set_up(options)
        self._applied = options

    def _set_up(self, options: Options) -> None:
        """Set a handle that was reset."""
        self._set(STANDING)
        self._set(options)
        theirs: Any = dict(options).get(pycurl.SOCKOPTFUNCTION)
        self._caller_callback = theirs
        self.setopt(pycurl.SOCKOPTFUNCTION, self._on_open)

    def _on_open(self, descriptor: int, purpose: int) -> int:
        """Note a descriptor that libcurl opens (CURLOPT_SOCKOPTFUNCTION)."""
        # pycurl would print what is raised here and lose it: a Ctrl-C can arrive in any line
        try:
            self.opened.append(descriptor)
            self.connections.note_opened(descriptor, self)
            if self._caller_callback is not None:
                return int(self._caller_callback(descriptor, purpose))
        except BaseException as error:  # noqa: BLE001 - raised again by the loop
            self._store_error(error)
        return int(pycurl.SOCKOPT_OK)

    def _store_error(self, error: BaseException) -> None:
        """Take what was raised in a callback, to be raised again."""

    def record_connections(self) -> None:
        """Note the connection that the transfer has made, when it has ended and is not removed."""
        getinfo = self.getinfo
        self.connections.record(self, getinfo(pycurl.LOCAL_PORT), getinfo(pycurl.INFO_HTTP_VERSION))
        self.opened.clear()

    def set_guard(self, guard: Callable[..., int] | None) -> None:
        """Have a guard asked before a request is written (CURLOPT_PREREQFUNCTION); None: no more.

        Args:
            guard: Called with the addresses of the connection (`Address`); returns whether
                to go on (PREREQFUNC_OK or PREREQFUNC_ABORT).
        """
        if guard is None:
            self.curl.unsetopt(pycurl.PREREQFUNCTION)
        else:
            self.setopt(pycurl.PREREQFUNCTION, guard)

    def forget_closed(self) -> None:
        """Find out what has happened to its connections, where they are used by nothing else."""

    def await_probation(self, origin: object) -> bool:
        """Whether a server is known to close after each response, so that a new connection is due.

        Waits until it is known, where waiting holds up nobody else.
        """
        return self.connections.closes_after_response(origin)

    def forget_other_origin(self, origin: object) -> None:
        """Have libcurl ask an origin for its method, if it has asked another one before.

        It keeps the method that was chosen, and would give the password to the next origin by
        Basic, unasked.
        """
        if self._asked not in (None, origin):
            self.invalidate()
        self._asked = origin

    def invalidate(self) -> None:
        """Have the next `configure` set everything anew, after an option that cannot be unset."""
        self._applied = None

    def _set(self, options: Options) -> None:
        for option, value in options:
            try:
                self.setopt(option, value)
            except (pycurl.error, TypeError) as error:
                shown = SECRET if option in SECRET_OPTIONS else repr(value)
                raise ValueError(f"this libcurl cannot set option {option} to {shown}") from error

    def in_context(self, function: Call) -> Call:
        """Return a caller's function as libcurl calls it; see `ScheduledHandle.in_context`."""
        return function  # an engine runs in the caller's thread and context

    def make_sink(self, lines: list[bytes], settings: Settings) -> BodySink:
        """Return what a body is written to, which becomes ``sink``.

        Args:
            lines: The list that the header lines go to.
            settings: Of the request.
        """
        self.sink = sink = BodySink(lines, settings.follow_redirect)
        return sink

    def certificates(self, origin: object) -> list[Any]:
        """Return the certificates presented on the connection used last, the server's own first.

        libcurl tells them (CURLINFO_CERTINFO) for a new connection only, so they are kept by the
        number of the connection; and for none that took up an earlier TLS session, where the
        server presents nothing and is who it was, so they are kept by its origin too.
        """
        getinfo, chains = self.getinfo, self._chains
        number = getinfo(pycurl.CONN_ID)
        if number not in chains or getinfo(pycurl.NUM_CONNECTS):
            chain = getinfo(pycurl.INFO_CERTINFO) or chains.get(origin, [])
            while len(chains) >= CHAINS_KEPT:
                del chains[next(iter(chains))]
            chains[number] = chains[origin] = chain
        return chains[number]

    def close(self) -> None:
        """Close it, and the connections that are its own."""
        self.curl.close()
