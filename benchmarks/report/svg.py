"""A plot of ratios as SVG: a bar for each median, a whisker from quartile to quartile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10

from benchmarks.statistics import Spread

WIDTH, LEFT, RIGHT = 900, 330, 90
LINE, GAP, TOP = 18, 14, 56

MET, OTHER, MISSED = "#2f855a", "#4a6fa5", "#c05621"


DOCUMENT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">
<rect width="{width}" height="{height}" fill="#fff"/>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One ratio.

    Attributes:
        label: Of what.
        spread: Median and quartiles.
        met: Whether its target was reached; None: it has none.
        bound: The target.
    """

    label: str
    spread: Spread
    met: bool | None = None
    bound: float | None = None


def plot(title: str, note: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return an SVG document of bars in groups, on a logarithmic axis through 1."""
    scale = _Scale([one for _, bars in groups for one in bars])
    height = TOP + sum(GAP + LINE * (len(bars) + 1) for _, bars in groups) + 20
    body = [*_axis(scale, height), _text(14, 22, title, weight="bold", size=15)]
    body.append(_text(14, 40, note, fill="#555"))
    y = TOP
    for name, bars in groups:
        y += GAP + LINE
        body.append(_text(14, y - 4, name, weight="bold"))
        for bar in bars:
            body += _bar(scale, bar, y)
            y += LINE
    return "\n".join([DOCUMENT.format(width=WIDTH, height=height), *body, "</svg>\n"])


class _Scale:
    """Where a ratio lies across the plot."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        values = [
            value for bar in bars for value in (bar.spread.low, bar.spread.high, bar.bound or 1)
        ]
        self.low = min(0.5, *values)
        self.high = max(2.0, *values)

    def __call__(self, ratio: float) -> float:
        part = log10(ratio / self.low) / log10(self.high / self.low)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[float]:
        every = [
            step * 10.0**power
            for power in range(-4, ceil(log10(self.high)) + 1)
            for step in (1, 2, 5)
        ]
        return [tick for tick in every if self.low <= tick <= self.high]


def _axis(scale: _Scale, height: int) -> list[str]:
    lines = []
    for tick in scale.ticks():
        x, colour = scale(tick), "#888" if tick == 1 else "#e2e2e2"
        lines.append(f'<path d="M{x} {TOP}V{height - 18}" stroke="{colour}"/>')
        lines.append(_text(x, height - 5, f"{tick:g}", anchor="middle", fill="#555"))
    return lines


def _bar(scale: _Scale, bar: Bar, y: int) -> list[str]:
    start, end = sorted((scale(1), scale(bar.spread.median)))
    low, high, middle = scale(bar.spread.low), scale(bar.spread.high), y + LINE // 2
    colour = {True: MET, False: MISSED, None: OTHER}[bar.met]
    lines = [
        _text(LEFT - 8, middle + 4, bar.label, anchor="end"),
        f'<path d="M{start} {middle}H{end + 1}" stroke="{colour}" stroke-width="{LINE - 6}"/>',
        f'<path d="M{low} {middle}H{high}m0 -3v6M{low} {middle - 3}v6" stroke="#222"/>',
        _text(WIDTH - RIGHT + 12, middle + 4, f"{bar.spread.median:.2f}"),
    ]
    if bar.bound is not None:
        x = scale(bar.bound)
        lines.append(f'<path d="M{x} {y + 1}v{LINE - 2}" stroke="#d00" stroke-width="2"/>')
        lines.append(_text(WIDTH - RIGHT + 48, middle + 4, f"({bar.bound:g})", fill="#d00"))
    return lines


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#111",
    weight: str = "normal", size: int = 12,
) -> str:  # fmt: skip
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}"'
        f' font-size="{size}">{escape(text)}</text>'
    )
