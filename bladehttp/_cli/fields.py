"""The fields of a request, from -H and the options and items that are fields."""

from dataclasses import dataclass, field as attribute
from types import SimpleNamespace

from bladehttp._cli.cookies import cookie_field
from bladehttp._cli.files import read_text
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.values import field
from bladehttp._cli.words import Items
from bladehttp._data.headers import Headers


@dataclass
class Fields:
    """The fields of a request.

    Attributes:
        given: Those to send.
        left_out: Names of those to leave out, libcurl's own included.
        keeps_coding: Whether an Accept-Encoding of -H asks for the body as it comes.
    """

    given: Headers = attribute(default_factory=Headers)
    left_out: list[str] = attribute(default_factory=list)
    keeps_coding: bool = False

    def add(self, name: str, value: str | None) -> None:
        """Add a field, or leave it out."""
        if value is None:
            self.left_out.append(name)
        else:
            self.given.add(name, value)

    def set_default(self, name: str, value: str) -> None:
        """Add a field unless there is one of that name, or it is left out."""
        if name.lower() not in map(str.lower, (*self.given, *self.left_out)):
            self.given.add(name, value)

    def argument(self) -> list[tuple[str, str | None]]:
        """Return them as `HttpClient.send_request` takes them."""
        return [*self.given.pairs(), *((name, None) for name in self.left_out)]


def request_fields(options: SimpleNamespace, items: Items) -> Fields:
    """Return the fields that options and items ask for.

    Raises:
        FileNotRead: The file of -H cannot be read.
        ValueError: A field cannot be sent.
    """
    fields = Fields()
    for each in options.headers:
        lines = fields_of_file(each) if isinstance(each, str) else [each]
        for name, value in lines:
            fields.add(name, value)
    names = {name.lower() for name in (*fields.given, *fields.left_out)}
    fields.keeps_coding = "accept-encoding" in names and not options.is_compressed
    for name, value in items.headers:
        fields.add(name, value)
    if options.range is not None:
        rest = "-" if options.range.isdigit() else ""  # "4" is "4-" for curl, too
        fields.add("Range", f"bytes={options.range}{rest}")
    cookies = cookie_field(options)
    if cookies is not None:
        fields.add("Cookie", cookies)
    return fields


def fields_of_file(path: str) -> list[tuple[str, str | None]]:
    """Return the fields in the file of -H @FILE, one in a line.

    Raises:
        FileNotRead: It cannot be read.
        WrongUsage: A line is not a field.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    found = [field(line) for line in lines]
    if any(isinstance(each, str) for each in found):
        raise WrongUsage(f"-H @{path}: a line begins with @")
    return [each for each in found if not isinstance(each, str)]
