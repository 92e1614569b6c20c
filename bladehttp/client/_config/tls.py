"""TLS: trusted certificate authorities, client certificates and their files.

The first of these that exists decides alone: ``ca_cert`` of the call, ``ca_cert`` of the client,
then with ``trust_env`` SSL_CERT_FILE and SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, and at
last the system's bundle, or certifi's. Explicit settings always win over the environment, and
sources are never combined: a directory replaces the bundle.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import pycurl

from bladehttp.exceptions import CertificateFileError

Pair = tuple[int, object]

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # CentOS, RHEL 7
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD
)

# OpenSSL's own names first (its X509_get_default_cert_file_env), then those of requests and curl
FILE_OR_DIRECTORY = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", *FILE_OR_DIRECTORY)

TLS_VERSIONS = {
    "1.0": pycurl.SSLVERSION_TLSv1_0,
    "1.1": pycurl.SSLVERSION_TLSv1_1,
    "1.2": pycurl.SSLVERSION_TLSv1_2,
    "1.3": pycurl.SSLVERSION_TLSv1_3,
}


def first_bundle(paths: Iterable[str] = SYSTEM_BUNDLES) -> str:
    """Return the first file that exists, certifi's bundle if none does."""
    for path in paths:
        if Path(path).is_file():
            return path
    return str(import_module("certifi").where())  # seldom needed, and dear: importlib.resources


@cache
def default_bundle() -> str:
    """Return the bundle that is trusted by default; searched for once."""
    return first_bundle()


def _authorities(file: str | None, directory: str | None) -> tuple[Pair, ...]:
    # the certificate of an https proxy is checked against the same authorities
    file_name = None if file is None else os.fsencode(file)
    directory_name = None if directory is None else os.fsencode(directory)
    return (
        (pycurl.CAINFO, file_name),
        (pycurl.CAPATH, directory_name),
        (pycurl.PROXY_CAINFO, file_name),
        (pycurl.PROXY_CAPATH, directory_name),
    )


def trust_options(ca_cert: str | None) -> tuple[Pair, ...]:
    """Return CURLOPT_CAINFO, CAPATH, PROXY_CAINFO and PROXY_CAPATH for a ``ca_cert``.

    A file is CAINFO: libcurl caches its parsed form, unlike that of CAINFO_BLOB (2.2 ms against 7.9
    ms for a connection).
    """
    if ca_cert is None:
        return _authorities(default_bundle(), None)
    if Path(ca_cert).is_dir():
        return _authorities(None, ca_cert)
    return _authorities(ca_cert, None)


def environment_trust(environ: Mapping[str, str]) -> tuple[Pair, ...]:
    """Return the options for the authorities that the environment names, () for none.

    An empty variable counts as not set.

    Raises:
        CertificateFileError: A path that it names is not usable.
    """
    file, directory = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or directory:
        if file:
            check_file("SSL_CERT_FILE", file)
        for each in directory.split(os.pathsep) if directory else ():  # OpenSSL: a list
            check_directory("SSL_CERT_DIR", each)
        return _authorities(file or None, directory or None)
    for name in FILE_OR_DIRECTORY:
        if path := environ.get(name):
            check_readable(name, path)
            return trust_options(path)
    return ()


def environment_paths(environ: Mapping[str, str]) -> list[bytes]:
    """Return the paths that `environment_trust` looks at."""
    file, directory = environ.get("SSL_CERT_FILE", ""), environ.get("SSL_CERT_DIR", "")
    paths = [file, *directory.split(os.pathsep)]
    if not (file or directory):
        paths = [environ.get(name, "") for name in FILE_OR_DIRECTORY]
    return [os.fsencode(path) for path in paths if path]


Stamps = tuple[tuple[bytes, tuple[int, int, int] | None], ...]
"""Paths, each with the time of its last change, its size and inode; None for one that is missing.

The time of change (ctime) is that of content, name, owner and permissions. Two changes within a
tick of the kernel's clock, 4 ms, have the same: hence the size.
"""


