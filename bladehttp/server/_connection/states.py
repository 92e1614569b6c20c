"""The states of a connection, as tables.

TRANSITIONS: state and event to the next state. PLANS: the socket events and the clocks of each
state. `StateMachine.transition` changes a state. On the way of a plain request `Connection` looks
its first step up itself, and has the last one written out, which a test compares.
"""

from dataclasses import dataclass
from enum import IntEnum

from bladehttp._wire.reader import Phase
from bladehttp.server._net import loop
from bladehttp.server._net.loop import READ


class State(IntEnum):
    """The state of a connection."""

    PROXY = 0
    """Waiting for a PROXY header."""
    HANDSHAKE = 1
    """TLS handshake in progress."""
    HEAD = 2
    """Waiting for the first request's head, or for the rest of any head."""
    BODY = 3
    """The head was received; the body is arriving."""
    IDLE = 4
    """Every request was answered; the next may arrive."""
    HANDLE = 5
    """Callbacks are running."""
    WRITE = 6
    """The client has to receive part of the response before more is read."""
    FINISH = 7
    """As WRITE, and the connection closes afterwards."""
    LINGER = 8
    """Our side is shut down; incoming bytes are discarded so that the client reads the response."""
    CLOSED = 9
    """Closed."""
    WAIT = 10
    """The response is deferred."""
    PAUSE = 11
    """The stream has no data to send for now."""
    LAST_PAUSE = 12
    """As PAUSE, and the connection closes after the stream."""
    DELIVER = 13
    """The kernel holds unsent bytes of the response. The next request may arrive."""


class Event(IntEnum):
    """An event that changes the state of a connection."""

    INTRODUCED = 0
    """The PROXY header was read, or there is none."""
    SECURED = 1
    """The handshake is complete, or there is none."""
    HEAD_WANTED = 2
    """Part of a head was received."""
    BODY_WANTED = 3
    """Part of a body is missing."""
    NOTHING_WANTED = 4
    """No bytes of a next request were received."""
    REQUEST = 5
    """A complete request was received."""
    REPLIED = 6
    """The response is in the outbox."""
    REPLIED_LAST = 7
    """The response is in the outbox and the connection closes after it."""
    BLOCKED = 8
    """The outbox could not be emptied, or a stream continues."""
    SENT = 9
    """The outbox is empty."""
    SENT_LAST = 10
    """The outbox is empty and the client will send nothing more: no need to linger."""
    DEFERRED = 12
    """The handler deferred its response."""
    ANSWERED = 13
    """The deferred response is ready."""
    STARVED = 14
    """The outbox is empty, but the stream continues later."""
    FED = 15
    """The stream has new data."""
    UNDELIVERED = 16
    """Everything is sent, but the client has not received all of it."""
    DELIVERED = 17
    """The client has received everything."""
    LOST = 11
    """The connection was lost, or is closed at once."""


# Those on the way of every request by names of their own: on CPython 3.11 looking a member up by
# its class takes 0.15 us, more than the whole transition.
BODY, IDLE, HANDLE, WRITE = State.BODY, State.IDLE, State.HANDLE, State.WRITE
FINISH, CLOSED = State.FINISH, State.CLOSED
REQUEST, REPLIED = Event.REQUEST, Event.REPLIED

READING = frozenset({State.HEAD, State.BODY, State.IDLE, State.DELIVER})
"""The states in which received bytes are parsed as requests."""

