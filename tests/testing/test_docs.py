"""The examples of the pages about testing, each a test module that runs as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("testing/index.md", "testing/recordings.md", "coming-from/pytest-httpserver.md")
TEXT = "".join((ROOT / "docs" / page).read_text() for page in PAGES)
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_every_example_passes(tmp_path: Path) -> None:
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"test_{number}.py").write_text(example)
    plugins = ("pytest_bladehttp", "pytest_httpserver.pytest_plugin")
    options = [option for plugin in plugins for option in ("-p", plugin)]
    process = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "pytest", "-q", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    passed = re.search(r"^(\d+) passed in", process.stdout, re.MULTILINE)
    assert passed
    assert int(passed[1]) >= TEXT.count("\ndef test_")
