"""Interleave: a row's contestants in turn, round after round, and what came of it."""

import sys
from contextlib import ExitStack

from benchmarks.model import OURS, AbsentError, Contestant, Outcome, Row, Sample
from benchmarks.profile import profile
from benchmarks.setting import Setting


def run(row: Row, setting: Setting, rounds: int) -> Outcome:
    """Measure a row: A B C A B C ..., so that what disturbs the machine disturbs them all.

    A contestant that fails is left out from then on, and what it said is kept.
    """
    outcome = Outcome(row)
    say(f"{row.name}: {row.title}")
    with ExitStack() as closing:
        contestants: dict[str, Contestant] = {}
        for entrant in row.entrants:
            try:
                contestants[entrant.label] = entrant.start(setting)
                closing.callback(contestants[entrant.label].close)
            except Exception as error:  # noqa: BLE001 - whatever a peer fails with
                leave_out(outcome, entrant.label, error)
        for _ in range(rounds):
            for label in list(contestants):
                sample = one_round(outcome, label, contestants)
                outcome.samples.setdefault(label, []).append(sample)
        if OURS in contestants and outcome.missed():
            outcome.profile = profile(contestants[OURS], row.seconds)
    return outcome


def one_round(outcome: Outcome, label: str, contestants: dict[str, Contestant]) -> Sample | None:
    """Return the figures of one contestant's round, None if it failed."""
    try:
        return contestants[label].round(outcome.row.seconds)
    except Exception as error:  # noqa: BLE001 - whatever a peer fails with
        leave_out(outcome, label, error)
        del contestants[label]  # what was started is ended with the others
        return None


def leave_out(outcome: Outcome, label: str, error: Exception) -> None:
    """Keep and say why a contestant does not take part any more."""
    how = "" if isinstance(error, AbsentError) else f"failed: {type(error).__name__}: "
    outcome.absent[label] = f"{how}{error}"
    say(f"  {label}: {outcome.absent[label]}")


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
