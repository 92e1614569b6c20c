"""The states of a connection, as tables.

TRANSITIONS says which state follows from which event, PLANS what a connection waits for in
each state and which clocks run meanwhile. Only `StateMachine._transition` changes a state.
"""

from dataclasses import dataclass
from enum import IntEnum

from bladehttp._wire.reader import Phase
from bladehttp.server._net import loop
from bladehttp.server._net.loop import READ


class State(IntEnum):
    """What a connection is doing."""

    PROXY = 0
    """A load balancer has to say who the client is."""
    HANDSHAKE = 1
    """TLS is being agreed on."""
    HEAD = 2
    """Waiting for the first request's head, or for the rest of any."""
    BODY = 3
    """The head is here, the body is arriving."""
    IDLE = 4
    """All answered; the next request may come."""
    HANDLE = 5
    """Callbacks run."""
    WRITE = 6
    """The client has to take some of the answer before anything else is read."""
    FINISH = 7
    """As WRITE, and the connection ends afterwards."""
    LINGER = 8
    """Our side is shut; what the client still sends is discarded, so that it reads the answer."""
    CLOSED = 9
    """Over."""
    WAIT = 10
    """A handler gives its answer later."""
    PAUSE = 11
    """All of a stream that is here is sent, and more is written later."""
    LAST_PAUSE = 12
    """As PAUSE, and the connection ends after the stream."""
    DELIVER = 13
    """The kernel has all of the answer, the client has not. The next request may come."""


class Event(IntEnum):
    """What makes a connection change its state."""

    INTRODUCED = 0
    """The client is known."""
    SECURED = 1
    """The handshake is complete, or there is none."""
    HEAD_WANTED = 2
    """Part of a head is here."""
    BODY_WANTED = 3
    """Part of a body is missing."""
    NOTHING_WANTED = 4
    """Nothing of a next request is here."""
    REQUEST = 5
    """A complete request is here."""
    REPLIED = 6
    """The answer is in the outbox."""
    REPLIED_LAST = 7
    """The answer is in the outbox and the connection ends after it."""
    BLOCKED = 8
    """The outbox could not be emptied, or a stream goes on."""
    SENT = 9
    """The outbox is empty."""
    SENT_LAST = 10
    """The outbox is empty, and the client will send nothing more: no need to linger."""
    DEFERRED = 12
    """The handler has returned, its answer comes later."""
    ANSWERED = 13
    """Here it is."""
    STARVED = 14
    """The outbox is empty, but a stream goes on some time."""
    FED = 15
    """Something has been written to the stream."""
    UNDELIVERED = 16
    """All is sent, and the client has not taken all of it."""
    DELIVERED = 17
    """Now it has."""
    LOST = 11
    """The connection is gone, or has to go at once."""


# Those on the way of every request by names of their own: on CPython 3.11 looking a member up by
# its class takes 0.15 us, more than the whole transition.
BODY, IDLE, WRITE = State.BODY, State.IDLE, State.WRITE
FINISH, CLOSED = State.FINISH, State.CLOSED
REQUEST, REPLIED = Event.REQUEST, Event.REPLIED

UNASKED = frozenset({State.PROXY, State.HANDSHAKE})
"""The states before a first request can come."""

READING = frozenset({State.HEAD, State.BODY, State.IDLE, State.DELIVER})
"""The states in which bytes are taken for requests."""

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

PAUSED = frozenset({State.PAUSE, State.LAST_PAUSE})
"""The states in which a stream has nothing to send."""

HANDED_OVER = PAUSED | {State.DELIVER, State.LINGER}
"""The states in which the kernel has all that was to be sent, but maybe the client not."""

PHASE_EVENTS = {
    Phase.IDLE: Event.NOTHING_WANTED,
    Phase.HEAD: Event.HEAD_WANTED,
    Phase.BODY: Event.BODY_WANTED,
}
"""What the reader's phase means for a connection that is reading."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a connection in one state waits for.

    Attributes:
        interest: Events its socket is watched for.
        progress: Name of the clock that starts again with every byte that moves.
        absolute: Names of the clocks that start with the state and run on into the next
            state that has them too.
        overhears: Whether it is read only to see when the client goes, and no longer once
            part of a next request has come.
        delivers: Whether the write clock runs: the client is looked at now and then, whether it
            takes what was sent.
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
