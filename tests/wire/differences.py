"""Where h11 and llhttp judge a case of the corpus otherwise than the corpus does, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Cases on which some oracles differ for one reason.

    Attributes:
        oracles: Their names, separated by whitespace, as are the cases'.
        reason: Why the corpus is right, or as right.
        cases: The cases.
    """

    oracles: str
    reason: str
    cases: str


VALUE_DIFFERENCES = {
    ("h11", "transfer-encoding-in-mixed-case"): "h11 gives the value in lower case",
    ("h11", "transfer-encoding-in-upper-case"): "h11 gives the value in lower case",
    ("httptools", "content-length-between-tabs"): "llhttp leaves trailing OWS in a value",
    ("httptools", "field-with-mixed-whitespace-around"): "llhttp leaves trailing OWS in a value",
    ("httptools", "field-with-trailing-whitespace"): "llhttp leaves trailing OWS in a value",
    ("httptools", "host-between-whitespace"): "llhttp leaves trailing OWS in a value",
    ("httptools", "transfer-encoding-between-spaces"): "llhttp leaves trailing OWS in a value",
}
"""Oracle and case to the reason for which they take the same requests with another value."""

DIFFERENCES = (
    Difference(
        "h11",
        "h11 counts leading zeros against a longest length of 20 digits",
        """
        content-length-of-many-zeros content-length-of-many-zeros-only
        """,
    ),
    Difference(
        "h11",
        "h11 takes no empty line before a request; RFC 9112 2.2 wants one at least to be ignored",
        """
        empty-line-eight-before-request empty-line-one-before-request
        empty-line-two-before-request limit-empty-lines-exactly
        limit-empty-lines-exactly-between-requests pipelining-after-a-body-and-crlf
        pipelining-with-empty-lines-between
        """,
    ),
    Difference(
        "h11 httptools",
        "raw UTF-8 in a target is sent by clients, and nginx and Apache take it",
        """
        target-with-obs-text
        """,
    ),
    Difference(
        "h11 httptools",
        "whitespace around a chunk extension's signs MUST be parsed (RFC 9112 7.1.1)",
        """
        chunk-extension-with-whitespace-around-semicolon
        """,
    ),
    Difference(
        "httptools",
        "whitespace around a chunk extension's signs MUST be parsed (RFC 9112 7.1.1)",
        """
        chunk-extension-with-whitespace-around-equals-sign
        """,
    ),
    Difference(
        "httptools",
        "llhttp reads trailers as fields of the head; here they are dropped unread",
        """
        chunked-trailer-content-length chunked-trailer-transfer-encoding
        """,
    ),
    Difference(
        "httptools",
        "llhttp has a list of methods; RFC 9110 9.1 has none that is complete",
        """
        content-length-on-an-unknown-method method-in-lower-case method-of-40-letters
        method-of-digits method-of-every-special-tchar method-of-one-letter
        method-pri-in-1-1 method-with-hyphen
        """,
    ),
    Difference(
        "httptools",
        "llhttp refuses bytes after a request that ends the connection; here the connection does",
        """
        pipelining-other-versions
        """,
    ),
    Difference(
        "httptools",
        "llhttp does not trim a tab after chunked, which is OWS",
        """
        transfer-encoding-between-tabs
        """,
    ),
    Difference(
        "httptools",
        "llhttp knows 1.0 and 1.1; a later minor version is read as 1.1 (RFC 9110 2.5)",
        """
        version-1-2 version-1-9
        """,
    ),
    Difference(
        "h11",
        "limits: the oracles have their own or none",
        """
        limit-request-line-of-one-method
        """,
    ),
    Difference(
        "h11 httptools",
        "limits: the oracles have their own or none",
        """
        content-length-above-the-default-limit expect-with-content-length-beyond-the-limit
        limit-body-0-by-content-length limit-body-beyond-by-small-chunks
        limit-body-in-1-0-one-beyond limit-body-one-beyond-by-content-length
        limit-body-one-beyond-by-one-chunk limit-body-one-beyond-by-two-chunks
        limit-chunk-extension-without-end limit-chunk-extensions-beyond-the-default
        limit-chunk-extensions-one-beyond limit-chunk-line-of-zeros-without-end
        limit-chunk-line-one-beyond limit-field-line-one-beyond
        limit-field-line-one-beyond-the-default limit-field-line-without-end
        limit-field-name-without-end limit-field-of-spaces-without-end
        limit-fields-of-cookies-one-beyond limit-fields-of-empty-values-one-beyond
        limit-fields-one-beyond limit-fields-one-beyond-the-default limit-head-one-beyond
        limit-head-one-beyond-in-the-empty-line limit-head-one-beyond-the-default
        limit-request-line-one-beyond limit-request-line-one-beyond-the-default
        limit-request-line-without-end limit-trailer-fields-forbidden-ones-count
        limit-trailer-fields-one-beyond limit-trailer-line-one-beyond
        limit-trailer-line-without-end limit-trailers-beyond-the-default
        limit-trailers-one-beyond pipelining-body-too-long-after-a-body
        pipelining-request-line-too-long-after-get
        """,
    ),
    Difference(
        "httptools",
        "limits: the oracles have their own or none",
        """
        limit-empty-lines-0 limit-empty-lines-one-beyond
        limit-empty-lines-one-beyond-between-requests
        limit-empty-lines-one-beyond-the-default
        """,
    ),
    Difference(
        "h11",
        "a length beyond any limit is refused at once; the oracle waits for the body",
        """
        chunk-size-of-2-to-the-64 chunk-size-of-2-to-the-64-and-5
        content-length-of-2-to-the-64 content-length-of-2-to-the-64-and-5
        """,
    ),
    Difference(
        "h11 httptools",
        "a length beyond any limit is refused at once; the oracle waits for the body",
        """
        chunk-size-of-16-digits-beyond-the-limit chunk-size-of-2-to-the-32-and-5
        content-length-of-19-digits
        """,
    ),
    Difference(
        "h11 httptools",
        "digits of a chunk's size are not limited to 16 where they are zeros",
        """
        chunk-last-with-17-zeros chunk-size-of-17-digits
        """,
    ),
    Difference(
        "h11",
        "h11 wants a Host of 1.1 alone; a later minor version is read as 1.1",
        """
        host-missing-in-1-2
        """,
    ),
    Difference(
        "httptools",
        "llhttp leaves Host to its user, whether there is one and only one",
        """
        expect-without-host host-missing host-missing-and-no-fields host-missing-in-connect
        host-missing-in-options-of-the-server host-only-in-trailer host-twice-apart
        host-twice-different host-twice-equal host-twice-in-1-0 host-twice-in-different-case
        host-twice-one-empty pipelining-error-after-two-requests
        pipelining-valid-after-first-error target-absolute-with-two-host-fields
        target-absolute-without-host-field
        """,
    ),
    Difference(
        "h11",
        "h11 joins obs-fold; refusing it is the other choice of RFC 9112 5.2",
        """
        content-length-folded field-folded-after-empty-value
        field-folded-that-looks-like-a-field field-folded-twice field-folded-with-nothing
        field-folded-with-space field-folded-with-tab field-last-is-whitespace host-folded
        trailer-folded transfer-encoding-folded transfer-encoding-folded-with-tab
        transfer-encoding-with-leading-space-in-name
        """,
    ),
    Difference(
        "h11",
        "the value of Host is left to the user",
        """
        host-with-del
        """,
    ),
    Difference(
        "h11 httptools",
        "the value of Host is left to the user",
        """
        host-empty host-empty-in-options-of-the-server host-invalid-in-1-0 host-list
        host-list-separated-by-space host-of-whitespace host-with-arabic-digits-in-port
        host-with-at-sign host-with-backslash host-with-backtick
        host-with-bad-percent-encoding host-with-bad-port-after-brackets
        host-with-bare-percent-sign host-with-brace host-with-caret host-with-colon-only
        host-with-double-quote host-with-empty-brackets host-with-fragment
        host-with-fullwidth-dot host-with-greater-than-sign host-with-hexadecimal-port
        host-with-ipv4-in-brackets host-with-less-than-sign host-with-minus-sign-in-port
        host-with-name-after-brackets host-with-name-before-brackets
        host-with-name-in-brackets host-with-nbsp-before host-with-nel-after
        host-with-nested-brackets host-with-obs-text host-with-path host-with-pipe
        host-with-plus-sign-in-port host-with-port-65536 host-with-port-and-letter
        host-with-port-of-letters host-with-port-of-many-digits host-with-port-only
        host-with-query host-with-quoted-name host-with-scheme host-with-slash
        host-with-space-before-colon-of-port host-with-space-before-port
        host-with-superscript-digit-in-port host-with-tab-inside
        host-with-three-colons-in-ipv6 host-with-too-long-ipv6 host-with-too-short-ipv6
        host-with-two-colons host-with-two-ports host-with-unbracketed-ipv6
        host-with-unclosed-bracket host-with-unclosed-bracket-and-port
        host-with-underscore-in-port host-with-unopened-bracket host-with-user-and-password
        host-with-userinfo host-with-utf-8 host-with-zone-identifier
        target-absolute-with-invalid-host-field
        """,
    ),
    Difference(
        "h11",
        "the target is any characters; its form is left to the user",
        """
        target-absolute-of-javascript target-absolute-of-mailto
        target-absolute-with-backslash-in-host target-absolute-with-one-slash
        target-absolute-with-pipe-in-host
        target-absolute-with-scheme-that-begins-with-a-digit
        target-absolute-with-underscore-in-scheme target-absolute-without-scheme
        target-absolute-without-slashes target-asterisk-with-lower-case-options
        target-authority-with-get target-authority-with-lower-case-connect
        target-authority-with-options target-host-name-with-get
        target-percent-encoded-slash-first target-query-only target-relative
        target-that-is-a-fragment target-that-is-a-scheme-only target-with-backslash-first
        target-with-dot-segments-only
        """,
    ),
    Difference(
        "h11 httptools",
        "the target is any characters; its form is left to the user",
        """
        target-absolute-of-file target-absolute-of-ftp target-absolute-of-ws
        target-absolute-with-bad-ipv6 target-absolute-with-bad-percent-encoding-in-host
                target-absolute-with-empty-brackets target-absolute-with-empty-host
        target-absolute-with-empty-host-and-port target-absolute-with-empty-user
        target-absolute-with-fragment target-absolute-with-nothing-after-scheme
        target-absolute-with-port-99999 target-absolute-with-port-of-letters
        target-absolute-with-signed-port target-absolute-with-two-ports
        target-absolute-with-unbracketed-ipv6 target-absolute-with-unclosed-bracket
        target-absolute-with-unopened-bracket target-absolute-with-user
        target-absolute-with-user-and-password target-asterisk-with-get
        target-asterisk-with-path target-asterisk-with-post target-asterisk-with-query
        target-of-connect-in-absolute-form target-of-connect-in-asterisk-form
        target-of-connect-in-origin-form target-of-connect-with-empty-host
        target-of-connect-with-empty-port target-of-connect-with-path
        target-of-connect-with-port-65536 target-of-connect-with-port-of-letters
        target-of-connect-with-two-ports target-of-connect-with-unbracketed-ipv6
        target-of-connect-with-userinfo target-of-connect-without-port target-two-asterisks
        target-with-fragment target-with-fragment-in-query
        """,
    ),
    Difference(
        "h11 httptools",
        "Expect is left to the user",
        """
        expect-in-quotes expect-of-another-kind expect-with-another-in-the-list
        expect-with-another-on-a-second-line expect-with-parameter
        expect-with-space-for-hyphen expect-with-value
        pipelining-unknown-expectation-after-post
        """,
    ),
    Difference(
        "h11",
        "h11 skips extensions up to the CRLF, a bare CR in them too",
        """
        chunk-extension-with-bare-cr chunk-extension-with-quoted-cr
        """,
    ),
    Difference(
        "h11",
        "chunk extensions are skipped and not parsed",
        """
        chunk-extension-empty chunk-extension-empty-after-another
        chunk-extension-invalid-on-last-chunk
        chunk-extension-with-backslash-at-the-end-of-quotes
        chunk-extension-with-control-character-in-value chunk-extension-with-del-in-quotes
        chunk-extension-with-nul chunk-extension-with-nul-in-quotes
        chunk-extension-with-obs-text-in-name chunk-extension-with-obs-text-in-token-value
        chunk-extension-with-parentheses chunk-extension-with-space-in-name
        chunk-extension-with-space-in-value chunk-extension-with-text-after-quoted-value
        chunk-extension-with-trailing-space chunk-extension-with-two-equals-signs
        chunk-extension-with-unclosed-quote
        """,
    ),
    Difference(
        "h11 httptools",
        "chunk extensions are skipped and not parsed",
        """
        chunk-extension-empty-before-another chunk-extension-with-empty-name
        chunk-extension-with-empty-value chunk-extension-with-quote-in-token
        """,
    ),
    Difference(
        "h11",
        "h11 takes whitespace after a chunk's size",
        """
        chunk-last-with-trailing-space chunk-size-with-trailing-space
        chunk-size-with-trailing-tab
        """,
    ),
    Difference(
        "h11",
        "h11 takes LF as a line end (RFC 9112 2.2: MAY), or waits for one after a bare CR",
        """
        chunk-last-with-bare-lf chunk-last-with-bare-lf-at-the-end
        field-value-with-bare-lf-and-field line-end-bare-cr-ends-head
        line-end-bare-cr-everywhere line-end-bare-lf-after-field
        line-end-bare-lf-after-request-line line-end-bare-lf-ends-head
        line-end-bare-lf-everywhere line-end-cr-cr-lf-ends-head line-end-lf-crlf-ends-head
        line-end-two-bare-lf-end-head trailer-ended-by-bare-lf
        transfer-encoding-hidden-by-bare-lf
        """,
    ),
    Difference(
        "httptools",
        "llhttp skips any CR and LF before a request",
        """
        line-end-bare-cr-before-request-line line-end-bare-lf-before-request-line
        line-end-cr-cr-lf-before-request-line pipelining-bare-lf-before-next-request
        """,
    ),
    Difference(
        "h11",
        "h11 repairs a length of equal values; refusing is the other choice of RFC 9112 6.3",
        """
        content-length-list-of-equal-values content-length-list-without-space
        content-length-twice-equal
        """,
    ),
    Difference(
        "h11",
        "h11 refuses NUL, VT and FF in a value and takes the other control characters",
        """
        field-value-with-backspace field-value-with-bell field-value-with-del
        field-value-with-escape field-value-with-soh field-value-with-unit-separator
        trailer-with-del-in-value
        """,
    ),
    Difference(
        "h11",
        "h11 takes Transfer-Encoding from 1.0 clients; RFC 9112 6.1 calls the framing faulty",
        """
        transfer-encoding-in-1-0 transfer-encoding-in-1-0-and-content-length
        transfer-encoding-in-1-0-with-keep-alive
        """,
    ),
    Difference(
        "h11",
        "h11 lets Transfer-Encoding override Content-Length (RFC 9112 6.3: MAY): smuggling",
        """
        transfer-encoding-after-content-length transfer-encoding-and-content-length
        transfer-encoding-and-content-length-0
        """,
    ),
    Difference(
        "httptools",
        "llhttp takes Transfer-Encoding from 1.0 clients; RFC 9112 6.1 calls the framing faulty",
        """
        transfer-encoding-in-1-0 transfer-encoding-in-1-0-with-keep-alive
        """,
    ),
    Difference(
        "httptools",
        "llhttp leaves other codings before chunked to its user",
        """
        transfer-encoding-gzip-then-chunked transfer-encoding-identity-then-chunked
        transfer-encoding-many-then-chunked transfer-encoding-twice-unknown-then-chunked
        transfer-encoding-unknown-then-chunked
        """,
    ),
    Difference(
        "httptools",
        "llhttp looks at the last member of the list only; empty members are refused here",
        """
        transfer-encoding-with-empty-elements transfer-encoding-with-leading-comma
        """,
    ),
    Difference(
        "h11",
        "h11 takes every version of one digit and a dot, and leaves 505 to its user",
        """
        pipelining-2-0-after-1-1 version-0-0 version-0-9 version-2-0
        version-2-0-of-the-http-2-preface version-3-0 version-9-9
        """,
    ),
    Difference(
        "httptools",
        "llhttp takes 0.9 and 2.0 and leaves 505 to its user",
        """
        pipelining-2-0-after-1-1 version-0-9 version-2-0
        """,
    ),
    Difference(
        "httptools",
        "llhttp reads RTSP and ICY too",
        """
        greeting-of-rtsp version-of-another-protocol
        """,
    ),
    Difference(
        "httptools",
        "llhttp takes more than one space between the parts of a request line",
        """
        request-line-with-two-spaces-after-method
        request-line-with-two-spaces-before-version
        """,
    ),
    Difference(
        "httptools",
        "llhttp takes a request line without a version as HTTP/0.9",
        """
        pipelining-error-after-body pipelining-error-after-chunked-body
        request-line-without-version
        """,
    ),
    Difference(
        "h11",
        "what cannot become a request line is refused at once; h11 waits for a whole head",
        """
        greeting-of-json greeting-of-redis greeting-of-smtp greeting-of-ssh
        greeting-of-utf-16 pipelining-body-of-get-without-length
        pipelining-data-after-last-chunk
        """,
    ),
)
"""One row per reason and set of oracles. A case is in it once at most for each oracle."""
