"""The tables by themselves."""

import pytest

from bladehttp._wire.reader import Phase
from bladehttp.server._config import CLOCKS
from bladehttp.server._connection.connection import READY
from bladehttp.server._connection.states import (
    PHASE_EVENTS,
    PLANS,
    READING,
    TRANSITIONS,
    Event,
    State,
)
from bladehttp.server._net.loop import READ, WRITE

OPEN = [state for state in State if state is not State.CLOSED]


def test_every_state_has_a_row_in_each_table():
    assert set(TRANSITIONS) == set(PLANS) == set(State)


@pytest.mark.parametrize("state", OPEN)
def test_every_state_can_be_lost(state):
    assert TRANSITIONS[state][Event.LOST] is State.CLOSED


def test_nothing_comes_after_closed():
    assert TRANSITIONS[State.CLOSED] == {}


def test_every_state_can_be_reached():
    reached = {State.PROXY}
    while more := {to for state in reached for to in TRANSITIONS[state].values()} - reached:
        reached |= more
    assert reached == set(State)


@pytest.mark.parametrize("state", OPEN)
def test_a_state_that_waits_for_the_client_has_a_clock_and_no_other(state):
    plan = PLANS[state]
    waits_for_client = plan.interest and not plan.detects_disconnect  # else it is a handler's turn
    has_clock = plan.progress or plan.absolute or plan.tracks_delivery
    assert bool(has_clock) is bool(waits_for_client or plan.tracks_delivery)


@pytest.mark.parametrize("state", OPEN)
def test_a_state_that_waits_for_the_socket_has_a_method_for_it(state):
    assert (state in READY) is bool(PLANS[state].interest)


def test_every_clock_named_is_a_property_or_lingers():
    named = {name for plan in PLANS.values() for name in (plan.progress, *plan.absolute) if name}
    assert named | {"write"} == {*CLOCKS, "linger", "silence", "body_rate"}


def test_only_states_that_read_take_requests():
    assert {state for state in OPEN if Event.REQUEST in TRANSITIONS[state]} == READING
    # the last step of a plain request, which is not looked up
    assert {TRANSITIONS[state][Event.REQUEST] for state in READING} == {State.HANDLE}
    assert TRANSITIONS[State.HANDLE][Event.REPLIED] is State.IDLE
    assert all(PLANS[state].interest == READ for state in READING)


def test_nothing_is_read_while_an_answer_waits():
    assert PLANS[State.WRITE].interest == PLANS[State.FINISH].interest == WRITE


def test_every_phase_of_the_reader_but_failure_is_an_event_of_each_reading_state():
    assert set(PHASE_EVENTS) == set(Phase) - {Phase.FAILED}
    allowed = {
        State.HEAD: {Phase.IDLE, Phase.HEAD, Phase.BODY},
        State.IDLE: {Phase.IDLE, Phase.HEAD, Phase.BODY},
        State.DELIVER: {Phase.IDLE, Phase.HEAD, Phase.BODY},
        State.BODY: {Phase.BODY},  # a body that has begun is finished or the request is
    }
    for state, phases in allowed.items():
        taken = {phase for phase, event in PHASE_EVENTS.items() if event in TRANSITIONS[state]}
        assert taken == phases
