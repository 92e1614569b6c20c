"""HTTP status codes under Blade's names: one row per status.

The phrase is the name in words, sent as the reason phrase. Where
RFC 9110 has given a status a new one since, the row says so. 444, 499 and 599 are not in
IANA's registry: they are conventions of nginx and of proxies that Blade lists.
"""

# fmt: off
__all__ = [
    "ACCEPTED",
    "ALREADY_REPORTED",
    "BAD_GATEWAY",
    "BAD_REQUEST",
    "CLIENT_CLOSED_REQUEST",
    "CONFLICT",
    "CONNECTION_CLOSED_WITHOUT_RESPONSE",
    "CONTINUE",
    "CREATED",
    "EXPECTATION_FAILED",
    "FAILED_DEPENDENCY",
    "FORBIDDEN",
    "FOUND",
    "GATEWAY_TIMEOUT",
    "GONE",
    "HTTP_VERSION_NOT_SUPPORTED",
    "IM_USED",
    "INSUFFICIENT_STORAGE",
    "INTERNAL_SERVER_ERROR",
    "LENGTH_REQUIRED",
    "LOCKED",
    "LOOP_DETECTED",
    "METHOD_NOT_ALLOWED",
    "MISDIRECTED_REQUEST",
    "MOVED_PERMANENTLY",
    "MULTIPLE_CHOICES",
    "MULTI_STATUS",
    "NETWORK_AUTHENTICATION_REQUIRED",
    "NETWORK_CONNECT_TIMEOUT_ERROR",
    "NON_AUTHORITATIVE_INFORMATION",
    "NOT_ACCEPTABLE",
    "NOT_EXTENDED",
    "NOT_FOUND",
    "NOT_IMPLEMENTED",
    "NOT_MODIFIED",
    "NO_CONTENT",
    "OK",
    "PARTIAL_CONTENT",
    "PAYLOAD_TOO_LARGE",
    "PAYMENT_REQUIRED",
    "PERMANENT_REDIRECT",
    "PRECONDITION_FAILED",
    "PRECONDITION_REQUIRED",
    "PROCESSING",
    "PROXY_AUTHENTICATION_REQUIRED",
    "REQUESTED_RANGE_NOT_SATISFIABLE",
    "REQUEST_HEADER_FIELDS_TOO_LARGE",
    "REQUEST_TIMEOUT",
    "REQUEST_URI_TOO_LONG",
    "RESET_CONTENT",
    "SEE_OTHER",
    "SERVICE_UNAVAILABLE",
    "SWITCHING_PROTOCOLS",
    "TEAPOT",
    "TEMPORARY_REDIRECT",
    "TOO_MANY_REQUESTS",
    "UNAUTHORIZED",
    "UNAVAILABLE_FOR_LEGAL_REASONS",
    "UNPROCESSABLE_ENTITY",
    "UNSUPPORTED_MEDIA_TYPE",
    "UPGRADE_REQUIRED",
    "USE_PROXY",
    "VARIANT_ALSO_NEGOTIATES",
]
# fmt: on

PHRASES: dict[int, str] = {}
"""Code to phrase: the module's ``map``, a plain dict as in Blade."""


def _status(code: int, phrase: str, source: str) -> int:
    """Enter one row and return its code."""
    del source  # for the reader
    PHRASES[code] = phrase
    return code


