"""Check the types that users see, with mypy --strict and pyright.

    python tests/typing/check.py

``right.py`` has no error, ``wrong.py`` has those that its comments announce and no others, and every
public symbol has a type that is known (``pyright --verifytypes``).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

Found = set[tuple[str, int, str]]
"""The name of a file, a line, and what is wrong there."""


def run(*command: str, cwd: Path = ROOT) -> str:
    program, *arguments = command
    ran = subprocess.run(
        [BIN / program, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    return ran.stdout


def announced(column: int) -> Found:
    """Return the errors that the comments of wrong.py announce: column 0 is mypy's."""
    found = set()
    for number, line in enumerate((HERE / "wrong.py").read_text().splitlines(), 1):
        codes = re.search(r"# error: (\S+), (\S+)$", line)
        if codes is not None:
            found.add(("wrong.py", number, codes[column + 1]))
    return found


def of_mypy() -> Found:
    text = run("mypy", "--strict", "--no-pretty", str(HERE / "right.py"), str(HERE / "wrong.py"))
    errors = re.findall(r"^(\S+?):(\d+): error: .*\[([\w-]+)\]$", text, re.MULTILINE)
    return {(Path(file).name, int(line), code) for file, line, code in errors}


def of_pyright() -> Found:
    report = json.loads(
        run("pyright", "--outputjson", str(HERE / "right.py"), str(HERE / "wrong.py"))
    )
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each.get("rule", ""))
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    }


def completeness() -> Found:
    """Return the public symbols whose type is not known."""
    with tempfile.TemporaryDirectory() as elsewhere:  # else the package is not taken as installed
        text = run(
            "pyright",
            "--ignoreexternal",
            "--outputjson",
            "--verifytypes",
            "bladehttp",
            cwd=Path(elsewhere),
        )
    report = json.loads(text)["typeCompleteness"]
    unknown = {
        (symbol["name"], 0, symbol["diagnostics"][0]["message"] if symbol["diagnostics"] else "")
        for symbol in report["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
    }
    return unknown if report["completenessScore"] == 1 else unknown or {("bladehttp", 0, "?")}


def main() -> int:
    wanted = {"mypy": announced(0), "pyright": announced(1), "pyright --verifytypes": set()}
    found = {"mypy": of_mypy(), "pyright": of_pyright(), "pyright --verifytypes": completeness()}
    for tool, errors in found.items():
        for name, line, code in sorted(errors - wanted[tool]):
            print(f"{tool}: {name}:{line}: unexpected {code}")
        for name, line, code in sorted(wanted[tool] - errors):
            print(f"{tool}: {name}:{line}: no {code}")
    return int(found != wanted)


if __name__ == "__main__":
    sys.exit(main())
