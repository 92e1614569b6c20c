"""Charsets: labels of the web to Python's codecs, byte order marks, and bytes to text.

An allow-list, for both sides: Python has codecs that are no charsets (hex), that fail whatever they
are told about errors (idna, punycode), that warn (unicode_escape) or that hide markup (utf-7), and
gets new ones with each release. A label that is not in here is none.

The labels are those of the Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels)
except "replacement" and "x-user-defined". A label stands for the largest encoding that goes by
it, as in browsers: iso-8859-1 is windows-1252, shift_jis is windows-31j, gb2312 is GB 18030.
"""

import codecs
import json
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

UTF_8 = "utf-8"

# codec of Python: its labels, beside the name of the codec itself
_LABELS = """
utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8
utf-16-le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le
utf-16-be: unicodefffe utf-16be
cp866: 866 csibm866 ibm866
iso8859-2: csisolatin2 iso-8859-2 iso-ir-101 iso88592 iso-8859-2:1987 l2 latin2 latin-2
iso8859-3: csisolatin3 iso-8859-3 iso-ir-109 iso88593 iso-8859-3:1988 l3 latin3 latin-3
iso8859-4: csisolatin4 iso-8859-4 iso-ir-110 iso88594 iso-8859-4:1988 l4 latin4 latin-4
iso8859-5: csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso88595 iso-8859-5:1988
iso8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e
iso8859-6: iso-8859-6-i iso-ir-127 iso88596 iso-8859-6:1987
iso8859-7: csisolatingreek ecma-118 elot-928 greek greek8 iso-8859-7 iso-ir-126 iso88597
iso8859-7: iso-8859-7:1987 sun-eu-greek
iso8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso88598
iso8859-8: iso-8859-8:1988 visual csiso88598i iso-8859-8-i logical
iso8859-10: csisolatin6 iso-8859-10 iso-ir-157 iso885910 l6 latin6 latin-6
iso8859-13: iso-8859-13 iso885913
iso8859-14: iso-8859-14 iso885914
iso8859-15: csisolatin9 iso-8859-15 iso885915 l9 latin9 latin-9
iso8859-16: iso-8859-16
koi8-r: cskoi8r koi koi8
koi8-u: koi8-ru
mac-roman: csmacintosh mac macintosh x-mac-roman
mac-cyrillic: x-mac-cyrillic x-mac-ukrainian
cp874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874
cp1250: windows-1250 x-cp1250
cp1251: windows-1251 x-cp1251
cp1252: ansi-x3.4-1968 ascii cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591
cp1252: iso-8859-1:1987 l1 latin1 latin-1 us-ascii windows-1252 x-cp1252
cp1253: windows-1253 x-cp1253
cp1254: csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso-8859-9:1989 l5 latin5 latin-5
cp1254: windows-1254 x-cp1254
cp1255: windows-1255 x-cp1255
cp1256: windows-1256 x-cp1256
cp1257: windows-1257 x-cp1257
cp1258: windows-1258 x-cp1258
gb18030: chinese csgb2312 csiso58gb231280 gb2312 gb-2312 gb-2312-80 gbk iso-ir-58 x-gbk cp936
big5hkscs: big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950
euc-jp: cseucpkdfmtjapanese x-euc-jp
iso2022-jp-ext: csiso2022jp iso-2022-jp
cp932: csshiftjis ms932 ms-kanji shift-jis sjis windows-31j x-sjis
cp949: cseuckr csksc56011987 euc-kr iso-ir-149 korean ks-c-5601-1987 ks-c-5601-1989 ksc5601
cp949: ksc-5601 windows-949
utf-32-le: utf-32 utf-32le
utf-32-be: utf-32be
"""


def _table() -> dict[str, str]:
    rows = [row.partition(": ") for row in _LABELS.strip().splitlines()]
    return {label: codec for codec, _, labels in rows for label in (codec, *labels.split())}


CODECS = _table()
"""Label, lower case and with "-" for "_" -> the name of Python's codec."""

