"""The grammar of HTTP/1.1 as compiled patterns over bytes, the ABNF quoted above each.

Only matching happens here. Every pattern is linear in its input and ASCII by nature:
``int()``, ``str.isdigit`` and ``str.strip`` accept more than the RFC does (``+5``, ``1_0``,
Unicode digits, NEL) and never see a byte that a pattern has not passed.
"""

import re

from bladehttp._data.headers import TCHAR

TOKEN = f"[{TCHAR}]+".encode()

# The beginning of a request line: what cannot become one is refused at once, such as a TLS
# handshake or another protocol's greeting sent to a plain port.
request_line_start = re.compile(rb"%b(?: |\Z)" % TOKEN).match

# RFC 9112 section 7.1:    chunk-size = 1*HEXDIG
# RFC 9112 section 7.1.1:  chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
#                          chunk-ext-val = token / quoted-string
# RFC 9110 section 5.6.4:  quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
# 16 digits are a 64-bit size; more are refused whatever their value.
QUOTED_STRING = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
chunk_line = re.compile(
    rb"([0-9A-Fa-f]{1,16})((?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*)"
    % (TOKEN, TOKEN, QUOTED_STRING)
).fullmatch

# The rest are patterns over str: Latin-1, so one character is one byte still, and every class is
# spelled out.

# RFC 9112 section 3:    request-line = method SP request-target SP HTTP-version
# RFC 9112 section 2.3:  HTTP-version = HTTP-name "/" DIGIT "." DIGIT, case-sensitive
# RFC 9112 section 3.2.1:  origin-form = absolute-path [ "?" query ]
# The target is VCHAR, "#" excepted (a fragment is never sent), and obs-text: browsers send
# "|", "[" or raw UTF-8 in it and nginx and Apache take them. No other whitespace than the two SP:
# section 3 allows leniency there and names what it has led to. Of a target that is not in
# origin-form, the groups path and query are None.
PATH = r'!"$->@-~\x80-\xff'
request_line = re.compile(
    rf"([{TCHAR}]++) ((/[{PATH}]*+)(?:\?([?{PATH}]*+)|)|[?{PATH}]++) HTTP/([0-9]\.[0-9])"
).fullmatch

# RFC 9110 section 8.6:  Content-Length = 1*DIGIT
content_length = re.compile(r"[0-9]+").fullmatch

# RFC 9110 section 7.2:  Host = uri-host [ ":" port ]
# RFC 3986 section 3.2.2:  host = IP-literal / IPv4address / reg-name
#                          IP-literal = "[" ( IPv6address / IPvFuture ) "]"
#                          reg-name = *( unreserved / pct-encoded / sub-delims )
# RFC 3986 section 3.2.3:  port = *DIGIT
# Userinfo, path and query cannot match. An empty host is grammatical; whether the request needs
# one is not for this pattern to say. What is between brackets `ipaddress` checks.
host_port = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::([0-9]*))?"
).fullmatch

# RFC 9112 section 3.2.2:  absolute-form = absolute-URI
# RFC 9110 section 4.2:    http-URI = "http" "://" authority path-abempty [ "?" query ]
absolute_form = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)([^?]*)(?:\?(.*))?").fullmatch