def stamps_of(paths: Iterable[bytes]) -> Stamps:
    """Return the stamps of files."""
    return tuple((path, _stamp(path)) for path in dict.fromkeys(paths))


def _stamp(path: bytes) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - as below
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def are_unchanged(stamps: Stamps) -> bool:
    """Whether all files are there and as they were."""
    try:
        for path, stamp in stamps:
            found = os.stat(path)  # noqa: PTH116 - a Path costs as much again, for each request
            if (found.st_ctime_ns, found.st_size, found.st_ino) != stamp:
                return False
    except OSError:
        return False
    return True


TlsFiles = tuple[tuple[bytes, tuple[int, ...]], ...]
"""Paths, with the libcurl options that name them."""

Stamp = tuple[int, int, int] | None

FILE_OPTIONS = (
    pycurl.CAINFO, pycurl.CAPATH, pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH,
    pycurl.SSLCERT, pycurl.SSLKEY, pycurl.PINNEDPUBLICKEY,
)  # fmt: skip

MOST_SPELLINGS = 500  # libcurl takes paths of 4 KB and less

_seen: dict[bytes, tuple[Stamp, int]] = {}  # path -> stat of the file, and number of replacements


def tls_files(options: Iterable[Pair]) -> TlsFiles:
    """Return the TLS files that options name; of an option that occurs twice the last."""
    values = dict(options)
    paths: dict[bytes, tuple[int, ...]] = {}
    for option in FILE_OPTIONS:
        path = values.get(option)
        if isinstance(path, str | bytes) and path and not os.fsencode(path).startswith(b"sha256//"):
            paths[os.fsencode(path)] = (*paths.get(os.fsencode(path), ()), option)
    return tuple(paths.items())


def renewed(files: TlsFiles) -> tuple[Pair, ...]:
    """Return options for the files that were replaced, () if none was.

    libcurl keeps the authorities of a CA file for a day, and the sessions and connections made with
    them, by the name of the file. So a replaced file gets another name, the same path spelt with
    "/./" in it: it is read again, and nothing made with the old file is used (docs/decisions/0064).

    Raises:
        CertificateFileError: A file of certificate authorities does not exist any more.
    """
    pairs: tuple[Pair, ...] = ()
    for path, options in files:
        spelling = _spelling(path, options)
        if spelling is not path:
            pairs += tuple((option, spelling) for option in options)
    return pairs


