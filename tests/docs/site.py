"""A hook of mkdocs: links that lead out of docs/ on the forge lead to copies within the site.

The pages are read in both places. Decisions are put into the navigation by their numbers.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
COPIED = re.compile(
    r"(?:examples/\w+\.py|bladehttp/[\w/]+\.py|tests/wire/README\.md|CHANGELOG\.md)"
)
link = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")


def on_config(config: Any) -> Any:
    """Name every decision in the navigation."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    config.nav.append({"Decisions": [f"decisions/{page.name}" for page in pages]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/: programs as they are, texts as pages."""
    targets = {
        target
        for page in files.documentation_pages()
        for target in (_outside(page, found) for found in link.findall(_text(page)))
        if target is not None
    }
    for target in sorted(targets):
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


def _outside(page: File, target: str) -> str | None:
    """Return the path from the root that a link of a page leads to, if that is to be copied."""
    folder = posixpath.join("docs", posixpath.dirname(page.src_uri))
    path = posixpath.normpath(posixpath.join(folder, target))
    return path if COPIED.fullmatch(path) and (ROOT / path).is_file() else None


def _copy(target: str) -> str:
    return f"source/{target}.txt" if target.endswith(".py") else f"source/{target}"


def _text(page: File) -> str:
    return page.content_string
