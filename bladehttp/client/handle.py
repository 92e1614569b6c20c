"""Handle: a kept easy handle of libcurl, and the options it was last set up for."""

from collections.abc import Iterable

import pycurl

from bladehttp.client.options import STANDING


class Handle:
    """A kept easy handle.

    Attributes:
        curl: The easy handle, to be set up by whoever runs a transfer.
        sound: Whether it may be kept for another transfer.
    """

    __slots__ = ("_applied", "curl", "sound")

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.sound = True
        self._applied: tuple[tuple[int, object], ...] | None = None

    def configure(self, options: tuple[tuple[int, object], ...]) -> None:
        """Set the handle up for a client's options, unless it is already.

        reset() keeps connections and TLS sessions; with all options again it costs 29 us.

        Raises:
            ValueError: This libcurl cannot do what an option asks for.
        """
        if options is self._applied or options == self._applied:
            return
        self._applied = None
        self.curl.reset()
        self._set(STANDING)
        self._set(options)
        self._applied = options

    def _set(self, options: Iterable[tuple[int, object]]) -> None:
        for option, value in options:
            try:
                self.curl.setopt(option, value)
            except pycurl.error as error:
                raise ValueError(f"this libcurl cannot set option {option} to {value!r}") from error

    def close(self) -> None:
        """Close it, and the connections that are its own."""
        self.curl.close()
