"""Auth: the authentication methods of Blade's curl module."""

from enum import IntFlag


class Auth(IntFlag):
    """Which HTTP authentication methods may be used with a name and a password.

    The values are those of libcurl's CURLAUTH_* bits (CURLOPT_HTTPAUTH), so that they
    combine with ``|``.
    """

    NONE = 0
    BASIC = 1
    DIGEST = 2
    NEGOTIATE = 4
    NTLM = 8
    DIGEST_IE = 16
    NTLM_WB = 32
    BEARER = 64
    AWS_SIGV4 = 128
    ONLY = 1 << 31
    ANY = 0xFFFFFFFF & ~16
    """Whatever the server offers, the safest first; Digest in Internet Explorer's form excepted."""
    ANYSAFE = 0xFFFFFFFF & ~(1 | 16)
    """As ANY, without Basic, which sends the password as good as in clear."""