TRANSITIONS: dict[State, dict[Event, State]] = {
    State.PROXY: {
        Event.INTRODUCED: State.HANDSHAKE,
    },
    State.HANDSHAKE: {
        Event.SECURED: State.HEAD,
        Event.REPLIED_LAST: State.FINISH,  # plain HTTP on a TLS port is told so
    },
    State.HEAD: {
        Event.HEAD_WANTED: State.HEAD,
        Event.BODY_WANTED: State.BODY,
        Event.NOTHING_WANTED: State.IDLE,
        Event.REQUEST: State.HANDLE,
        Event.REPLIED_LAST: State.FINISH,  # refused
        Event.BLOCKED: State.WRITE,
    },
    State.BODY: {
        Event.BODY_WANTED: State.BODY,
        Event.REQUEST: State.HANDLE,
        Event.REPLIED_LAST: State.FINISH,
        Event.BLOCKED: State.WRITE,
    },
    State.IDLE: {
        Event.HEAD_WANTED: State.HEAD,
        Event.BODY_WANTED: State.BODY,
        Event.NOTHING_WANTED: State.IDLE,
        Event.REQUEST: State.HANDLE,
        Event.REPLIED_LAST: State.FINISH,
        Event.BLOCKED: State.WRITE,
        Event.UNDELIVERED: State.DELIVER,
    },
    State.DELIVER: {
        Event.HEAD_WANTED: State.HEAD,
        Event.BODY_WANTED: State.BODY,
        Event.NOTHING_WANTED: State.DELIVER,
        Event.REQUEST: State.HANDLE,
        Event.REPLIED_LAST: State.FINISH,
        Event.BLOCKED: State.WRITE,
        Event.DELIVERED: State.IDLE,
    },
    State.HANDLE: {
        Event.REPLIED: State.IDLE,
        Event.REPLIED_LAST: State.FINISH,
        Event.BLOCKED: State.WRITE,
        Event.DEFERRED: State.WAIT,
    },
    State.WAIT: {
        Event.ANSWERED: State.HANDLE,
    },
    State.WRITE: {
        Event.SENT: State.IDLE,
        Event.STARVED: State.PAUSE,
    },
    State.PAUSE: {
        Event.FED: State.WRITE,
    },
    State.LAST_PAUSE: {
        Event.FED: State.FINISH,
    },
    State.FINISH: {
        Event.STARVED: State.LAST_PAUSE,
        Event.SENT: State.LINGER,
        Event.SENT_LAST: State.CLOSED,
    },
    State.LINGER: {},
    State.CLOSED: {},
}
for _state, _row in TRANSITIONS.items():
    if _state is not State.CLOSED:
        _row[Event.LOST] = State.CLOSED

ON_REQUEST = {state: row[REQUEST] for state, row in TRANSITIONS.items() if REQUEST in row}
"""State to the next one when a request is complete."""

PAUSED = frozenset({State.PAUSE, State.LAST_PAUSE})
"""The states in which a stream has no data to send."""

HANDED_OVER = PAUSED | {State.DELIVER, State.LINGER}
"""The states in which the kernel has all bytes that were to be sent, but the client may not."""

PHASE_EVENTS = {
    Phase.IDLE: Event.NOTHING_WANTED,
    Phase.HEAD: Event.HEAD_WANTED,
    Phase.BODY: Event.BODY_WANTED,
}
"""Phase of the reader to the event of a connection that is reading."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The socket events and clocks of one state.

    Attributes:
        interest: Events the socket is watched for.
        progress: Name of the clock that restarts with every byte.
        absolute: Names of the clocks that start with the state and keep running in following
            states that have them too.
        detects_disconnect: Whether the socket is read only to detect that the client left, until
            bytes of a next request arrive.
        tracks_delivery: Whether the write clock runs, which checks that the client keeps receiving.
    """

    interest: int
    progress: str | None = None
    absolute: tuple[str, ...] = ()
    detects_disconnect: bool = False
    tracks_delivery: bool = False


#                        watched for  clock started by progress           absolute clocks
PLANS: dict[State, Plan] = {
    State.PROXY: Plan(READ, absolute=("handshake",)),
    State.HANDSHAKE: Plan(READ, absolute=("handshake",)),
    State.HEAD: Plan(READ, progress="read", absolute=("header", "request")),
    State.BODY: Plan(READ, progress="read", absolute=("request", "body_rate")),
    State.IDLE: Plan(READ, progress="keep_alive"),
    State.HANDLE: Plan(0),
    State.WAIT: Plan(READ, detects_disconnect=True),
    State.PAUSE: Plan(READ, detects_disconnect=True, tracks_delivery=True),
    State.LAST_PAUSE: Plan(READ, detects_disconnect=True, tracks_delivery=True),
    State.WRITE: Plan(loop.WRITE, tracks_delivery=True),
    State.FINISH: Plan(loop.WRITE, tracks_delivery=True),
    State.DELIVER: Plan(READ, tracks_delivery=True),
    State.LINGER: Plan(READ, progress="silence", absolute=("linger",), tracks_delivery=True),
    State.CLOSED: Plan(0),
}

IDLE_PLAN = PLANS[IDLE]
