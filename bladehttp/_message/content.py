"""Content: the body of one request, decoded on first access.

An unread body costs nothing but its bytes, and malformed content is an error of the client wherever
it is found: in a handler, on another thread, later.
"""

from copy import copy
from io import BytesIO
from os import fstat
from typing import IO, BinaryIO

from bladehttp._data.byte_streams import transformed
from bladehttp._data.decoders import CODINGS, MOST_CODINGS, ContentDecoder, codings_of
from bladehttp._data.uploads import check_open, open_content, read_content
from bladehttp._wire.body import StoredBody
from bladehttp._wire.form import Decoded, decode
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Request
from bladehttp.exceptions import BodyTooLarge, DecodingError, ProtocolError

BLOCK = 64 * 1024
"""Bytes given to a decoder at a time."""


class ContentError(ProtocolError):
    """The content of a request is malformed, or exceeds a limit.

    Unless the handler catches it, the response has ``status``.
    """


class Content:
    """The content of one request.

    Attributes:
        received: The request as received; its body is decoded in place by `message`.
        size: Bytes of the body as received.
    """

    __slots__ = ("_decoded", "_error", "_is_encoded", "_limits", "received", "size")

    def __init__(self, message: Request, limits: Limits, is_encoded: bool = False) -> None:
        """Take a request as received.

        Args:
            message: The request.
            limits: The limits for decoding.
            is_encoded: Whether to decode its Content-Encoding.
        """
        self.received: Request = message
        file = message.file
        self.size: int = len(message.body) if file is None else fstat(file.fileno()).st_size
        self._limits = limits
        self._is_encoded = is_encoded and "content-encoding" in message.fields.index
        self._decoded: Decoded | None = None
        self._error: ProtocolError | None = None

    @property
    def message(self) -> Request:
        """The request, its Content-Encoding decoded if configured.

        Raises:
            ContentError: It cannot be decoded.
        """
        if self._error is not None:
            raise self._failure(self._error) from self._error
        if self._is_encoded:
            try:
                decode_content_encoding(self.received, self._limits)
            except ProtocolError as error:
                raise self._failure(error) from error
            self._is_encoded = False
        return self.received

    @property
    def raw(self) -> bytes:
        """The whole content as bytes.

        Raises:
            ContentError: As `message`.
            ValueError: It was in a temporary file, and the request has been answered.
        """
        message = self.message
        return message.body if message.file is None else read_content(message.file)

    @property
    def decoded(self) -> Decoded:
        """The content decoded by its Content-Type.

        Raises:
            ContentError: The content is malformed, or exceeds a limit.
            ValueError: It was in a temporary file, and the request has been answered.
        """
        decoded = self._decoded
        if decoded is None:
            message = self.message
            content_type = message.fields.index.get("content-type", "")
            if message.file is not None:
                check_open(message.file)
            try:
                decoded = decode(content_type, message.body, message.file, self._limits)
            except ProtocolError as error:
                raise self._failure(error) from error
            self._decoded = decoded
        return decoded

    def open(self) -> BinaryIO:
        """Return a binary stream over the content.

        Raises:
            ContentError: As `message`.
            ValueError: As `raw`.
        """
        message = self.message
        return open_content(message.body, message.file)

    def close(self) -> None:
        """Close the temporary files of a large body and of large uploads."""
        self.received.close()
        if self._decoded is not None and self._decoded.files:
            files = self._decoded.files
            for name in files:
                for upload in files.get_all(name):
                    if "file" in upload:
                        upload["file"].close()

    def _failure(self, error: ProtocolError) -> ContentError:
        """Return the exception for an error of the client, which every access raises again."""
        self._error = copy(error)  # the traceback of the error itself refers to the content
        return ContentError(str(error), status=error.status)


def decode_content_encoding(message: Request, limits: Limits) -> None:
    """Decode the Content-Encoding of a request in place.

    The fields stay as they were sent.

    Raises:
        ProtocolError: 413 if the decoded body exceeds `Limits.body`, 400 if it is malformed or ends
            early, 415 for an unsupported coding.
    """
    encoding = message.fields.index.get("content-encoding", "")
    codings = codings_of(encoding) if encoding else ()
    if not codings or (not message.body and message.file is None):
        return
    if len(codings) > MOST_CODINGS:
        raise ProtocolError(f"more than {MOST_CODINGS} content codings")
    for coding in codings:
        if coding not in CODINGS:  # RFC 9110 section 8.4: a server MAY answer 415
            raise ProtocolError(f"unknown content coding {coding[:40]!r}", status=415)
    source = message.file or BytesIO(message.body)
    stored = StoredBody(limits.spool)
    with source:
        try:
            _decode_into(stored, source, ContentDecoder(encoding, limits.body))
        except BodyTooLarge as error:
            stored.close()
            raise ProtocolError(
                f"the body is longer than {limits.body} bytes", status=413
            ) from error
        except DecodingError as error:
            stored.close()
            raise ProtocolError(f"the body's Content-Encoding: {error}") from error
        except BaseException:
            stored.close()
            raise
    message.body, message.file = stored.getvalue(), stored.file


def _decode_into(stored: StoredBody, source: IO[bytes], decoder: ContentDecoder) -> None:
    for chunk in transformed(decoder, iter(lambda: source.read(BLOCK), b"")):
        stored.write(chunk)
    if stored.file is not None:
        stored.file.seek(0)
