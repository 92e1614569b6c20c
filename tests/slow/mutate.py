"""Mutate the modules that decide, and run their tests: `make mutate`.

A mutation is one small change: another comparison, `and` for `or`, a condition negated, another
constant, None returned, a statement removed. The tests of the module have to fail for it. A mutation
that survives shows a decision that no test holds, or one that makes no difference: those are in
EQUIVALENT, with the reason.

Everything happens in a copy of the tree, one mutation at a time. What is mutated is a sample, the
same one for the same SEED and source. The process imports what tests import from elsewhere once, and
forks for every run, which takes a second off each. Without PER_MODULE or with 0 all mutations are
made, which takes hours.

Usage: mutate.py [PER_MODULE [SEED [MODULE...]]]
"""

import ast
import compileall
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

SLOW = (
    # they look at time or at crashes, and take more of it than all the others
    "a_crash_at_any_step", "a_full_disk", "linear_time", "every_one_of_several_codings",
    "cold_and_warm", "brotlicffi",
)  # fmt: skip
"""Parts of the names of tests that are left out."""

CLIENT = "tests/client/"

TESTS: dict[str, tuple[str, ...]] = {
    "client/_request/redirects.py": ("redirects", "redirect_bodies", "credentials"),
    "client/_config/validators.py": ("validators", "url", "fields", "trust"),
    "client/_config/retry.py": ("validators", "retry", "network"),
    "client/_config/tls.py": ("tls", "trust", "tls_files", "errors"),
    "client/_config/cookie_jar.py": ("cookies", "redirects"),
    "client/_download/resumption.py": ("resumption", "download"),
    "client/_download/part_file.py": ("part_file", "download"),
    "client/_curl/resend.py": ("connections", "digest", "http2"),
    "client/_curl/digest.py": ("digest",),
    "_data/decoders.py": ("../test_decoders", "codings"),
}
"""Each module that is mutated -> the files in tests/client that hold it, the quickest first."""


class Equivalent(NamedTuple):
    """A mutation that makes no difference to be seen on this machine, and why."""

    module: str
    before: str
    after: str
    reason: str


EQUIVALENT = (
    Equivalent(
        "client/_config/validators.py", 'SENT_AS_GIVEN = "".join', "'XX'.join",
        "an X is among them",
    ),
    Equivalent("client/_config/tls.py", '",  # ', "XX", "a path of another operating system"),
    Equivalent(
        "client/_config/retry.py", "min(retries, 63)", "min(retries, 126)",
        "bounds the size of a number; anything far above `longest` will do",
    ),
    Equivalent(
        "client/_config/cookie_jar.py", "_replace(expires=1)", "_replace(expires=2)",
        "both are in 1970",
    ),
    Equivalent(
        "client/_config/cookie_jar.py", "if jar is None or not field_value:", " and ",
        "without a jar the field is empty, and with an empty field the jar has none of its names",
    ),
    Equivalent(
        "client/_config/cookie_jar.py", 'line.split("\\t", FIELDS - 1)', "FIELDS + 1",
        "libcurl has no tab in a value, the last field",
    ),
    Equivalent(
        "client/_config/cookie_jar.py", '.lstrip(".")', "lstrip('.XX')",
        "libcurl has domains in lower case",
    ),
    Equivalent(
        "client/_config/cookie_jar.py", '"." * (not cookie.host_only)', "(cookie.host_only)",
        "libcurl ignores the dot; the field after it says whether subdomains get the cookie",
    ),
    Equivalent(
        "client/_download/resumption.py", 'fields.get("Accept-Ranges", "")', "'XX'",
        'any text but "none" is none',
    ),
    Equivalent(
        "client/_download/part_file.py", "self._kept = Kept()", "pass", "`open` sets it",
    ),
    Equivalent(
        "client/_download/part_file.py", "self._kept = Kept(0, ", "Kept(1, ",
        "the length is always that of the file",
    ),
    Equivalent(
        "client/_download/part_file.py", "if self._keep and old:", " or ",
        "what need not be on disk is put there; that takes time only",
    ),
    Equivalent(
        "client/_download/part_file.py", "self._close()", "pass",
        "a download closes the file in any case",
    ),
    Equivalent(
        "client/_download/part_file.py", "self._path.unlink(missing_ok=True)", "missing_ok=False",
        "the line before has looked whether it is there",
    ),
    Equivalent(
        "client/_curl/resend.py", "NO_FRAMES = ", "XX",
        "what is listened to for nothing takes time only",
    ),
    Equivalent(
        "client/_curl/resend.py", "handle.has_events(0)", "has_events(1)",
        "the number is the longest wait in milliseconds, and takes time only",
    ),
    Equivalent(
        "client/_curl/resend.py", "handle.forget_closed()", "pass",
        "what is closed and still listed is looked at once more, which takes time only",
    ),
    Equivalent(
        "client/_curl/resend.py", "return STOP", "return None",
        "pycurl takes all but a number for an error, which aborts as well",
    ),
    Equivalent(
        "client/_curl/resend.py", "MOST = 5", "MOST = ",
        "libcurl gives up a refused stream after as many, and a second connection is a new one",
    ),
    Equivalent(
        "client/_curl/resend.py", "self.is_refused = False", "self.is_refused = True",
        "before the first look nothing was sent",
    ),
    Equivalent(
        "client/_curl/resend.py", "settings.auth is None and not is_repeated:", " or ",
        "what may be repeated libcurl repeats between two rounds; there is no time for more",
    ),
    Equivalent(
        "client/_request/redirects.py", "credentials is None else", "",
        "credentials of a URL are read where a request is prepared, and a redirect is not",
    ),
)  # fmt: skip
"""What the lines before and after the mutation have in them."""


