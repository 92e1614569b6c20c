"""The page: docs/evidence/benchmarks.md, its plots, and the hand-written part that it includes."""

import datetime as dt
import os
import platform
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pycurl

from benchmarks import client_peers, client_rows, server_peers
from benchmarks.model import CPU, OURS, Outcome
from benchmarks.report.svg import Bar, plot
from benchmarks.report.tables import contestants, markdown, targets
from benchmarks.servers import nginx

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence" / "benchmarks.md"
PLOTS = ROOT / "docs" / "evidence" / "benchmarks"
ANALYSIS = ROOT / "benchmarks" / "analysis.md"

HEAD = """\
## How it is measured

Written by `make bench` on {today}, commit {commit}, in {minutes:.0f} minutes. How it measures and
why so: [decision 46](../decisions/0046-paired-rounds.md).

- Machine: {machine}. Load average before and after: {loads}.
- Each figure is the median of {rounds} rounds of one second (clients: half a second), everybody in
  turn. Each result is the median of the ratios of figures of the same round, with their quartiles.
- The server has one core; the load (wrk, one thread), or the client, the other. CPU is that of the
  processes of the server, or of the client.
- "By CPU" is what the ratio of rates would be if each had its core to itself: the ratio of the
  processor times for each unit of work. Where other programs use the cores too, rates come closer
  to each other than servers are; a target is met only where both say so. "Core %" says how much
  of its core a server got, or was able to use.
- No server has a special mode. Of ours parser, callbacks, limits and deadlines are on; only
  `max_requests_per_connection` and `max_connections` are 0, and in the row of idle connections
  `keep_alive_timeout` is 10 minutes.
- {versions}.
"""

GLANCE = """\
# Benchmarks

How much work this package does in a second of processor time, as a multiple of others: 2 means
twice as much. Handlers and calls do the same everywhere. Targets, misses and every figure stand
below."""

SIDES = (
    # title    rows it has
    ("Server", "server"),
    ("Client", "client"),
)


def write(outcomes: dict[str, list[Outcome]], rounds: int, took: float, before: str) -> None:
    """Write the page and its plots."""
    PLOTS.mkdir(exist_ok=True)
    lines = [GLANCE, *glance(outcomes), "", *head(rounds, took, before)]
    for title, side in SIDES:
        (PLOTS / f"{side}.svg").write_text(ratios(title, outcomes[side]))
        lines += ["", f"## {title}", "", *targets(outcomes[side]), ""]
        lines += [f"![Ratios of the {side}](benchmarks/{side}.svg)"]
    lines += ["", ANALYSIS.read_text().strip()]
    for title, side in SIDES:
        lines += ["", f"## {title}: every row"]
        for outcome in outcomes[side]:
            lines += details(outcome)
    PAGE.write_text("\n".join(lines) + "\n")


def glance(outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Return the two tables at the beginning: times faster than others, by processor time."""
    sides = (("server", "uvicorn", "bjoern"), ("client", "requests", "httpx"))
    lines: list[str] = []
    for side, *others in sides:
        rows = [
            [outcome.row.title, *(times(outcome, label) for label in others)]
            for outcome in outcomes[side]
        ]
        heads = [side, *(f"times {label}" for label in others)]
        lines += ["", *markdown(heads, (row for row in rows if any(row[1:])), rule="---:")]
    return lines


def times(outcome: Outcome, label: str) -> str:
    """Return how many times the work of another ours does in a second of processor time."""
    ratio = outcome.ratio(label, CPU)
    return f"{1 / ratio.median:.2f}" if ratio else ""


def details(outcome: Outcome) -> list[str]:
    """Return everything about one row."""
    lines = ["", f"### {outcome.row.title}", "", f"`make bench ROWS={outcome.row.name}`", ""]
    lines += contestants(outcome)
    if outcome.profile:
        lines += ["", f"A target was missed; where {OURS} spent its own time (py-spy):", ""]
        lines += ["```text", *outcome.profile, "```"]
    return lines


def ratios(title: str, outcomes: Sequence[Outcome]) -> str:
    """Return the plot of ours divided by each of the others, in each row's first figure."""
    groups = []
    for outcome in outcomes:
        metric = outcome.row.metrics[0]
        wanted = {
            target.against: target for target in outcome.row.targets if target.metric == metric
        }
        bars = []
        for label in outcome.samples:
            ratio, target = outcome.ratio(label, metric), wanted.get(label)
            if label != OURS and ratio:
                met = outcome.verdict(target) == "met" if target else None
                bars.append(Bar(f"/ {label}", ratio, met, target.bound if target else None))
        sense = " (less is better)" if metric.less else ""
        groups.append((f"{outcome.row.title}, {metric.heading}{sense}", bars))
    note = "Median and quartiles of paired rounds. Red line: the target. Orange: missed."
    return plot(f"{title}: {OURS} divided by each of the others", note, groups)


def head(rounds: int, took: float, before: str) -> list[str]:
    """Return the page's beginning: what was measured on what, and how."""
    versions = {
        "CPython": f"{platform.python_version()} ({sys.base_prefix})",
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "libcurl": pycurl.version_info()[1],
        **server_peers.versions(),
        **client_peers.versions([OURS, *client_rows.EVERYBODY, "uvloop", "httptools"]),
        "nginx": first_line([nginx.program(), "-v"]).rpartition("/")[2],
        "wrk": first_line(["wrk", "-v"]).split()[1],
    }
    return HEAD.format(
        today=dt.datetime.now(dt.UTC).date().isoformat(),
        commit=first_line(["git", "rev-parse", "--short", "HEAD"]),
        minutes=took / 60,
        machine=f"{processor()}, {os.cpu_count()} cores, {memory():.0f} GB, {platform.system()}"
        f" {platform.release()}",
        loads=f"{before} and {load_average()}",
        rounds=rounds,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    ).splitlines()


def first_line(command: list[str]) -> str:
    """Return the first line that a program prints."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=ROOT
    )
    return done.stdout.partition("\n")[0]


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def memory() -> float:
    """Return the machine's memory in GB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def load_average() -> str:
    """Return the load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
