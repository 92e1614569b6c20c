"""How the program begins and ends: its help, its exit codes, Ctrl-C, and readers that leave."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, PROGRAM, program
from support import PATIENCE, child, wait_until

import bladehttp
from bladehttp import exceptions
from bladehttp._cli.exits import EXITS, FAILED, exit_code
from bladehttp._cli.program import COMMANDS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command, run):
    code, out, err = run(command.name, "--help")
    assert (code, err) == (0, "")
    assert f"usage: bladehttp {command.name}".encode() in out
    assert command.help[1:].encode() in out


def test_the_help_lists_every_command_and_every_exit_code(run):
    code, out, _ = run("--help")
    assert code == 0
    lines = [line.split(maxsplit=1) for line in out.decode().splitlines() if line.strip()]
    for command in COMMANDS:
        assert [command.name, command.help] in lines
    for row in EXITS:
        assert [str(row.code), row.meaning] in lines


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"bladehttp {bladehttp.__version__}\n".encode(), "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fetch"], "argument COMMAND: invalid choice: 'fetch'"),
        (["get"], "the following arguments are required: URL"),
        (["get", "x", "--tim", "1"], "unrecognized arguments: --tim 1"),
        (["get", "x", "-H", "no colon"], "argument -H: 'no colon' is not of the form"),
        (["get", "x", "-F", "value"], "argument -F: 'value' is not of the form name=value"),
        (["get", "x", "-d", "a", "--json", "1"], "argument --json: not allowed with argument -d"),
        (["get", "x", "--timeout", "soon"], "argument --timeout: invalid int value: 'soon'"),
        (["get", "x", "--timeout", "-5"], "total_timeout"),
        (["get", "x", "-C"], "-C goes on with a file: -o says which"),
        (["head", "x", "-o", "f"], "the answer to HEAD has no body"),
        (["post", "x", "--json", "{"], "value of --json is not JSON: "),
        (["post", "x", "-d", "a", "-d", "@f"], "-d sends one file or several texts, not both"),
        (["echo", "--key", "f"], "--key is the key of a certificate"),
        (["echo", "--port", "99999"], "port is 0 to 65535"),
        (["get", "x", "--key", "f"], "--key is the key of a certificate"),
        (["get", "x", "-H", "a\nb: c"], "a\\nb"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words, complaint, run):
    code, out, err = run(*words)
    assert (code, out) == (2, b"")
    assert err.startswith("bladehttp: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_every_exception_of_the_package_has_an_exit_code_of_its_own_kind():
    classes = [
        value for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, exceptions.HttpException)
        and value is not exceptions.HttpStatusError  # its code is of the status
    ]  # fmt: skip
    general = {cls.__name__ for cls in classes if exit_code(cls()) == FAILED}
    # BodyTooLarge: no option limits it; ClientClosed: nothing closes it
    assert general == {"HttpException", "SocketException", "BodyTooLarge", "ClientClosed"}
    assert exit_code(exceptions.ConnectTimeout()) == exit_code(exceptions.TotalTimeout()) == 28
    assert exit_code(exceptions.HostnameMismatch()) == 60
    assert exit_code(exceptions.InvalidHeader()) == exit_code(ValueError()) == 2
    assert exit_code(OSError()) == exit_code(KeyError()) == FAILED


def test_no_two_rows_have_the_same_code():
    assert len({row.code for row in EXITS}) == len(EXITS)


@pytest.mark.parametrize("words", [["info"], ["--help"], ["get", "{}/file"]], ids=str)
def test_a_reader_that_goes_away_ends_it_without_a_word(words, server):
    command = [*PROGRAM, *(word.format(server.url) for word in words)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT}
    with child(command, **options) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait(PATIENCE)) == (b"", 141)


def test_output_that_cannot_be_written_is_told():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "info"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"bladehttp: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_do_no_harm(closed):
    command = ["sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, "get", "http://nothing.invalid"]
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.startswith(b"bladehttp: resolving") is ("2>" not in closed)


def test_ctrl_c_during_a_silent_response_ends_it_with_130_and_without_a_word(scripted, start):
    peer = scripted(b"", stays=True)
    running = start("get", peer.url)
    wait_until(lambda: peer.asked)
    assert running.interrupt() == (130, "", "")


def test_ctrl_c_in_the_middle_of_a_body_leaves_what_was_printed(scripted, start):
    peer = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning\n", stays=True)
    running = start("get", peer.url)
    assert running.line() == "beginning\n"
    assert running.interrupt() == (130, "", "")


def test_a_fault_of_the_program_is_one_line_too(run, monkeypatch):
    def fail():
        raise KeyError("lost")

    monkeypatch.setattr(bladehttp, "info", fail)
    assert run("info") == (1, b"", "bladehttp: KeyError: 'lost'\n")


def test_the_script_is_the_same_program():
    script = str(Path(sys.executable).with_name("bladehttp"))
    done = subprocess.run([script, "--version"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, program("--version").stdout)


def test_sigterm_ends_a_server_as_ctrl_c_does(start):
    running = start("echo", "--port", "0")
    assert running.line().startswith("Answering with the request at http://127.0.0.1:")
    running.process.send_signal(signal.SIGTERM)
    out, err = running.process.communicate(timeout=PATIENCE)
    assert (running.process.returncode, out, err) == (0, b"", b"")


DOCS = Path(__file__).parents[2] / "docs" / "cli"


def test_the_documentation_has_every_exit_code_and_every_option(run):
    page = (DOCS / "index.md").read_text()
    table = "".join(f"| {row.code} | {row.meaning} |\n" for row in EXITS)
    assert page.endswith(f"| Code | Meaning |\n|---|---|\n{table}")
    text = run("get", "--help")[1].decode()
    options = set(re.findall(r"^  (?:-\w, )?(--?[\w.-]+)", text, re.MULTILINE)) - {"--help"}
    assert len(options) > 25
    assert {option for option in options if f"`{option}" not in page} == set()


def test_the_screen_of_the_help_is_true(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    assert (DOCS / "help.txt").read_bytes() == b"$ bladehttp --help\n" + run("--help")[1]