# fmt: off
CONTINUE = _status(100, "Continue", "RFC 9110 15.2.1")
SWITCHING_PROTOCOLS = _status(101, "Switching Protocols", "RFC 9110 15.2.2")
PROCESSING = _status(102, "Processing", "RFC 2518 10.1")
OK = _status(200, "OK", "RFC 9110 15.3.1")
CREATED = _status(201, "Created", "RFC 9110 15.3.2")
ACCEPTED = _status(202, "Accepted", "RFC 9110 15.3.3")
NON_AUTHORITATIVE_INFORMATION = _status(203, "Non-Authoritative Information", "RFC 9110 15.3.4")
NO_CONTENT = _status(204, "No Content", "RFC 9110 15.3.5")
RESET_CONTENT = _status(205, "Reset Content", "RFC 9110 15.3.6")
PARTIAL_CONTENT = _status(206, "Partial Content", "RFC 9110 15.3.7")
MULTI_STATUS = _status(207, "Multi-Status", "RFC 4918 11.1")
ALREADY_REPORTED = _status(208, "Already Reported", "RFC 5842 7.1")
IM_USED = _status(226, "IM Used", "RFC 3229 10.4.1")
MULTIPLE_CHOICES = _status(300, "Multiple Choices", "RFC 9110 15.4.1")
MOVED_PERMANENTLY = _status(301, "Moved Permanently", "RFC 9110 15.4.2")
FOUND = _status(302, "Found", "RFC 9110 15.4.3")
SEE_OTHER = _status(303, "See Other", "RFC 9110 15.4.4")
NOT_MODIFIED = _status(304, "Not Modified", "RFC 9110 15.4.5")
USE_PROXY = _status(305, "Use Proxy", "RFC 9110 15.4.6, deprecated")
TEMPORARY_REDIRECT = _status(307, "Temporary Redirect", "RFC 9110 15.4.8")
PERMANENT_REDIRECT = _status(308, "Permanent Redirect", "RFC 9110 15.4.9")
BAD_REQUEST = _status(400, "Bad Request", "RFC 9110 15.5.1")
UNAUTHORIZED = _status(401, "Unauthorized", "RFC 9110 15.5.2")
PAYMENT_REQUIRED = _status(402, "Payment Required", "RFC 9110 15.5.3")
FORBIDDEN = _status(403, "Forbidden", "RFC 9110 15.5.4")
NOT_FOUND = _status(404, "Not Found", "RFC 9110 15.5.5")
METHOD_NOT_ALLOWED = _status(405, "Method Not Allowed", "RFC 9110 15.5.6")
NOT_ACCEPTABLE = _status(406, "Not Acceptable", "RFC 9110 15.5.7")
PROXY_AUTHENTICATION_REQUIRED = _status(407, "Proxy Authentication Required", "RFC 9110 15.5.8")
REQUEST_TIMEOUT = _status(408, "Request Timeout", "RFC 9110 15.5.9")
CONFLICT = _status(409, "Conflict", "RFC 9110 15.5.10")
GONE = _status(410, "Gone", "RFC 9110 15.5.11")
LENGTH_REQUIRED = _status(411, "Length Required", "RFC 9110 15.5.12")
PRECONDITION_FAILED = _status(412, "Precondition Failed", "RFC 9110 15.5.13")
PAYLOAD_TOO_LARGE = _status(413, "Payload Too Large", "RFC 9110 15.5.14 'Content Too Large'")
REQUEST_URI_TOO_LONG = _status(414, "Request URI Too Long", "RFC 9110 15.5.15 'URI Too Long'")
UNSUPPORTED_MEDIA_TYPE = _status(415, "Unsupported Media Type", "RFC 9110 15.5.16")
REQUESTED_RANGE_NOT_SATISFIABLE = _status(416, "Requested Range Not Satisfiable", "RFC 9110 15.5.17 'Range Not Satisfiable'")
EXPECTATION_FAILED = _status(417, "Expectation Failed", "RFC 9110 15.5.18")
TEAPOT = _status(418, "I'm a Teapot", "RFC 2324 2.3.2")
MISDIRECTED_REQUEST = _status(421, "Misdirected Request", "RFC 9110 15.5.20")
UNPROCESSABLE_ENTITY = _status(422, "Unprocessable Entity", "RFC 9110 15.5.21 'Unprocessable Content'")
LOCKED = _status(423, "Locked", "RFC 4918 11.3")
FAILED_DEPENDENCY = _status(424, "Failed Dependency", "RFC 4918 11.4")
UPGRADE_REQUIRED = _status(426, "Upgrade Required", "RFC 9110 15.5.22")
PRECONDITION_REQUIRED = _status(428, "Precondition Required", "RFC 6585 3")
TOO_MANY_REQUESTS = _status(429, "Too Many Requests", "RFC 6585 4")
REQUEST_HEADER_FIELDS_TOO_LARGE = _status(431, "Request Header Fields Too Large", "RFC 6585 5")
CONNECTION_CLOSED_WITHOUT_RESPONSE = _status(444, "Connection Closed Without Response", "nginx: closed, nothing sent")
UNAVAILABLE_FOR_LEGAL_REASONS = _status(451, "Unavailable For Legal Reasons", "RFC 7725 3; Blade leaves it without a name")
CLIENT_CLOSED_REQUEST = _status(499, "Client Closed Request", "nginx, in its logs")
INTERNAL_SERVER_ERROR = _status(500, "Internal Server Error", "RFC 9110 15.6.1")
NOT_IMPLEMENTED = _status(501, "Not Implemented", "RFC 9110 15.6.2")
BAD_GATEWAY = _status(502, "Bad Gateway", "RFC 9110 15.6.3")
SERVICE_UNAVAILABLE = _status(503, "Service Unavailable", "RFC 9110 15.6.4")
GATEWAY_TIMEOUT = _status(504, "Gateway Timeout", "RFC 9110 15.6.5")
HTTP_VERSION_NOT_SUPPORTED = _status(505, "HTTP Version Not Supported", "RFC 9110 15.6.6")
VARIANT_ALSO_NEGOTIATES = _status(506, "Variant Also Negotiates", "RFC 2295 8.1")
INSUFFICIENT_STORAGE = _status(507, "Insufficient Storage", "RFC 4918 11.5")
LOOP_DETECTED = _status(508, "Loop Detected", "RFC 5842 7.2")
NOT_EXTENDED = _status(510, "Not Extended", "RFC 2774 7")
NETWORK_AUTHENTICATION_REQUIRED = _status(511, "Network Authentication Required", "RFC 6585 6")
NETWORK_CONNECT_TIMEOUT_ERROR = _status(599, "Network Connect Timeout Error", "proxies")
# fmt: on


def phrase(code: int) -> str:
    """Return the reason phrase of a status code, "" for one that has none here."""
    return PHRASES.get(code, "")
