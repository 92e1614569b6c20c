"""A hook of mkdocs: links out of docs/ lead to copies within the site; properties have anchors.

The pages are read on the forge, too, where such links lead to the files themselves.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
COPIED = re.compile(
    r"(?:examples/\w+\.py|bladehttp/[\w/]+\.py|tests/wire/README\.md|CHANGELOG\.md)"
)
TEXTS = ("tests/wire/README.md", "CHANGELOG.md")
link = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")


def on_config(config: Any) -> Any:
    """Put pages into the navigation that it does not name: decisions, and what is new."""
    docs = Path(config.docs_dir)
    named = set(_pages(config.nav))
    left = [str(page.relative_to(docs)) for page in sorted(docs.glob("**/*.md"))]
    left = [page for page in left if page not in named]
    made = next(entry["How it is made"] for entry in config.nav if "How it is made" in entry)
    made.append({"Decisions": [page for page in left if page.startswith("decisions/")]})
    config.nav += [page for page in left if not page.startswith("decisions/")]
    return config


def _pages(nav: Any) -> Iterator[str]:
    """Yield every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(entry)


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/: programs as they are, texts as pages."""
    targets = {
        target
        for page in files.documentation_pages()
        for target in (_outside(page, found) for found in link.findall(_text(page)))
        if target is not None
    }
    for target in sorted(targets.union(TEXTS)):
        files.append(File.generated(config, _copy(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn such links to the copies."""

    def turned(match: re.Match[str]) -> str:
        target = _outside(page.file, match[0])
        if target is None:
            return match[0]
        return posixpath.relpath(_copy(target), posixpath.dirname(page.file.src_uri) or ".")

    return link.sub(turned, markdown)


SHORT = {"Configured": "HttpClient", "ServerConfig": "HttpServer"}
identifier = re.compile(r'<[^<>]*\bid="([^"]+)"')
row = re.compile(
    r'<tr class="doc-section-item">(?=\s*<td><code><span title="[\w.]+\.([A-Z]\w+)\.(\w+)">\2<)'
)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Give each property in the table of a class an anchor: #HttpClient.receive_timeout.

    Raises:
        PluginError: An id is there twice.
    """
    output = row.sub(
        lambda match: (
            f'<tr class="doc-section-item" id="{SHORT.get(match[1], match[1])}.{match[2]}">'
        ),
        output,
    )
    twice = [name for name, count in Counter(identifier.findall(output)).items() if count > 1]
    if twice:
        raise PluginError(f"{page.file.src_uri} has these ids twice: {', '.join(twice)}")
    return output


def _outside(page: File, target: str) -> str | None:
    """Return the path from the root that a link of a page leads to, if that is to be copied."""
    folder = posixpath.join("docs", posixpath.dirname(page.src_uri))
    path = posixpath.normpath(posixpath.join(folder, target))
    return path if COPIED.fullmatch(path) and (ROOT / path).is_file() else None


def _copy(target: str) -> str:
    return f"source/{target}.txt" if target.endswith(".py") else f"source/{target}"


def _text(page: File) -> str:
    return page.content_string
