"""Wire log: sent and received lines under the logger ``bladehttp.client.wire``, without secrets."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pycurl

from bladehttp.client._config.redaction import redact_line, redact_remark
from bladehttp.client._curl.handle import Handle

wire = logging.getLogger("bladehttp.client.wire")

ARROWS = {
    pycurl.INFOTYPE_HEADER_IN: "<",
    pycurl.INFOTYPE_HEADER_OUT: ">",
    pycurl.INFOTYPE_DATA_IN: "<",
    pycurl.INFOTYPE_DATA_OUT: ">",
}
HEADS = (pycurl.INFOTYPE_HEADER_IN, pycurl.INFOTYPE_HEADER_OUT)


def wire_log(handle: Handle, patterns: tuple[str, ...]) -> Callable[[int, bytes], None] | None:
    """Return the CURLOPT_DEBUGFUNCTION that writes the wire log, None if the log is off.

    Args:
        handle: The handle of the transfer.
        patterns: ``sensitive_headers`` of the client.
    """
    if not wire.isEnabledFor(logging.DEBUG):
        return None
    return handle.in_context(partial(_log_wire, patterns))


def start_wire_log(handle: Handle, patterns: tuple[str, ...]) -> bool:
    """Turn the wire log on for a handle; return whether it is enabled.

    Args:
        handle: The handle. CURLOPT_VERBOSE, CURLOPT_DEBUGFUNCTION.
        patterns: ``sensitive_headers`` of the client.
    """
    log = wire_log(handle, patterns)
    if log is None:
        return False
    handle.set_callback(pycurl.DEBUGFUNCTION, log)
    handle.setopt(pycurl.VERBOSE, 1)
    return True


def stop_wire_log(curl: Any) -> None:
    """Turn the wire log off for a handle."""
    curl.setopt(pycurl.VERBOSE, 0)
    curl.unsetopt(pycurl.DEBUGFUNCTION)


def _log_wire(patterns: tuple[str, ...], kind: int, data: bytes) -> None:
    for line in wire_lines(patterns, kind, data):
        wire.debug("%s", line)


def wire_lines(patterns: tuple[str, ...], kind: int, data: bytes) -> Iterator[str]:
    """Yield the lines of a head without secrets; of a body, only the length.

    Args:
        patterns: ``sensitive_headers`` of the client.
        kind: The kind of the data, INFOTYPE_*.
        data: The data as CURLOPT_DEBUGFUNCTION gets it.
    """
    if kind in HEADS:
        for line in data.decode("latin-1").splitlines():
            yield f"{ARROWS[kind]} {redact_line(line, patterns)}"
    elif kind in ARROWS:
        yield f"{ARROWS[kind]} ({len(data)} bytes of a body)"
    elif kind == pycurl.INFOTYPE_TEXT:
        yield f"* {redact_remark(data.decode('latin-1').rstrip(), patterns)}"
