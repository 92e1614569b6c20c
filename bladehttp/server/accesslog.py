"""Access log: a line for each answer, in the common log format or as JSON.

    server.on_answered(access_log())              # to standard error
    server.on_answered(access_log(logger.info, "json"))  # or to any function of a str

A line holds what the client asked for as it asked for it: whoever puts secrets into a query finds
them there.
"""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from time import localtime, strftime, time

from bladehttp.server.answered import Answered

Write = Callable[[str], object]
Format = Callable[[Answered, float], str]

needs_escape = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, and " and \ of that


def common(answered: Answered, now: float) -> str:
    """Return a line in the common log format (Apache's %h %l %u %t "%r" %>s %b).

    Args:
        answered: The answer.
        now: The time, in seconds since 1970.
    """
    request = answered.request
    line = "-"
    if request is not None:
        line = f"{request.method} {request.request_uri} HTTP/{request.http_version}"
        line = needs_escape.sub(_escaped, line)
    status, sent = answered.response.status, answered.sent or "-"
    return f'{_client(answered) or "-"} - - [{_local(int(now))}] "{line}" {status} {sent}'


def as_json(answered: Answered, now: float) -> str:
    """Return a line of JSON; what is not known is null.

    Args:
        answered: The answer.
        now: As of `common`.
    """
    request = answered.request
    row = {
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "client": _client(answered),
        "method": request and request.method,
        "target": request and request.request_uri,
        "version": request and request.http_version,
        "host": request and request.host,
        "status": answered.response.status,
        "sent": answered.sent,
        "milliseconds": round(answered.milliseconds, 3),
        "referer": request and request.headers.get("Referer"),
        "user_agent": request and request.headers.get("User-Agent"),
    }
    return json.dumps(row)


FORMATS: dict[str, Format] = {"common": common, "json": as_json}


def access_log(write: Write | None = None, form: str = "common") -> Callable[[Answered], None]:
    """Return a callback for `HttpServer.on_answered` that writes a line for each answer.

    Args:
        write: Called with each line, without a line end. None: it goes to standard error.
        form: "common" or "json".

    Raises:
        ValueError: There is no such form.
    """
    line_of = FORMATS.get(form)
    if line_of is None:
        raise ValueError(f"an access log is {' or '.join(FORMATS)}, not {form!r}")
    put = _to_stderr if write is None else write

    def log(answered: Answered) -> None:
        put(line_of(answered, time()))

    return log


def _client(answered: Answered) -> str:
    """Return the address of the client, as a trusted proxy tells it."""
    return answered.client.ip if answered.request is None else answered.request.ip


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


@lru_cache(maxsize=1)
def _local(second: int) -> str:
    """Return a time as the format has it; made once a second."""
    return strftime("%d/%b/%Y:%H:%M:%S %z", localtime(second))
