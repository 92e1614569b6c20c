"""Build the wheel and the source distribution, and test what they install: tests/slow/package.py.

The wheel is built from the source distribution and installed into an environment of its own. There
`bladehttp demo` runs, and then the suite, from a directory that holds the tests, the examples and
the documentation, but not the package. Arguments go to pytest; without any the whole suite runs.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
BESIDE_THE_PACKAGE = (
    "pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "mkdocs.yml",
    "tests", "examples", "docs", "benchmarks", "typings",
)  # fmt: skip


def run(*words: str | Path, cwd: Path) -> None:
    """Run a command, and stop with its exit code if it fails."""
    print("$", " ".join(map(str, words)), flush=True)
    code = subprocess.run(words, cwd=cwd, check=False).returncode
    if code:
        sys.exit(code)


def build(directory: Path) -> Path:
    """Return the wheel that is made of the source distribution."""
    run(sys.executable, "-m", "build", "--outdir", directory, ROOT, cwd=directory)
    for archive in sorted(directory.iterdir()):
        print(f"{archive.name}: {archive.stat().st_size:,} bytes")
    return next(directory.glob("*.whl"))


def install(wheel: Path, directory: Path) -> Path:
    """Return the Python of an environment with the wheel in it and nothing else of ours."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--upgrade", "pip>=25.1", cwd=directory)
    run(*pip, wheel, cwd=directory)
    run(python, "-m", "bladehttp", "demo", cwd=directory)
    run(*pip, f"{wheel}[cli,testing]", "--group", f"{ROOT}/pyproject.toml:test", cwd=directory)
    return python


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bladehttp-package-") as name:
        directory = Path(name)
        archives, work = directory / "dist", directory / "work"
        archives.mkdir()
        work.mkdir()
        python = install(build(archives), directory / "environment")
        for part in BESIDE_THE_PACKAGE:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, work / part)
        run(python, "-c", "import bladehttp; print(bladehttp.__file__)", cwd=work)
        run(python, "-X", "dev", "-m", "pytest", "-q", *sys.argv[1:], cwd=work)


if __name__ == "__main__":
    main()
