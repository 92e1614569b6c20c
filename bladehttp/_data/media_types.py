"""Media types by the names of files: one table for server, client and command line.

The types are those of the IANA registry, or the ones browsers use where it has none. The tables of
the operating system are not asked: they differ between machines, and some of them say
``text/plain`` of scripts, which a browser then does not run, or ``video/mp2t`` of TypeScript.
Text for people (source, configuration, logs) is ``text/plain``: browsers offer a download for other
types, registered or not.
"""

from collections.abc import Iterator

UNKNOWN = "application/octet-stream"
"""Of a name that says nothing."""

TABLE = """
application/atom+xml            atom
application/epub+zip            epub
application/geo+json            geojson
application/gzip                gz svgz tgz
application/java-archive        jar
application/json                json map
application/ld+json             jsonld
application/manifest+json       webmanifest
application/msword              doc dot
application/ogg                 ogx
application/pdf                 pdf
application/postscript          ai eps ps
application/rss+xml             rss
application/rtf                 rtf
application/vnd.sqlite3         sqlite sqlite3
application/vnd.android.package-archive     apk
application/vnd.apple.mpegurl   m3u8
application/vnd.debian.binary-package       deb
application/vnd.ms-excel        xls
application/vnd.ms-fontobject   eot
application/vnd.ms-powerpoint   ppt
application/vnd.oasis.opendocument.presentation     odp
application/vnd.oasis.opendocument.spreadsheet      ods
application/vnd.oasis.opendocument.text             odt
application/vnd.openxmlformats-officedocument.presentationml.presentation   pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet           xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document     docx
application/wasm                wasm
application/x-7z-compressed     7z
application/x-bzip2             bz2 tbz2
application/x-rpm               rpm
application/x-tar               tar
application/x-xz                txz xz
application/xhtml+xml           xhtml
application/xml                 xml xsd xsl
application/zip                 whl zip
application/zstd                zst
audio/aac                       aac
audio/flac                      flac
audio/midi                      mid midi
audio/mp4                       m4a
audio/mpeg                      mp3
audio/ogg                       oga ogg opus
audio/wav                       wav
audio/webm                      weba
font/collection                 ttc
font/otf                        otf
font/ttf                        ttf
font/woff                       woff
font/woff2                      woff2
image/apng                      apng
image/avif                      avif
image/bmp                       bmp
image/gif                       gif
image/heic                      heic
image/jpeg                      jfif jpe jpeg jpg
image/jxl                       jxl
image/png                       png
image/svg+xml                   svg
image/tiff                      tif tiff
image/vnd.microsoft.icon        cur ico
image/webp                      webp
message/rfc822                  eml
model/gltf+json                 gltf
model/gltf-binary               glb
model/stl                       stl
text/calendar                   ics
text/css                        css
text/csv                        csv
text/html                       htm html
text/javascript                 js mjs
text/markdown                   markdown md
text/plain                      adoc asc bat c cc cfg cjs clj cmake conf cpp cs cxx dart diff elm
text/plain                      env erl ex exs fish go gradle graphql groovy h hh hpp hs ini ipynb
text/plain                      java jl json5 jsonl jsx kt kts less lock log lua m mk ml mod nim
text/plain                      nix org patch php pl pm po pot properties proto ps1 r rb rs rst s
text/plain                      sass scala scss sh sql srt sum svelte swift tcl tex text tf toml
text/plain                      ts tsx txt v vb vhd vue yaml yml zig
text/tab-separated-values       tsv
text/vcard                      vcard vcf
text/vtt                        vtt
text/x-python                   py pyi
video/mp4                       m4v mp4
video/mpeg                      mpeg mpg
video/ogg                       ogv
video/quicktime                 mov
video/webm                      webm
video/x-matroska                mkv
video/x-msvideo                 avi
"""
"""A media type and the endings of names it is of, in lower case."""

TEXT_NAMES = frozenset(
    "authors changelog changes containerfile contributing contributors copying dockerfile gemfile "
    "gnumakefile install jenkinsfile justfile licence license makefile news notice procfile "
    "rakefile readme todo vagrantfile version".split()
)
"""Names without an ending that stand for text, in lower case."""


def _rows() -> Iterator[tuple[str, str]]:
    for line in TABLE.split("\n"):
        kind, *endings = line.split() or [""]
        for ending in endings:
            yield ending, kind


MEDIA_TYPES = dict(_rows())
"""Ending to media type."""


def guess_media_type(name: str) -> str:
    """Return the media type of a file by its name, without a charset.

    A compressed file has the type of its compression: its content is available only after
    decompression.
    """
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    ending = ending.lower()
    if dot and (stem or ending in MEDIA_TYPES):
        return MEDIA_TYPES.get(ending, UNKNOWN)
    return "text/plain" if not dot and ending in TEXT_NAMES else UNKNOWN


def media_type(name: str) -> str:
    """Return the Content-Type to serve a file with by its name: text as UTF-8."""
    kind = guess_media_type(name)
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
