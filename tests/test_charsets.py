"""Labels of the web, byte order marks, and what is no charset."""

import codecs
import json
from encodings.aliases import aliases
from typing import Any

import pytest

from bladehttp._data.charsets import BOMS, CODECS, WIDE, charset_of, codec_of, errors_of, text_of
from bladehttp._message.response import HttpResponse

# https://encoding.spec.whatwg.org/#names-and-labels: a label that differs, its name, a sample
LABELS = {
    "unicode-1-1-utf-8": "€", "x-unicode20utf8": "€", "utf8": "€", "csibm866": "Ж", "866": "Ж",
    "iso_8859-2:1987": "Ł", "l3": "Ħ", "latin4": "Ķ", "cyrillic": "Ж", "csisolatincyrillic": "Ж",
    "asmo-708": "ش", "csiso88596i": "ش", "ecma-118": "Ω", "sun_eu_greek": "Ω", "visual": "ש",
    "logical": "ש", "iso-8859-8-i": "ש", "csiso88598e": "ש", "l6": "Đ", "iso885913": "Ā",
    "iso8859-14": "Ḃ", "csisolatin9": "€", "iso-8859-16": "Ș", "cskoi8r": "Ж", "koi8-ru": "є",
    "x-mac-roman": "√", "mac": "√", "dos-874": "ก", "windows-874": "ก", "tis-620": "ก",
    "x-cp1250": "Ł", "x-cp1251": "Ж", "ascii": "€", "us-ascii": "é", "iso_8859-1:1987": "€",
    "cp1253": "Ω", "latin5": "ğ", "x-cp1255": "ש", "windows-1256": "ش", "x-cp1257": "Ā",
    "windows-1258": "ơ", "x-mac-ukrainian": "Ж", "chinese": "中", "gb_2312-80": "中",
    "x-gbk": "中", "gb18030": "\U0001f600", "x-x-big5": "中", "cn-big5": "中", "x-euc-jp": "日",
    "csiso2022jp": "日", "x-sjis": "日", "ms_kanji": "日", "windows-31j": "①", "sjis": "日",
    "korean": "한", "ks_c_5601-1987": "한", "windows-949": "똠", "unicodefffe": "€",
    "ucs-2": "€", "unicode": "€", "utf-16": "€",
}  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("written", [str.lower, str.upper, lambda label: f' "{label}" '])
def test_a_label_of_the_web_is_known(label: str, written: Any) -> None:
    codec = codec_of(written(label))
    assert codec is not None
    data = LABELS[label].encode(codec)
    assert text_of(data, codec) == LABELS[label]
    if codec not in WIDE:
        assert charset_of(f"text/plain; charset={label}") == codec
        response = HttpResponse(data, headers={"Content-Type": f"text/plain; charset={label}"})
        assert (response.text, list(response.iter_lines())) == (LABELS[label], [LABELS[label]])


def test_every_codec_is_python_s_and_decodes_any_bytes() -> None:
    for codec in set(CODECS.values()):
        assert codecs.lookup(codec)._is_text_encoding  # type: ignore[attr-defined]
        text = text_of(bytes(range(256)), codec)
        assert text
        assert isinstance(text, str)
        codecs.getincrementaldecoder(codec)(errors_of(codec)).decode(b"a\xff\x80", True)


def test_what_python_knows_and_the_web_does_not_is_no_charset() -> None:
    names = "punycode idna hex base64 zip bz2 rot13 uu quopri undefined unicode_escape mbcs oem"
    for name in [*names.split(), "raw_unicode_escape", "utf-7", "hz", "cp037", "cp500", "palmos"]:
        assert codec_of(name) is None
        assert charset_of(f"text/plain; charset={name}") == "utf-8"
    known = {codecs.lookup(codec).name for codec in CODECS.values()}
    for alias in aliases:  # of this Python, whatever is added to it
        codec = codec_of(alias)
        assert codec is None or codecs.lookup(codec).name in known


@pytest.mark.parametrize("label", ["replacement", "iso-2022-kr", "hz-gb-2312", "x-user-defined"])
def test_encodings_that_hide_markup_are_left_out(label: str) -> None:
    assert codec_of(label) is None


def test_no_byte_of_latin_1_is_lost() -> None:
    text = text_of(bytes(range(256)), "cp1252")
    assert "\ufffd" not in text
    assert (text[0x80], text[0x81], text[0xE9]) == ("€", "\x81", "é")
    assert text_of(b"\xdb\x81", "cp874") == "\ufffd\x81"
    assert text_of(b"\x81a", "utf-8") == "\ufffda"


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [("text/html; boundary=charset", "utf-8"), ("text/html; charset='koi8-r'", "koi8-r"),
     ("text/html; CHARSET=KOI8-R; x=y", "koi8-r"), ("text/html;charset=", "utf-8"),
     ("text/html; charset=koi8-r; charset=utf-8", "koi8-r"),
     ("text/html; charset=utf-8, text/html; charset=koi8-r", "utf-8"),
     ("text/html; charset=" + "x" * 100_000, "utf-8"), ("text/html; charset=\x00", "utf-8")],
)  # fmt: skip
def test_charset_of_a_content_type(content_type: str, codec: str) -> None:
    assert charset_of(content_type) == codec


@pytest.mark.parametrize(("bom", "codec"), BOMS, ids=["UTF-8", "UTF-16LE", "UTF-16BE"])
@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=koi8-r", "; charset=utf-16"])
def test_a_byte_order_mark_decides_and_is_dropped(bom: bytes, codec: str, charset: str) -> None:
    response = HttpResponse(bom + "é\n\ufeff€".encode(codec))
    response.content_type("text/plain" + charset)
    assert response.text == response.as_text() == "é\n\ufeff€"
    assert list(response.iter_lines()) == ["é", "\ufeff€"]


@pytest.mark.parametrize(
    ("body", "charset"),
    [(b'"\xc3\xa9"', ""), (b'"\xc3\xa9"', "iso-8859-1"), (b'"\xe9"', "iso-8859-1"),
     (b'\xef\xbb\xbf"\xc3\xa9"', "utf-16"), ('"é"'.encode("utf-16"), ""),
     ('"é"'.encode("utf-16-be"), "utf-8"), ('"é"'.encode("utf-32"), "nonsense"),
     (b'"\x8e"', "macintosh")],
    ids=["UTF-8", "mislabelled", "labelled", "BOM", "UTF-16", "UTF-16BE", "UTF-32", "Mac"],
)  # fmt: skip
def test_json_is_read_in_the_encoding_it_is_in(body: bytes, charset: str) -> None:
    response = HttpResponse(body)
    response.content_type(f"application/json; charset={charset}")
    assert response.json() == "é"


@pytest.mark.parametrize("charset", ["", "utf-8", "utf-16", "punycode"])
def test_json_in_no_encoding_is_a_value_error(charset: str) -> None:
    response = HttpResponse(b'"\xe9"')
    response.content_type(f"application/json; charset={charset}")
    with pytest.raises(ValueError):  # noqa: PT011 - of the codec or of json
        response.json()
    with pytest.raises(json.JSONDecodeError):
        HttpResponse(b"").json()