def _spelling(path: bytes, options: tuple[int, ...]) -> bytes:
    """Return a path, spelt differently for each time that the file was replaced."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as in `_stamp`
        stamp: Stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
    except OSError as error:
        if pycurl.CAINFO not in options:
            return path  # libcurl reads it for each connection, or it is a list of directories
        stamp = None
        if path in _seen:
            _seen[path] = (stamp, _seen[path][1])
        raise CertificateFileError(f"{os.fsdecode(path)!r} does not exist") from error
    known, times = _seen.setdefault(path, (stamp, 0))
    if known != stamp:
        times = times % MOST_SPELLINGS + 1
        _seen[path] = (stamp, times)
    if not times:
        return path
    directory, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - keep links: they may change
    return directory + b"/." * times + b"/" + name


def usual_spelling(path: str) -> str:
    """Return a path without the changes of `renewed`."""
    return re.sub(r"(/\.)+/", "/", path)


def client_cert_options(value: tuple[str, ...] | None) -> Iterable[Pair]:
    """Return the options of a client certificate; certificate and key may be in one file.

    The password is always set: without one OpenSSL would ask for it on the terminal. Files that end
    in .p12 or .pfx are PKCS#12.
    """
    if value is not None:
        certificate, key, password = _certificate_parts(value)
        yield pycurl.SSLCERT, os.fsencode(certificate)
        yield pycurl.SSLCERTTYPE, _file_type(certificate)
        yield pycurl.SSLKEY, os.fsencode(key)
        yield pycurl.SSLKEYTYPE, _file_type(key)
        yield pycurl.KEYPASSWD, password.encode()


def _certificate_parts(value: tuple[str, ...]) -> tuple[str, str, str]:
    certificate, key, password = (*value, "")[:3] if len(value) > 1 else (*value * 2, "")
    return certificate, key, password


def _file_type(path: str) -> str:
    return "P12" if path.lower().endswith((".p12", ".pfx")) else "PEM"


# RFC 7468 section 11 (PKCS #8), and the older form of OpenSSL (RFC 1421 section 4.6.1.1)
ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
A_KEY = b"PRIVATE KEY"
LONGEST_KEY = 1 << 20


def key_advice(value: tuple[str, ...]) -> str:
    """Return the likely fault of a client certificate's key, for an error message.

    libcurl says only that it cannot be used.
    """
    certificate, key, password = _certificate_parts(value)
    try:
        with Path(key).open("rb") as file:
            data = file.read(LONGEST_KEY)
    except OSError:
        return ""
    is_encrypted = _file_type(key) == "P12" or any(mark in data for mark in ENCRYPTED)
    if is_encrypted and not password:
        second = "None" if certificate == key else "key"
        return f"; {key!r} may need its password: client_cert=(certificate, {second}, password)"
    if is_encrypted:
        return f"; the password may not be that of {key!r}, or the key not the certificate's"
    if A_KEY not in data:
        return f"; there is no private key in {key!r}: client_cert=(certificate, key)"
    return "; the key may not be the certificate's"


def tls_options(minimum: str) -> Iterable[Pair]:
    """Return CURLOPT_SSLVERSION, for the proxy as well."""
    yield pycurl.SSLVERSION, TLS_VERSIONS[minimum]
    yield pycurl.PROXY_SSLVERSION, TLS_VERSIONS[minimum]


def pin_options(value: str | None) -> Iterable[Pair]:
    """Return CURLOPT_PINNEDPUBLICKEY."""
    if value is not None:
        yield pycurl.PINNEDPUBLICKEY, os.fsencode(value)


def named_files(
    ca_cert: str | None, client_cert: tuple[str, ...] | None, pinned_key: str | None
) -> tuple[tuple[str, str], ...]:
    """Return the names of the properties that name files, with the paths."""
    found = [] if ca_cert is None else [("ca_cert", ca_cert)]
    found += [("client_cert", path) for path in (client_cert or ())[:2]]
    if pinned_key is not None and not pinned_key.startswith("sha256//"):
        found.append(("pinned_key", pinned_key))
    return tuple(found)


def check_named(name: str, path: str) -> None:
    """Check before a request that the file of a property can be used.

    Raises:
        CertificateFileError: It does not exist or cannot be read, or is a directory where a file is
            required. A directory is valid for ``ca_cert`` only.
    """
    (check_readable if name == "ca_cert" else check_file)(name, path)


def check_readable(name: str, path: str) -> None:
    """Check that a path exists and can be read.

    Raises:
        CertificateFileError: It does not exist or cannot be read.
    """
    if not Path(path).exists():
        raise CertificateFileError(f"{name} {path!r} does not exist")
    if not os.access(path, os.R_OK):
        raise CertificateFileError(f"{name} {path!r} cannot be read")


def check_file(name: str, path: str) -> None:
    """Check that a path is a readable file.

    Raises:
        CertificateFileError: It does not exist, cannot be read, or is a directory.
    """
    check_readable(name, path)
    if Path(path).is_dir():
        raise CertificateFileError(f"{name} {path!r} is a directory, expected a file")


def check_directory(name: str, path: str) -> None:
    """Check that a path is a readable directory.

    Raises:
        CertificateFileError: It does not exist, cannot be read, or is a file.
    """
    check_readable(name, path)
    if not Path(path).is_dir():
        raise CertificateFileError(f"{name} {path!r} is a file, expected a directory")
