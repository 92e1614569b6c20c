"""Medians and quartiles of ratios of what was measured in the same round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Where half of the values lie.

    Attributes:
        low: The lower quartile.
        median: The median.
        high: The upper quartile.
    """

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Return median and quartiles, both ends of the range counting as possible values.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the spread of the ratios of values from the same round.

    What disturbs a whole round, another program or the processor's clock, falls out of its ratio.
    """
    return spread([our / their for our, their in zip(ours, theirs, strict=False)])