class Mutation(NamedTuple):
    """A part of a source in bytes, and what takes its place."""

    start: int
    end: int
    text: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


class Mutations(ast.NodeVisitor):
    """Collects the mutations of a module. Annotations, docstrings and messages are left alone."""

    def __init__(self, source: bytes) -> None:
        self.found: list[Mutation] = []
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.visit(ast.parse(source))

    def _add(self, node: ast.AST, text: str) -> None:
        start = self._lines[node.lineno - 1] + node.col_offset
        end = self._lines[node.end_lineno - 1] + node.end_col_offset
        self.found.append(Mutation(start, end, text))

    def _replace(self, node: ast.AST, other: ast.AST) -> None:
        self._add(node, f"({ast.unparse(other)})")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A message."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """An annotation at the most."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in ("__repr__", "__str__"):
            return
        self.visit(node.args)
        for statement in node.body:
            self.visit(statement)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(node, "pass")  # what is said is a message

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom):
            is_last_yield = not isinstance(node.value, ast.Call)
            self._add(node, "if 0: yield" if is_last_yield else "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(each, ast.Attribute | ast.Subscript) for each in node.targets):
            self._add(node, "pass")
        if any(isinstance(each, ast.Name) and each.id == "__slots__" for each in node.targets):
            return
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._add(node, "pass")
        self.visit(node.value)

    def _visit_jump(self, node: ast.stmt) -> None:
        self._add(node, "pass")

    visit_Break = visit_Continue = _visit_jump  # noqa: N815 - ast's names

    def visit_Return(self, node: ast.Return) -> None:
        value = node.value
        if value is None:
            self._add(node, "pass")
        elif not (isinstance(value, ast.Constant) and value.value is None):
            self._add(value, "None")
            self.visit(value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operator in enumerate(node.ops):
            ops = list(node.ops)
            ops[index] = COMPARISONS[type(operator)]()
            self._replace(node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        self._replace(node, ast.BoolOp(other, node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._replace(node, node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = OPERATORS.get(type(node.op))
        if other is not None:
            self._replace(node, ast.BinOp(node.left, other(), node.right))
        self.generic_visit(node)

    def _visit_condition(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
            self._replace(node.test, ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_If = visit_While = visit_IfExp = _visit_condition  # noqa: N815 - ast's names

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(node, repr(not value))
        elif isinstance(value, int | float):
            self._add(node, repr(value + 1 if value < 16 else value * 2))
        elif isinstance(value, str) and node.end_lineno == node.lineno:
            self._add(node, repr(value + "XX"))
        elif isinstance(value, bytes):
            self._add(node, repr(value + b"XX"))


def mutations_of(source: bytes) -> list[Mutation]:
    """Return the mutations of a source that are Python and that mypy need not be asked about."""
    return sorted({each for each in Mutations(source).found if _compiles(each.apply(source))})


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutation", "exec")
    except SyntaxError:
        return False
    return True


class Failed:
    """A plugin of pytest's that keeps the name of the first test that fails."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


class Result(NamedTuple):
    """How a run has ended: what killed the mutation, "" if nothing did, and the seconds it took."""

    killer: str
    took: float
    modules: tuple[str, ...] = ()


class Copy:
    """A copy of the tree, in which tests are run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.base = folder / "tmp"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        for name in map(os.fsdecode, listed.stdout.split(b"\0")):
            source, target = ROOT / name, self.root / name
            if name and source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        compileall.compile_dir(self.root / "bladehttp", quiet=1)

    def run(self, files: Iterable[str], timeout: float) -> Result:
        """Run test files up to the first failure, in a process of their own."""
        told = self.root.with_name("told")
        told.unlink(missing_ok=True)
        before = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                self._run_here(files, told)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(child, child)
        ended = threading.Timer(timeout, _kill, [child])
        ended.start()
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        ended.cancel()
        _kill(child)  # what the tests have left running; the number is not free before waitpid
        os.waitpid(child, 0)
        answer = told.read_text().split("\n") if told.exists() else ["does not end"]
        return Result(answer[0], time.monotonic() - before, tuple(answer[1:]))

    def _run_here(self, files: Iterable[str], told: Path) -> None:
        os.setpgid(0, 0)
        os.chdir(self.root)
        output = os.open(self.root.with_name("output"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        sys.path.insert(0, str(self.root))
        os.environ.update(
            PYTHONPATH=str(self.root), PYTHONDONTWRITEBYTECODE="1", HYPOTHESIS_PROFILE="mutation"
        )
        sys.dont_write_bytecode = True
        failed = Failed()
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            f"--basetemp={self.base}",
        ]
        left_out = " and ".join(f"not {name}" for name in SLOW)
        code = pytest.main([*options, "-k", left_out, *files], [failed])
        killer = failed.name or ("" if code == pytest.ExitCode.OK else f"pytest: {code!r}")
        told.write_text("\n".join((killer, *sys.modules)))


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def is_foreign(name: str) -> bool:
    """Whether a module that tests import is neither the package's nor the tests'."""
    top = name.partition(".")[0]
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    return not (top.startswith(("bladehttp", "pytest_bladehttp", "tests", "_pytest")) or top in own)


def import_foreign(names: Iterable[str]) -> None:
    """Import what tests have imported, so that a fork need not."""
    for name in names:
        if is_foreign(name) and name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)


def changed_lines(before: bytes, after: bytes) -> list[str]:
    """Return the lines of a diff without context and without its head."""
    lines = unified_diff(
        before.decode().splitlines(), after.decode().splitlines(), lineterm="", n=0
    )
    return [line for line in lines if not line.startswith(("---", "+++"))]


def reason_for(module: str, diff: list[str]) -> str:
    """Return why a survivor makes no difference, "" if that is not known."""
    sides = [" ".join(x[1:].strip() for x in diff if x[0] == mark) for mark in "-+"]
    for each in EQUIVALENT:
        if each.module == module and each.before in sides[0] and each.after in sides[1]:
            return each.reason
    return ""


def sample(module: str, number: int, seed: str) -> tuple[bytes, list[Mutation]]:
    source = (ROOT / "bladehttp" / module).read_bytes()
    found = mutations_of(source)
    chosen = random.Random(f"{seed} {module}").sample(found, min(number or len(found), len(found)))
    return source, sorted(chosen)


def files_of(module: str) -> list[str]:
    return [os.path.normpath(f"{CLIENT}{name}.py").replace("/../", "/") for name in _names(module)]


def _names(module: str) -> Iterator[str]:
    for name in TESTS[module]:
        yield f"../test_{name[8:]}" if name.startswith("../test_") else f"test_{name}"


def mutate(copy: Copy, module: str, number: int, seed: str) -> Counter[str]:
    """Mutate a module, print what survives, and return how many ended in each way."""
    files, path = files_of(module), copy.root / "bladehttp" / module
    found = copy.run(files, 600)
    if found.killer:
        print(copy.root.with_name("output").read_text())
        raise SystemExit(f"{module}: its tests fail as it is: {found.killer}")
    import_foreign(found.modules)
    usual = found.took
    source, chosen = sample(module, number, seed)
    print(
        f"\n{module}: {len(chosen)} mutations, {usual:.1f} s for all of {', '.join(files)}",
        flush=True,
    )
    counts: Counter[str] = Counter()
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
        cached.unlink()
    for mutation in chosen:
        after = mutation.apply(source)
        path.write_bytes(after)
        killer = copy.run(files, 15 + 4 * usual).killer
        diff = changed_lines(source, after)
        reason = "" if killer else reason_for(module, diff)
        counts["killed" if killer else "equivalent" if reason else "survived"] += 1
        if os.environ.get("VERBOSE") or not (killer or reason):
            told = (killer and f"killed by {killer}") or reason or "SURVIVED"
            print("", *diff, f"  {told}", sep="\n", flush=True)
    path.write_bytes(source)
    return counts


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    modules = sys.argv[3:] or list(TESTS)
    began = time.monotonic()
    total: Counter[str] = Counter()
    rows = []
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        copy = Copy(Path(folder))
        for module in modules:
            counts = mutate(copy, module, number, seed)
            total += counts
            rows.append((module, counts))
    print(f"\n{'module':40}{'killed':>10}{'survived':>10}{'equivalent':>12}")
    for module, counts in [*rows, ("all", total)]:
        print(f"{module:40}{counts['killed']:10}{counts['survived']:10}{counts['equivalent']:12}")
    print(f"\nseed {seed}, {time.monotonic() - began:.0f} s")
    if total["survived"] > 0.1 * total.total():
        raise SystemExit("more than one in ten survives")


if __name__ == "__main__":
    main()