BOMS = ((b"\xef\xbb\xbf", UTF_8), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
"""Byte order marks. One goes before any label (Encoding Standard, section 6.1)."""


def _keep_controls(error: UnicodeError) -> tuple[str, int]:
    """Return the replacement of a byte that a single-byte codec leaves undefined."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    return chr(byte) if 0x80 <= byte < 0xA0 else "\ufffd", error.start + 1


KEEP_CONTROLS = "bladehttp.keep_controls"
codecs.register_error(KEEP_CONTROLS, _keep_controls)


def codec_of(label: str) -> str | None:
    """Return the name of Python's codec for a label, None if there is none."""
    return CODECS.get(label.strip(" \t\r\n\f'\"").lower().replace("_", "-"))


def errors_of(codec: str) -> str:
    """Return the error handler for a codec, with which decoding never fails.

    Undecodable bytes become U+FFFD. The bytes that windows-1252 and similar codecs leave undefined
    are control characters (Encoding Standard, index of windows-1252).
    """
    return KEEP_CONTROLS if codec.startswith(("cp125", "cp874")) else "replace"


def text_of(data: bytes | bytearray, codec: str) -> str:
    """Return bytes decoded."""
    return data.decode(codec, errors_of(codec))


def without_bom(data: bytes, codec: str) -> tuple[bytes, str]:
    """Return the bytes after a byte order mark, and the codec it names in place of another."""
    for bom, named in BOMS:
        if data.startswith(bom):
            return data[len(bom) :], named
    return data, codec


@lru_cache(maxsize=64)
def charset_of(content_type: str) -> str:
    """Return the codec for the charset of a Content-Type; utf-8 if it names none that is known."""
    if "charset" not in content_type.lower():
        return UTF_8
    message = import_module("email.message").Message()  # dear, and left until it is needed
    message["Content-Type"] = content_type
    return codec_of(message.get_content_charset("")) or UTF_8


USUAL: Any = json.JSONDecoder()
"""What `json.loads` decodes with."""

WHITESPACE = " \t\n\r"  # RFC 8259 section 2


def load_json(data: bytes, labelled: Callable[[], str]) -> Any:
    """Return the value of JSON: UTF-8, -16 or -32 (RFC 8259 section 8.1), else as labelled.

    Args:
        data: The text, with or without a byte order mark.
        labelled: Returns the codec of Content-Type's charset. It is called only if the text is in
            no Unicode encoding: JSON has no charset parameter, and UTF-8 is often mislabelled.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    text = text_of_json(data, labelled)
    try:
        return scan_json(USUAL, text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def scan_json(decoder: Any, text: str) -> Any:
    """Return what `JSONDecoder.decode` does, without its search for whitespace before the value.

    Raises:
        ValueError: As there.
    """
    try:
        value, end = decoder.scan_once(text, 0)
    except StopIteration as stop:
        if stop.value == 0:  # whitespace before the value, or nothing at all
            return decoder.decode(text)
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    if end != len(text) and (rest := text[end:].lstrip(WHITESPACE)):
        raise json.JSONDecodeError("Extra data", text, len(text) - len(rest))
    return value


def text_of_json(data: bytes, labelled: Callable[[], str]) -> str:
    """Return JSON as text, without its byte order mark.

    Raises:
        ValueError: It is neither in a Unicode encoding nor as labelled.
    """
    # two characters of ASCII come first: there is no mark, and it is not UTF-16 or -32
    is_usual = len(data) > 1 and 0 < data[0] < 0x80 and 0 < data[1] < 0x80
    try:
        text = data.decode(UTF_8 if is_usual else json.detect_encoding(data))
    except UnicodeDecodeError:
        codec = labelled()
        if codec == UTF_8 or codec in WIDE:
            raise
        return text_of(data, codec)
    return text.removeprefix("\ufeff")


LINE_ENDS = {
    "utf-16-le": (re.compile(rb"(?s)(?:..)*?(\r\0(?:\n\0)?|\n\0)").match, b"\r\0", b"\n\0"),
    "utf-16-be": (re.compile(rb"(?s)(?:..)*?(\0\r(?:\0\n)?|\0\n)").match, b"\0\r", b"\0\n"),
    "utf-32-le": (
        re.compile(rb"(?s)(?:....)*?(\r\0{3}(?:\n\0{3})?|\n\0{3})").match, b"\r\0\0\0", b"\n\0\0\0"
    ),
    "utf-32-be": (
        re.compile(rb"(?s)(?:....)*?(\0{3}\r(?:\0{3}\n)?|\0{3}\n)").match, b"\0\0\0\r", b"\0\0\0\n"
    ),
}  # fmt: skip
WIDE = frozenset(LINE_ENDS)
"""Codecs in which ASCII has more than one byte for a character."""

NARROW_LINE_ENDS = re.compile(rb"(\r\n?|\n)").search, b"\r", b"\n"
"""Codec -> the function that finds the next line end from a character boundary, CR, and LF. In
every other codec here the bytes CR and LF are nothing else: no trail byte is below 0x30."""
