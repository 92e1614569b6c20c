"""Docstrings and guides name things by nouns, not by phrases that paraphrase them."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bladehttp

PACKAGE = Path(bladehttp.__file__).parent

PHRASES = re.compile(
    r"\b(what|whom|whoever|nobody|somebody|likewise|anew|beside|undo(?:ne|es|ing)?)\b",
    re.IGNORECASE,
)

CODE = re.compile(r"``[^`]*``|`[^`]*`|https?://\S+")

PER_THOUSAND = 1.0
"""Most of these phrases in 1,000 words of docstrings; httpx, httpcore and urllib3 have 0 to 0.2."""


def _statements(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", None)
    return body if isinstance(body, list) else []


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every docstring, those of constants too."""
    for node in ast.walk(ast.parse(path.read_text())):
        for child in _statements(node):
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                yield child.lineno, CODE.sub("code", child.value.value)


def test_docstrings_name_things_by_nouns():
    words, found = 0, Counter[str]()
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in docstrings(path):
            words += len(text.split())
            for match in PHRASES.finditer(text):
                found[f"{path.relative_to(PACKAGE.parent)}:{line}: {match[0].lower()}"] += 1
    per_thousand = 1000 * found.total() / words
    assert per_thousand <= PER_THOUSAND, "\n".join([f"{per_thousand:.1f} per 1,000 words", *found])


ROOT = Path(__file__).parents[1]

FOLDERS = {"decisions", "evidence"}
"""Pages for those who work on the package, and pages that are generated."""

block = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
link = re.compile(r"\]\([^)]*\)")

PAGES_PER_THOUSAND = 2.0


def test_guides_name_things_by_nouns():
    words, found = 0, list[str]()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if page.parent.name in FOLDERS:
            continue
        prose = block.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())
        for number, line in enumerate(prose.splitlines(), 1):
            text = link.sub("]", CODE.sub("code", line))
            words += len(text.split())
            found += [f"{page.name}:{number}: {m[0].lower()}" for m in PHRASES.finditer(text)]
    per_thousand = 1000 * len(found) / words
    assert per_thousand <= PAGES_PER_THOUSAND, "\n".join([f"{per_thousand:.1f}", *found])
