"""What in docs/ is made from the code: the tables of limits and the diagram of states.

`make docs` writes them: ``python tests/generated.py``. The diagram is drawn by graphviz; without it
the one that is there is kept, and a test says if it is not of these tables.
"""

import inspect
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import wsgi_outcomes

from bladehttp import HttpClient, exceptions, status
from bladehttp._wire.limits import Limits
from bladehttp.client._base import Configured
from bladehttp.server._config import CLOCKS, DEFAULTS, LIMITS, ServerConfig
from bladehttp.server._connection.states import PLANS, TRANSITIONS, Event, Plan, State
from bladehttp.server._net import loop

DOCS = Path(__file__).parents[1] / "docs"
DIAGRAM = DOCS / "images" / "states.svg"

Rows = list[tuple[str, ...]]


def attributes(cls: type) -> dict[str, str]:
    """Return what the docstring of a class says of each attribute."""
    section = inspect.getdoc(cls).partition("Attributes:\n")[2]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).replace("``", "`") for name, text in entries}


def shown(value: object, name: str) -> str:
    """Return a default with its unit."""
    if not isinstance(value, int):
        return "no limit" if value is None else str(value)
    if "time" in name.split("_") or "timeout" in name:
        return f"{value / 1000:g} s"
    if value >= 1024 and not value % 1024 and "size" in name + SIZES.get(name, ""):
        return f"{value // 1024} KiB" if value < 2**20 else f"{value // 2**20} MiB"
    return f"{value}"


SIZES = dict.fromkeys(
    ("max_request_line", "max_field_line", "chunk_line", "chunk_extensions", "trailers"), "size"
)


def of_server(names: list[str]) -> Rows:
    said = attributes(ServerConfig)
    return [
        (f"`{name}`", shown(DEFAULTS[name], name), without_default(said[name], DEFAULTS[name]))
        for name in names
    ]


def without_default(text: str, value: object) -> str:
    """Leave the default out of a text, as it has a column of its own."""
    parts = re.split(r"(?<=\.) ", text)
    forms = {f"{value}.", f"{shown(value, 'size')}."}
    return " ".join(part for part in parts if part not in forms)


def timeouts() -> Rows:
    """Return the clocks of a client, with the first sentence of each."""
    said = attributes(Configured)
    with HttpClient() as client:
        return [
            (f"`{name}`", f"{getattr(client, name)}", said[name].partition(". ")[0])
            for name in ("connect_timeout", "receive_timeout", "total_timeout")
        ]


def deadlines() -> Rows:
    return of_server([*CLOCKS.values(), "handler_timeout", "shutdown_timeout"])


def sizes() -> Rows:
    return of_server(list(LIMITS.values()))


def counts() -> Rows:
    names = (
        "min_body_rate",
        "max_connections",
        "max_requests_per_connection",
        "max_workers",
        "max_offloaded",
    )
    return of_server([*names, "slow_handler_time"])


def fixed() -> Rows:
    said = attributes(Limits)
    return [
        (name.replace("_", " "), shown(getattr(Limits(), name), name), said[name])
        for name in said
        if name not in LIMITS
    ]


DOORS = (
    "bladehttp",
    "bladehttp.client",
    "bladehttp.server",
    "bladehttp.server.wsgi",
    "bladehttp.testing",
    "bladehttp.adapters",
)
"""The modules whose ``__all__`` is the public interface."""


def names() -> Rows:
    """Return each door and its names, constants and exceptions of `bladehttp` by their modules."""
    rows = []
    for door in DOORS:
        listed = import_module(door).__all__
        if door == "bladehttp":
            apart = {*exceptions.__all__, *status.__all__}
            listed = [name for name in listed if name not in apart]
        rows.append((f"`{door}`", _listed(listed)))
    rows.append(("`bladehttp`: exceptions", _listed(exceptions.__all__)))
    rows.append(("`bladehttp`: statuses", _listed(status.__all__)))
    return rows


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


TABLES = {
    "timeouts": (("property", "default", "limit"), timeouts),
    "names": (("import from", "names"), names),
    "deadlines": (("property", "default", "limit"), deadlines),
    "sizes": (("property", "default", "limit, and the status beyond"), sizes),
    "counts": (("property", "default", "limit"), counts),
    "fixed": (("of a request", "limit", "meaning"), fixed),
    "wsgi": (("the application", "the client gets", "`on_error` is told of"), wsgi_outcomes.rows),
}


def table(head: tuple[str, ...], rows: Rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(page: str) -> str:
    """Return a page with what stands between ``<!-- NAME -->`` and ``<!-- end -->`` made anew."""

    def fill(match: re.Match[str]) -> str:
        head, rows = TABLES[match[1]]
        return f"<!-- {match[1]} -->\n{table(head, rows())}\n<!-- end -->"

    return re.sub(rf"<!-- ({'|'.join(TABLES)}) -->.*?<!-- end -->", fill, page, flags=re.DOTALL)


def edges() -> dict[tuple[str, str], str]:
    """Return from, to and the events, one a line; those that every state has are left out."""
    found: dict[tuple[str, str], list[str]] = {}
    for state, row in TRANSITIONS.items():
        for event, following in row.items():
            if event is not Event.LOST and following is not state:
                found.setdefault((state.name, following.name), []).append(event.name)
    return {ends: "\n".join(events) for ends, events in found.items()}


def waits(state: State, plan: Plan) -> str:
    """Return a state's name, what its socket is watched for, and its clocks."""
    interest = {0: "", loop.READ: "reads", loop.WRITE: "writes"}[plan.interest]
    clocks = [f"{plan.progress} (of progress)"] if plan.progress else []
    clocks += ["write"] * plan.tracks_delivery
    return "\n".join(filter(None, [state.name, interest, ", ".join([*clocks, *plan.absolute])]))


def dot() -> str:
    """Return the diagram in graphviz's language."""
    font = 'fontname="Helvetica,Arial,sans-serif"'
    lines = [
        "digraph states {",
        "nodesep=0.5; ranksep=0.6; bgcolor=white;",
        f"node [shape=box, style=rounded, {font}, fontsize=11]; edge [{font}, fontsize=9];",
        *(f'{state.name} [label="{_quoted(waits(state, PLANS[state]))}"];' for state in State),
        *(f'{a} -> {b} [label="{_quoted(label)}"];' for (a, b), label in edges().items()),
        "}",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return text.replace("\n", "\\n")


def draw() -> str:
    svg = subprocess.run(
        ["dot", "-Tsvg"], input=dot(), capture_output=True, text=True, check=True, timeout=30
    ).stdout
    return re.sub(r"<!-- Generated by .*?-->\n", "", svg, flags=re.DOTALL)


def pages() -> list[Path]:
    """Return the pages, decisions left out."""
    return [page for page in sorted(DOCS.glob("**/*.md")) if page.parent.name != "decisions"]


def main() -> None:
    for page in pages():
        text = page.read_text()
        if text != filled(text):
            page.write_text(filled(text))
    if shutil.which("dot"):
        DIAGRAM.write_text(draw())
    else:
        print("the diagram of states is left as it is: apt-get install graphviz")  # noqa: T201


if __name__ == "__main__":
    main()
