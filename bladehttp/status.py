"""HTTP status codes: one row per status, under Blade's names.

The phrase is the spelling of the name in words, except where the registry's own phrase
differs only in punctuation; it is what a server sends as the reason phrase. 305 and 306
aside, every code that RFC 9110 section 15 defines is here, with the few from outside the
registry that Blade lists (444, 499 and 599 are conventions of nginx and of proxies).
"""

from types import MappingProxyType

#  code  name                               phrase                               defined in
ROWS = (
    (100, "CONTINUE", "Continue"),  # RFC 9110 section 15.2.1
    (101, "SWITCHING_PROTOCOLS", "Switching Protocols"),  # RFC 9110 section 15.2.2
    (102, "PROCESSING", "Processing"),  # RFC 2518 section 10.1
    (200, "OK", "OK"),  # RFC 9110 section 15.3.1
    (201, "CREATED", "Created"),  # RFC 9110 section 15.3.2
    (202, "ACCEPTED", "Accepted"),  # RFC 9110 section 15.3.3
    (203, "NON_AUTHORITATIVE_INFORMATION", "Non-Authoritative Information"),  # RFC 9110 15.3.4
    (204, "NO_CONTENT", "No Content"),  # RFC 9110 section 15.3.5
    (205, "RESET_CONTENT", "Reset Content"),  # RFC 9110 section 15.3.6
    (206, "PARTIAL_CONTENT", "Partial Content"),  # RFC 9110 section 15.3.7
    (207, "MULTI_STATUS", "Multi-Status"),  # RFC 4918 section 11.1
    (208, "ALREADY_REPORTED", "Already Reported"),  # RFC 5842 section 7.1
    (226, "IM_USED", "IM Used"),  # RFC 3229 section 10.4.1
    (300, "MULTIPLE_CHOICES", "Multiple Choices"),  # RFC 9110 section 15.4.1
    (301, "MOVED_PERMANENTLY", "Moved Permanently"),  # RFC 9110 section 15.4.2
    (302, "FOUND", "Found"),  # RFC 9110 section 15.4.3
    (303, "SEE_OTHER", "See Other"),  # RFC 9110 section 15.4.4
    (304, "NOT_MODIFIED", "Not Modified"),  # RFC 9110 section 15.4.5
    (305, "USE_PROXY", "Use Proxy"),  # RFC 9110 section 15.4.6, deprecated there
    (307, "TEMPORARY_REDIRECT", "Temporary Redirect"),  # RFC 9110 section 15.4.8
    (308, "PERMANENT_REDIRECT", "Permanent Redirect"),  # RFC 9110 section 15.4.9
    (400, "BAD_REQUEST", "Bad Request"),  # RFC 9110 section 15.5.1
    (401, "UNAUTHORIZED", "Unauthorized"),  # RFC 9110 section 15.5.2
    (402, "PAYMENT_REQUIRED", "Payment Required"),  # RFC 9110 section 15.5.3
    (403, "FORBIDDEN", "Forbidden"),  # RFC 9110 section 15.5.4
    (404, "NOT_FOUND", "Not Found"),  # RFC 9110 section 15.5.5
    (405, "METHOD_NOT_ALLOWED", "Method Not Allowed"),  # RFC 9110 section 15.5.6
    (406, "NOT_ACCEPTABLE", "Not Acceptable"),  # RFC 9110 section 15.5.7
    (407, "PROXY_AUTHENTICATION_REQUIRED", "Proxy Authentication Required"),  # RFC 9110 15.5.8
    (408, "REQUEST_TIMEOUT", "Request Timeout"),  # RFC 9110 section 15.5.9
    (409, "CONFLICT", "Conflict"),  # RFC 9110 section 15.5.10
    (410, "GONE", "Gone"),  # RFC 9110 section 15.5.11
    (411, "LENGTH_REQUIRED", "Length Required"),  # RFC 9110 section 15.5.12
    (412, "PRECONDITION_FAILED", "Precondition Failed"),  # RFC 9110 section 15.5.13
    (413, "PAYLOAD_TOO_LARGE", "Payload Too Large"),  # RFC 9110 15.5.14, there "Content Too Large"
    (414, "REQUEST_URI_TOO_LONG", "Request URI Too Long"),  # RFC 9110 15.5.15, "URI Too Long"
    (415, "UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type"),  # RFC 9110 section 15.5.16
    # RFC 9110 section 15.5.17, there "Range Not Satisfiable"
    (416, "REQUESTED_RANGE_NOT_SATISFIABLE", "Requested Range Not Satisfiable"),
    (417, "EXPECTATION_FAILED", "Expectation Failed"),  # RFC 9110 section 15.5.18
    (418, "TEAPOT", "I'm a Teapot"),  # RFC 2324 section 2.3.2
    (421, "MISDIRECTED_REQUEST", "Misdirected Request"),  # RFC 9110 section 15.5.20
    (422, "UNPROCESSABLE_ENTITY", "Unprocessable Entity"),  # RFC 9110 15.5.21, there "... Content"
    (423, "LOCKED", "Locked"),  # RFC 4918 section 11.3
    (424, "FAILED_DEPENDENCY", "Failed Dependency"),  # RFC 4918 section 11.4
    (426, "UPGRADE_REQUIRED", "Upgrade Required"),  # RFC 9110 section 15.5.22
    (428, "PRECONDITION_REQUIRED", "Precondition Required"),  # RFC 6585 section 3
    (429, "TOO_MANY_REQUESTS", "Too Many Requests"),  # RFC 6585 section 4
    # RFC 6585 section 5
    (431, "REQUEST_HEADER_FIELDS_TOO_LARGE", "Request Header Fields Too Large"),
    # nginx: the connection is closed and nothing is sent
    (444, "CONNECTION_CLOSED_WITHOUT_RESPONSE", "Connection Closed Without Response"),
    # RFC 7725 section 3; in Blade's documentation without a name
    (451, "UNAVAILABLE_FOR_LEGAL_REASONS", "Unavailable For Legal Reasons"),
    (499, "CLIENT_CLOSED_REQUEST", "Client Closed Request"),  # nginx, in its logs
    (500, "INTERNAL_SERVER_ERROR", "Internal Server Error"),  # RFC 9110 section 15.6.1
    (501, "NOT_IMPLEMENTED", "Not Implemented"),  # RFC 9110 section 15.6.2
    (502, "BAD_GATEWAY", "Bad Gateway"),  # RFC 9110 section 15.6.3
    (503, "SERVICE_UNAVAILABLE", "Service Unavailable"),  # RFC 9110 section 15.6.4
    (504, "GATEWAY_TIMEOUT", "Gateway Timeout"),  # RFC 9110 section 15.6.5
    (505, "HTTP_VERSION_NOT_SUPPORTED", "HTTP Version Not Supported"),  # RFC 9110 section 15.6.6
    (506, "VARIANT_ALSO_NEGOTIATES", "Variant Also Negotiates"),  # RFC 2295 section 8.1
    (507, "INSUFFICIENT_STORAGE", "Insufficient Storage"),  # RFC 4918 section 11.5
    (508, "LOOP_DETECTED", "Loop Detected"),  # RFC 5842 section 7.2
    (510, "NOT_EXTENDED", "Not Extended"),  # RFC 2774 section 7
    # RFC 6585 section 6
    (511, "NETWORK_AUTHENTICATION_REQUIRED", "Network Authentication Required"),
    (599, "NETWORK_CONNECT_TIMEOUT_ERROR", "Network Connect Timeout Error"),  # proxies
)

NAMES: MappingProxyType[str, int] = MappingProxyType({name: code for code, name, _ in ROWS})
"""Name to code, in ascending order of the code."""

PHRASES: dict[int, str] = {code: phrase for code, _, phrase in ROWS}
"""Code to phrase. This is the module's ``map``: a plain dict, as in Blade."""


def phrase(code: int) -> str:
    """Return the reason phrase of a status code, "" for one that has none here."""
    return PHRASES.get(code, "")
