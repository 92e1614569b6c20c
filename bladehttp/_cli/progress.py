"""The progress bar of a download, on standard error."""

from shutil import get_terminal_size
from time import monotonic
from typing import Self

from bladehttp._cli.terminal import printable, write_error

INTERVAL = 0.1
"""Seconds between two drawings."""

BAR = 24
"""Cells of the bar itself."""

NARROW = 60
"""Columns below which there is no room for a bar."""

UNITS = ("B", "kB", "MB", "GB", "TB")


class ProgressBar:
    """A line that is drawn over and over while a body comes; a context, and a progress function."""

    def __init__(self, name: str) -> None:
        """Be about a file of that name."""
        self._name = printable(name)
        self._begun: tuple[float, int] | None = None
        self._drawn = 0.0
        self._state: tuple[int, int | None] = (0, None)

    def __call__(self, done: int, total: int | None) -> None:
        """Take note of how far it has come, and show it if it is time."""
        now = monotonic()
        if self._begun is None:
            self._begun = now, done
        self._state = done, total
        if now - self._drawn >= INTERVAL:
            self._draw(now, self._begun)

    def _draw(self, now: float, begun: tuple[float, int]) -> None:
        self._drawn = now
        done, total = self._state
        seconds = now - begun[0]
        speed = (done - begun[1]) / seconds if seconds >= INTERVAL else 0.0
        columns = get_terminal_size().columns
        line = progress_line(self._name, done, total, speed, columns - 1)
        write_error(f"\r{line}\x1b[K")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._begun is not None:
            self._draw(monotonic(), self._begun)
            if kind is not KeyboardInterrupt:  # then the program ends the line
                write_error("\n")


def progress_line(name: str, done: int, total: int | None, speed: float, columns: int) -> str:
    """Return the line: name, bar, bytes, speed and the time that is left.

    Args:
        name: Of the file; cut where there is no room.
        done: Bytes that are there.
        total: Bytes there will be, None where that is not known.
        speed: Bytes in a second, 0 where it is not known yet.
        columns: How long the line may be.
    """
    parts = []
    if total:
        share = done / total
        if columns >= NARROW:
            parts.append("█" * int(share * BAR) + "░" * (BAR - int(share * BAR)))
        parts.append(f"{share:4.0%}")
    parts.append(size(done) if total is None else f"{size(done)} of {size(total)}")
    if speed:
        parts.append(f"{size(speed)}/s")
        if total and done < total:
            parts.append(f"{clock((total - done) / speed)} left")
    text = "  ".join(parts)
    width = max(1, columns - len(text) - 2)
    return f"{name if len(name) <= width else name[: width - 1] + '…'}  {text}"[:columns]


def size(count: float) -> str:
    """Return a number of bytes in the largest unit there is one of, of 1000 each."""
    unit = UNITS[0]
    for unit in UNITS:
        if count < 999.5 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
