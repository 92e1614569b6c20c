# What is used of the multipart package, which has annotations but no py.typed.

from collections.abc import Generator, Mapping

class MultipartError(ValueError): ...
class ParserLimitReached(MultipartError): ...

class MultipartSegment:
    headerlist: list[tuple[str, str]]
    disposition: str | None
    name: str
    filename: str | None
    content_type: str | None
    charset: str | None
    def header(self, name: str, default: str | None = None) -> str: ...

class PushMultipartParser:
    def __init__(
        self,
        boundary: str | bytes,
        content_length: int = -1,
        max_header_size: int = ...,
        max_header_count: int = ...,
        max_segment_size: float = ...,
        max_segment_count: float = ...,
        header_charset: str = "utf8",
        strict: bool = False,
    ) -> None: ...
    def parse(self, chunk: bytes) -> Generator[MultipartSegment | bytes | None, None, None]: ...
    def __enter__(self) -> PushMultipartParser: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> None: ...

def parse_options_header(
    header: str, options: Mapping[str, str] | None = None
) -> tuple[str, dict[str, str]]: ...
