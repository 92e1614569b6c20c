"""MODULE:NAME: a WSGI application to serve, as gunicorn and waitress name one."""

import re
import sys
from functools import partial, reduce
from importlib import import_module
from typing import Any

from bladehttp._cli.exits import CommandFailed

is_application = partial(
    re.fullmatch, r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?"
)


def load_application(text: str) -> Any:
    """Return the object that "module:name", or what "module:name()" returns.

    The module is looked for in the current directory, too, as by ``python -m``.

    Raises:
        CommandFailed: There is no such module or name in it.
    """
    match = is_application(text)
    if match is None:
        raise CommandFailed(f"an application is MODULE:NAME, not {text}")
    module_name, name, is_factory = match.groups()
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # one that the module itself needs
        raise CommandFailed(f"no module {error.name} here, for {text}") from error
    try:
        found: Any = reduce(getattr, name.split("."), module)
    except AttributeError as error:
        raise CommandFailed(f"module {module_name} has no {name}") from error
    return found() if is_factory else found
