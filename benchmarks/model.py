"""What is measured: rows, who takes part in them, and what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from benchmarks.statistics import Spread, paired, spread

if TYPE_CHECKING:
    from benchmarks.setting import Setting

Sample = dict[str, float]
"""Metric to figure, of one round of one contestant."""

OURS = "bladehttp"


class AbsentError(Exception):
    """A peer cannot take part; its text says why, and how to get it."""


class Contestant(Protocol):
    """Somebody who has started, and does the row's work for one round at a time."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes at work, for the profiler; () if there is none between rounds."""

    def round(self, seconds: float) -> Sample:
        """Work for about so long and return the figures."""

    def close(self) -> None:
        """End what was started."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A row's participant.

    Attributes:
        label: What it is called.
        start: Starts it. Raises AbsentError.
    """

    label: str
    start: Callable[["Setting"], Contestant]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure.

    Attributes:
        name: Its key in samples.
        heading: Of its column.
        form: Its format.
        less: Whether less of it is better.
    """

    name: str
    heading: str
    form: str
    less: bool = True


RATE = Metric("rate", "per second", ",.0f", less=False)
WORTH = Metric("worth", "per CPU second", ",.0f", less=False)
CPU = Metric("cpu", "CPU µs each", ",.1f")
KERNEL = Metric("kernel", "kernel µs each", ",.1f")
BUSY = Metric("busy", "core %", ",.0f", less=False)
P50 = Metric("p50", "p50 µs", ",.0f")
P99 = Metric("p99", "p99 µs", ",.0f")
PEAK = Metric("peak", "peak MB", ",.1f")
BYTES = Metric("bytes", "bytes each", ",.0f")
MILLISECONDS = Metric("ms", "ms", ",.1f")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached.

    Attributes:
        metric: Of which figure.
        bound: How much.
        against: The label that ours is divided by; None: the figure itself is meant.
        least: Whether it is to be at least that, else at most.
    """

    metric: Metric
    bound: float
    against: str | None = None
    least: bool = False

    def __str__(self) -> str:
        how = "at least" if self.least else "at most"
        if self.against is None:
            return f"{how} {self.bound:,.0f} {self.metric.heading}"
        return f"{how} {self.bound:g} x {self.against}, {self.metric.heading}"

    def met(self, result: Spread) -> bool:
        """Whether the median reaches it."""
        return result.median >= self.bound if self.least else result.median <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of work.

    Attributes:
        name: To choose it by.
        title: What it is.
        metrics: The figures; the first one is compared in tables and plots.
        entrants: Who takes part; the first is ours.
        targets: What is to be reached.
        seconds: Of one round.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    entrants: tuple[Entrant, ...]
    targets: tuple[Target, ...]
    seconds: float = 1.0


@dataclass(slots=True)
class Outcome:
    """What came of a row.

    Attributes:
        row: The row.
        samples: Label to the samples of its rounds; None where a round failed.
        absent: Label to why it did not take part or did not go on.
        profile: Lines of where ours spent its time, if a target was missed.
    """

    row: Row
    samples: dict[str, list[Sample | None]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    profile: list[str] = field(default_factory=list)

    def figures(self, label: str, metric: Metric) -> Spread | None:
        """Return the spread of a figure, None if it was never measured."""
        values = [
            one[metric.name] for one in self.samples.get(label, ()) if one and metric.name in one
        ]
        return spread(values) if values else None

    def ratio(self, label: str, metric: Metric) -> Spread | None:
        """Return the spread of ours divided by another's of the same round."""
        rounds = zip(self.samples.get(OURS, ()), self.samples.get(label, ()), strict=False)
        both = [
            (mine[metric.name], its[metric.name])
            for mine, its in rounds
            if mine and its and its[metric.name]
        ]
        return paired(*zip(*both, strict=True)) if both else None

    def result(self, target: Target) -> Spread | None:
        """Return what is to be compared with a target's bound."""
        if target.against is None:
            return self.figures(OURS, target.metric)
        return self.ratio(target.against, target.metric)

    def by_cpu(self, target: Target) -> Spread | None:
        """Return what the ratio of rates would be if each had a full core to itself.

        That is the ratio of processor times the other way round; None where it means nothing.
        """
        if target.against is None or target.metric.name != RATE.name:
            return None
        ratio = self.ratio(target.against, CPU)
        return ratio and Spread(1 / ratio.high, 1 / ratio.median, 1 / ratio.low)

    def verdict(self, target: Target) -> str:
        """Return whether a target was met.

        A rate counts only with the processor time behind it: where other programs take the core
        or starve the load, rates come close to each other whatever is measured.
        """
        result, by_cpu = self.result(target), self.by_cpu(target)
        if result is None or not target.met(result):
            return "**missed**"
        return "met" if by_cpu is None or target.met(by_cpu) else "**by rate only**"

    def missed(self) -> bool:
        """Whether some target was not reached."""
        return any(self.verdict(target) != "met" for target in self.row.targets)
