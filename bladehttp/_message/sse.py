"""Server-sent events (HTML standard, section 9.2), written from any thread."""

import re
from typing import Any

from bladehttp._data.jsonable import dump_json
from bladehttp._message.deferred import Channel, check_milliseconds

line_end = re.compile(r"\r\n|\r|\n")


class Events(Channel):
    """Server-sent events (HTML standard, section 9.2); see `HttpResponse.events`."""

    def send(
        self,
        data: Any = "",
        event: str | None = None,
        id: str | int | None = None,  # noqa: A002 - the standard's name
        retry: int | None = None,
        timeout: int = 0,
    ) -> bool:
        """Send one event. From any thread.

        Args:
            data: A str is sent as it is; any other value as JSON.
            event: The type; None: "message".
            id: The browser sends it as Last-Event-ID when it reconnects. None: unchanged.
            retry: Milliseconds before the browser reconnects. None: unchanged.
            timeout: Most milliseconds to wait for room, as in `write`. 0: do not wait.

        Returns:
            Whether it is sent, as `write`.

        Raises:
            TypeError: ``retry`` is no int, or the data is not serializable.
            ValueError: ``event`` or ``id`` holds a line end or NUL, which would end the field;
                ``retry`` is negative; or the data holds NaN or an infinity, which JSON has not.
        """
        if retry is not None:
            check_milliseconds("retry", retry)
        fields = [("id", id), ("event", event), ("retry", retry)]
        text = "".join(_field(name, str(value)) for name, value in fields if value is not None)
        if not isinstance(data, str):
            data = dump_json(data)
        lines = "".join(f"data: {line}\n" for line in line_end.split(data))
        return self.write(f"{text}{lines}\n", timeout)

    def heartbeat_data(self) -> bytes:
        """Return a comment, which browsers skip and proxies count as traffic."""
        return b":\n\n"


def _field(name: str, value: str) -> str:
    if line_end.search(value) or "\0" in value:
        raise ValueError(f"{name} of an event holds a line end or NUL: {value[:60]!r}")
    return f"{name}: {value}\n"
