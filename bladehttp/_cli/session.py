"""--session: fields, login and cookies of one origin, kept from one command to the next.

They are in ``$XDG_CONFIG_HOME/bladehttp/sessions/ORIGIN/NAME.json``, ~/.config being the default;
a file and its directories can be read by their owner only, and a file is replaced whole. The
origin is part of the name, so that nothing of one is ever sent to another, http to a host and
https to it included.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bladehttp._cli.exits import CommandFailed
from bladehttp._cli.files import reading, write_whole, writing
from bladehttp._cli.options import WrongUsage
from bladehttp._data.auth import Auth
from bladehttp._data.headers import Headers
from bladehttp.client._config.cookie_jar import CookieJar
from bladehttp.client._config.validators import credentials
from bladehttp.client._request.url import Url

is_name = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}").fullmatch

# of one request only
is_passing = re.compile(
    r"content-.*|if-.*|range|cookie|host|accept-encoding", re.IGNORECASE
).fullmatch

Credentials = str | tuple[str, str]
"""A bearer token, or name and password."""


@dataclass
class Session:
    """The state of a session.

    Attributes:
        path: Its file.
        headers: Fields that are sent with every request.
        auth: Its login, or None.
        auth_method: How the login is sent, or None.
        cookies: Its cookies, as lines of a Netscape file.
    """

    path: Path
    headers: Headers = field(default_factory=Headers)
    auth: Credentials | None = None
    auth_method: Auth | None = None
    cookies: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, name: str, url: Url) -> "Session":
        """Return a session, an empty one if it is new.

        Raises:
            WrongUsage: The name is not valid.
            FileNotRead: Its file cannot be read.
            CommandFailed: Its file is not a session.
        """
        session = cls(session_path(name, url))
        with reading():
            if not session.path.exists():
                return session
            text = session.path.read_bytes()
        try:
            session._fill(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CommandFailed(f"{session.path}: not a session of bladehttp") from error
        return session

    def _fill(self, values: Mapping[str, Any]) -> None:
        self.headers = Headers(values["headers"])
        auth = values["auth"]
        self.auth = auth if auth is None else credentials("auth", auth)
        self.auth_method = values["auth_method"] and Auth[values["auth_method"]]
        self.cookies = [str(line) for line in values["cookies"]]

    def learn(self, headers: Headers, auth: Credentials | None, method: Auth | None) -> None:
        """Keep the fields and the login of a command; fields of one request only are left out."""
        for name, value in headers.items():
            if not is_passing(name):
                self.headers[name] = value
        if auth is not None:
            self.auth, self.auth_method = auth, method

    def save(self, jar: CookieJar | None) -> None:
        """Write the session with the cookies of a jar.

        Raises:
            FileNotWritten: It cannot be written.
        """
        values = {
            "headers": list(self.headers.pairs()),
            "auth": self.auth,
            "auth_method": self.auth_method and self.auth_method.name,
            "cookies": [] if jar is None else jar.lines(),
        }
        with writing():
            for directory in reversed(self.path.parents):
                directory.mkdir(mode=0o700, exist_ok=True)
            text = json.dumps(values, indent=2) + "\n"
            write_whole(self.path, text.encode("utf-8", "surrogateescape"), private=True)


def session_path(name: str, url: Url) -> Path:
    """Return the file of a session.

    Raises:
        WrongUsage: The name is not one of letters, digits, "_", "-" and ".".
    """
    if not is_name(name):
        raise WrongUsage("a session has a name of up to 100 letters, digits, _, - and .")
    scheme, host, port = url.origin
    origin = f"{scheme}_{re.sub(r'[^a-z0-9._-]', '-', host)}_{port}"
    return config_directory() / "sessions" / origin / f"{name}.json"


def config_directory() -> Path:
    """Return the directory for settings, by the XDG Base Directory Specification."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path("~/.config").expanduser()) / "bladehttp"
