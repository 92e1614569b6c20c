"""Whatever a server sends, a terminal is never sent a control character of it."""

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import example, given, settings, strategies as st

from bladehttp._cli.output import show
from bladehttp._message.response import HttpResponse

charsets = st.sampled_from(["utf-8", "latin-1", "utf-16-le", "cp1252", "idna", "hex", "none"])
types = st.sampled_from(["text/plain", "application/json", "a/b+json", "image/png", ""])
bodies = st.binary(max_size=60) | st.text(max_size=30).map(str.encode)
values = st.text(
    st.characters(max_codepoint=0xFF, exclude_characters="\0\r\n"), max_size=30
)  # what libcurl lets through of a field

CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\n", "\t"}


@settings(max_examples=150)
@given(bodies, types, charsets, values)
@example(b'"\\u001b\\u009b"', "application/json", "utf-8", "\x1b[31m")
@example(b"\x1b]52;c;aGk=\x07", "text/plain", "latin-1", "\x9b")
@example("\x9b31m".encode(), "application/json", "utf-8", "")
def test_no_control_character_reaches_a_terminal(body, kind, charset, value):
    response = HttpResponse(body)
    response.headers["Content-Type"] = f"{kind}; charset={charset}"
    response.headers = type(response.headers).adopt([*response.headers.pairs(), ("X-Any", value)])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        show(response, raw=False, head=True)
    assert CONTROLS.isdisjoint(out.getvalue() + err.getvalue())
    assert out.getvalue().startswith("HTTP/1.1 200 OK\n")
    assert out.getvalue().endswith("\n")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_decides_and_is_not_shown(codec):
    response = HttpResponse("\ufeffé\n".encode(codec), headers={"Content-Type": "text/plain"})
    out = io.StringIO()
    with redirect_stdout(out):
        show(response, raw=False, head=False)
    assert out.getvalue() == "é\n"
