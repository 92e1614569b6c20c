"""Handle: a kept easy handle of libcurl, and the options that are set on it."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pycurl

from bladehttp._data.auth import Auth
from bladehttp._data.secret_names import SECRET
from bladehttp.client._config.options import FIXED_OPTIONS
from bladehttp.client._config.tls import check_named
from bladehttp.client._curl.body_sink import NO_SINK, BodySink
from bladehttp.client._curl.callbacks import FAILED, Call, storing_errors
from bladehttp.client._curl.connections import Address, Connections, version_of
from bladehttp.client._curl.multi import Multi

Options = tuple[tuple[int, object], ...]
Files = tuple[tuple[str, str], ...]
Chains = dict[object, list[Any]]

SECRET_OPTIONS = frozenset(
    (pycurl.PROXY, pycurl.USERPWD, pycurl.USERNAME, pycurl.PASSWORD, pycurl.PROXYUSERPWD,
     pycurl.PROXYUSERNAME, pycurl.PROXYPASSWORD, pycurl.KEYPASSWD, pycurl.XOAUTH2_BEARER,
     pycurl.HTTPHEADER, pycurl.PROXYHEADER, pycurl.COOKIE, pycurl.COOKIELIST)
)  # fmt: skip
"""Options whose values no message shows."""

# once: an attribute of a module costs five times as much as a global
URL, PREREQFUNCTION = pycurl.URL, pycurl.PREREQFUNCTION
OK, STOP = int(pycurl.PREREQFUNC_OK), int(pycurl.PREREQFUNC_ABORT)

CHAINS_KEPT = 32
"""Most connections and origins whose certificates are kept; the oldest are dropped first."""


def _shown(option: int, value: object) -> str:
    """Return an option and its value for a message."""
    if option == pycurl.HTTPAUTH and isinstance(value, int):
        return f"auth_method to Auth.{Auth(value).name}"
    return f"option {option} to {SECRET if option in SECRET_OPTIONS else repr(value)[:200]}"


class Message(NamedTuple):
    """What stays set on a handle after a transfer.

    Attributes:
        method: The method.
        fields: The options of its fields.
        has_bytes: Whether it sends bytes (CURLOPT_POSTFIELDS).
    """

    method: str
    fields: Options
    has_bytes: bool


PLAIN = Message("GET", (), False)
"""The message of a handle that is new or reset."""


class WriteGuard(Protocol):
    """Decides whether a request is written to a connection; see resend.py."""

    def decide(self, address: Address) -> int:
        """Return PREREQFUNC_OK or PREREQFUNC_ABORT for the connection with these addresses."""
        raise NotImplementedError


def reset_method(curl: Any) -> None:
    """Have an easy handle send a GET."""
    curl.unsetopt(pycurl.CUSTOMREQUEST)
    curl.setopt(pycurl.HTTPGET, 1)  # clears POST, UPLOAD and NOBODY


class Handle:
    """A kept easy handle.

    Attributes:
        applied: The options of the client that are set; None if all must be set again.
        curl: The easy handle. The transfer that runs on it sets its options.
        setopt: ``curl.setopt``, looked up once: pycurl creates an object for it at every look-up.
        getinfo: ``curl.getinfo``, looked up once for the same reason.
        error: The exception that a callback of the running transfer has raised, or None.
        ended_cleanly: Whether no transfer on it was cut short.
        is_guarded: Whether CURLOPT_PREREQFUNCTION is set, with a guard or without one.
        is_sound: Whether the options of the last transfer are reset, method and fields excepted.
        collector: The sink of bodies that are received as a whole.
        sink: The sink of the body if the response is received as a whole.
        connections: The connections that it may use.
        opened: Descriptors that the running transfer has opened.
        guard: The guard of the running transfer, None for none.
        has_opened: Whether the running or last transfer has opened any.
        origin: The origin of the running or last transfer.
        lines: The header lines of that transfer.
        message: Method and fields of the last transfer, which stay set.
        multi: The multi that its transfers run on.
        is_unusable: Whether the transfer was stopped because its connection was not usable.
        written: Number of connections opened when the request was last written.
        has_events: Called with 0 before a transfer: whether a connection may have changed since the
            last one.
    """

    __slots__ = (
        "_asked",
        "_caller_callback",
        "_chains",
        "_on_request",
        "_receiver",
        "_url",
        "applied",
        "collector",
        "connections",
        "curl",
        "ended_cleanly",
        "error",
        "getinfo",
        "guard",
        "has_events",
        "has_opened",
        "is_guarded",
        "is_sound",
        "is_unusable",
        "lines",
        "message",
        "multi",
        "opened",
        "origin",
        "setopt",
        "sink",
        "written",
    )  # fmt: skip

    has_events: Callable[[int], object]

    def __init__(
        self, multi: Multi, chains: Chains | None = None, connections: Connections | None = None
    ) -> None:
        """Create a handle.

        Args:
            multi: The multi that its transfers run on.
            chains: Certificates by the number of their connection, shared by handles that share
                connections; None for a dict of its own.
            connections: The connections of its multi; None for a table of its own.
        """
        self.multi = multi
        self.connections = Connections() if connections is None else connections
        self.has_events = self.connections.ready
        self.opened: list[int] = []
        self.has_opened = False
        self.is_unusable = False
        self.written = 0
        self.error: Exception | None = None
        self.origin: object = None
        self.lines: list[bytes] = []
        self.curl = curl = pycurl.Curl()
        self.setopt, self.getinfo = curl.setopt, curl.getinfo
        self.ended_cleanly = self.is_sound = True
        self.sink = NO_SINK
        self.collector = BodySink()
        self.guard: WriteGuard | None = None
        self.is_guarded = False
        self._on_request = self.callback(pycurl.PREREQFUNCTION, self._before_write)
        self._receiver: object = None
        self._url: str | None = None
        self.message = PLAIN
        self.applied: Options | None = None
        self._asked: object = None
        self._chains: Chains = {} if chains is None else chains

    def may_be_kept(self) -> bool:
        """Whether it may be kept for another transfer. No property, which takes twice as long."""
        return self.ended_cleanly and self.is_sound

    def configure(self, options: Options, files: Files = ()) -> None:
        """Set the options of a client, unless they are set already.

        reset() keeps connections and TLS sessions; setting all options again costs 29 us.

        Args:
            options: The options.
            files: Names of properties and the files they name, which must exist.

        Raises:
            CertificateFileError: A file does not exist.
            ValueError: This libcurl does not support an option or its value.
        """
        if options == self.applied:
            return
        for name, path in files:
            check_named(name, path)
        self.applied = self._receiver = self._url = None
        self.curl.reset()
        self.message = PLAIN
        self.is_guarded = False
        self._set_up(options)
        self.applied = options

    def _set_up(self, options: Options) -> None:
        """Set the options after a reset."""
        self._set(FIXED_OPTIONS)
        self._set(options)
        theirs: Any = dict(options).get(pycurl.SOCKOPTFUNCTION)
        self._caller_callback = theirs
        self.set_callback(pycurl.SOCKOPTFUNCTION, self._on_open)

    def set_callback(self, option: int, function: Callable[..., Any]) -> None:
        """Set a function that libcurl calls; see `callback`."""
        self.setopt(option, self.callback(option, function))

    def callback(self, option: int, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function for libcurl that raises nothing.

        An exception aborts the transfer and becomes ``error``, which its `finish` raises. Those
        that are no Exception, such as KeyboardInterrupt, end the loop at once.

        Args:
            option: The option of the callback.
            function: The function.
        """
        return storing_errors(function, self._store, FAILED.get(option))

    def _store(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            self.multi.interrupt(error)
        elif self.error is None:
            self.error = error

    def take_error(self) -> Exception:
        """Return the exception of a callback, and release it: its traceback leads here."""
        error, self.error = self.error, None
        assert error is not None
        return error

    def _on_open(self, descriptor: int, purpose: int) -> int:
        """Record a descriptor that libcurl opens. CURLOPT_SOCKOPTFUNCTION."""
        self.multi.note_descriptor(descriptor)
        self.opened.append(descriptor)
        self.has_opened = True
        self.connections.note_opened(descriptor, self)
        if self._caller_callback is not None:
            return int(self._caller_callback(descriptor, purpose))
        return int(pycurl.SOCKOPT_OK)

    def record_connections(self) -> None:
        """Record the connections that the transfer has opened, before the handle is removed."""
        getinfo = self.getinfo
        self.connections.record(self, getinfo(pycurl.LOCAL_PORT), getinfo(pycurl.INFO_HTTP_VERSION))
        self.opened.clear()

    def set_guard(self, guard: WriteGuard) -> None:
        """Set the guard that is asked before a request is written.

        CURLOPT_PREREQFUNCTION, which stays set: the next request may have a guard as well.
        """
        self.guard = guard
        if not self.is_guarded:
            self.watch_rounds()

    def watch_rounds(self) -> None:
        """Look at the connection before each round of a request but the first, from now on."""
        self.setopt(PREREQFUNCTION, self._on_request)
        self.is_guarded = True

    def forget_guards(self) -> None:
        """Unset CURLOPT_PREREQFUNCTION before a request without a guard and of one round."""
        self.is_guarded = False
        self.curl.unsetopt(PREREQFUNCTION)

    def _before_write(self, *address: Any) -> int:
        """Decide whether a request is written to a connection. CURLOPT_PREREQFUNCTION."""
        if self.guard is not None:
            return self.guard.decide(address)
        if self.lines:  # it was looked at before the first round
            return self._decide(address)
        self.written = len(self.opened)
        return OK

    def _decide(self, address: Address) -> int:
        """Decide whether a request without a guard is written; it may be sent twice."""
        if self.is_usable(address, True):
            return OK
        self.is_unusable = True
        return STOP

    def is_usable(self, address: Address, is_repeatable: bool) -> bool:
        """Whether a request may be written to a connection; see `Connections.is_usable`."""
        opened = len(self.opened)
        if opened > self.written:
            self.written = opened
            return True  # it is new
        if opened:  # another round over a connection of this transfer
            self.connections.record(self, address[3], version_of(self.lines))
        return self.connections.is_usable(address, is_repeatable)

    def forget_closed(self) -> None:
        """Forget connections that are closed; for handles with connections of their own."""

    def await_probation(self, origin: object) -> bool:
        """Whether a server is known to close after each response, so that a new one is needed.

        Waits for the end of a connection's probation where waiting delays no other transfer.
        """
        return self.connections.closes_after_response(origin)

    def forget_other_origin(self, origin: object) -> None:
        """Reset the handle before it authenticates at another origin.

        libcurl keeps the authentication method that it has negotiated, and would send the password
        to the next origin by Basic, unasked.
        """
        if self._asked not in (None, origin):
            self.invalidate()
        self._asked = origin

    def invalidate(self) -> None:
        """Have the next `configure` set all options again, after one that cannot be unset."""
        self.applied = None

    def _set(self, options: Options) -> None:
        for option, given in options:
            value = self.callback(option, given) if callable(given) else given
            try:
                self.setopt(option, value)
            except (pycurl.error, TypeError) as error:
                raise ValueError(f"this libcurl cannot set {_shown(option, value)}") from error

    def in_context(self, function: Call) -> Call:
        """Return a function as libcurl calls it; see `SharedHandle.in_context`."""
        return function  # an engine runs in the caller's thread and context

    def set_target(self, url: str, sink: Any, hear: Callable[[bytes], None]) -> None:
        """Set the URL of the next transfer and its sink, where they differ from the last one's.

        Args:
            url: The URL.
            sink: The sink of the body.
            hear: Called with each header line; the same function for the same sink.
        """
        if url != self._url:
            self._url = None  # a Ctrl-C can come between any two lines
            self.setopt(URL, url)
            self._url = url
        if sink is not self._receiver:
            self._receiver = None
            self.set_callback(pycurl.WRITEFUNCTION, sink.write)
            self.setopt(pycurl.HEADERFUNCTION, hear)
            self._receiver = sink

    def set_message(self, message: Message) -> None:
        """Set method and fields of the next transfer, where they differ from the last one's."""
        before, self.message = self.message, message
        if message.fields != before.fields:
            self._change_fields(before.fields, message.fields)
        if message.method != before.method or message.has_bytes is not before.has_bytes:
            self._change_method(before, message)

    def _change_fields(self, before: Options, fields: Options) -> None:
        wanted = [option for option, _ in fields]
        for option, _ in before:
            if option not in wanted:
                self.curl.unsetopt(option)  # to set [] instead would leave the fields
        for option, value in fields:
            self.setopt(option, value)

    def _change_method(self, before: Message, message: Message) -> None:
        if before.has_bytes:
            self.setopt(pycurl.POSTFIELDS, b"")  # the handle would keep them
        if before.has_bytes or before.method != "GET":
            reset_method(self.curl)
        if message.method == "HEAD":
            self.setopt(pycurl.NOBODY, 1)  # as CUSTOMREQUEST it would wait for a body
        elif message.method != ("POST" if message.has_bytes else "GET"):
            self.setopt(pycurl.CUSTOMREQUEST, message.method)

    def certificates(self, origin: object) -> list[Any]:
        """Return the certificates presented on the last used connection, the server's own first.

        libcurl reports them (CURLINFO_CERTINFO) for a new connection only, so they are kept by the
        number of the connection. A resumed TLS session presents none, and the server is the same:
        they are kept by origin too.
        """
        getinfo, chains = self.getinfo, self._chains
        number = getinfo(pycurl.CONN_ID)
        if number not in chains or self.has_opened:
            chain = getinfo(pycurl.INFO_CERTINFO) or chains.get(origin, [])
            while len(chains) >= CHAINS_KEPT:
                del chains[next(iter(chains))]
            chains[number] = chains[origin] = chain
        return chains[number]

    def close(self) -> None:
        """Close the handle and the connections of its own."""
        self.curl.close()
