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
from bladehttp._cli.commands import COMMANDS
from bladehttp._cli.exits import EXITS, FAILED, exit_code
from bladehttp._cli.request_options import GROUPS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command, run):
    code, out, err = run(command.name, "--help")
    assert (code, err) == (0, "")
    assert f"usage: bladehttp {command.name}".encode() in out
    assert command.help[1:].encode() in out


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["get", "--help"], ["-v", "-h"]], ids=str)
def test_the_help_is_a_screen_of_24_lines_and_80_columns(words, run):
    code, out, err = run(*words)
    lines = out.decode().splitlines()
    assert (code, err) == (0, "")
    assert len(lines) <= 23  # and the line of the prompt
    assert max(map(len, lines)) < 80
    for command in COMMANDS:
        assert re.search(
            rf" {command.name} +{re.escape(command.help)}$", out.decode(), re.MULTILINE
        )
    known = {flag for group in GROUPS for option in group.options for flag in option.flags}
    shown = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", out.decode()))
    assert shown <= known
    assert len(shown) > 30


@pytest.mark.parametrize("words", [["--help", "all"], ["post", "-h", "all"]], ids=str)
def test_help_for_all_has_every_option_and_every_exit_code(words, run):
    code, out, _ = run(*words)
    text = out.decode()
    assert (code, max(map(len, text.splitlines())) < 80) == (0, True)
    plain = " ".join(text.split())
    for group in GROUPS:
        for option in group.options:
            assert f"  {', '.join(option.flags)}" in text
            assert " ".join(option.help.split()) in plain
    for row in EXITS:
        assert f" {row.code} {row.meaning}" in plain


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"bladehttp {bladehttp.__version__}\n".encode(), "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["srve"], "there is no command srve: is it serve? A host is srve/ (see bladehttp --help)"),
        (["get"], "there is no URL (see bladehttp get --help)"),
        (["-v"], "there is no URL (see bladehttp --help)"),
        (["x", "--tim", "1"], "there is no option --tim: is it --timing?"),
        (["x", "--locaton"], "there is no option --locaton: is it --location?"),
        (["x", "-sZ"], "there is no option -Z ("),
        (["x", "--data"], "--data takes a value: DATA"),
        (["x", "--fail=yes"], "--fail takes no value"),
        (["x", "-H", "hidden value"], "-H: expected 'Name: value', and there is no name before"),
        (["x", "-F", "value"], "-F takes NAME=VALUE, and there is no name before a ="),
        (["x", "-d", "a", "--json", "1"], "-d and --json are two bodies, and a request has one"),
        (["x", "-d", "a", "-F", "b=1"], "-d and -F are two bodies, and a request has one"),
        (["x", "-d", "a", "b=1"], "-d and items NAME=VALUE are two bodies"),
        (["x", "-T", "f", "b=1"], "-T and items NAME=VALUE are two bodies"),
        (["x", "a:=no"], "value of a:= is not JSON: "),
        (["x", "=b"], "an item has a name before its ="),
        (["x", "--timeout", "soon"], "--timeout: expected seconds, such as 1.5, or 500ms, not 'so"),
        (["x", "-m", "-5"], "-m: expected seconds"),
        (["x", "--retry", "x"], "--retry: expected a whole number, not 'x'"),
        (["x", "--max-filesize", "1X"], "--max-filesize: expected bytes, such as 5000 or 10M"),
        (["x", "--resolve", "a:b"], "--resolve: expected HOST:PORT:ADDRESS, not 'a:b'"),
        (["x", "--connect-to", "a:b"], "--connect-to: expected HOST:PORT:TO:PORT, not 'a:b'"),
        (["x", "--connect-to", "a:x:b:1"], "--connect-to: expected HOST:PORT:TO:PORT, not 'a:x:b"),
        (["x", "--connect-to", "[::1:1:b:1"], "--connect-to: expected HOST:PORT:TO:PORT, not "),
        (["x", "--connect-to", "a:1:b:2", "--resolve", "a:1:127.0.0.1"], "--connect-to and --res"),
        (["x", "--color", "red"], "--color: expected always, never or auto, not 'red'"),
        (["x", "--auth-type", "x"], "--auth-type: expected one of basic, digest, "),
        (["x", "-C"], "-C is for a file: -o says which"),
        (["x", "-C", "50", "-o", "y"], "-C takes - or nothing"),
        (["x", "-J"], "-J names the file of -O, and there is none"),
        (["x", "-OJC"], "-C goes on with a file whose name is known, and -J learns it too late"),
        (["x", "-I", "-d", "a"], "-I sends HEAD, which has no body"),
        (["get", "x", "-X", "PUT"], "-X and GET are two methods"),
        (["x", "-u", "a:b", "--bearer", "c"], "-u and --bearer are two logins"),
        (["x", "-U", "a:b"], "-U is for a proxy: -x says which"),
        (["x", "--session", "../x"], "a session has a name of up to 100 letters"),
        (["a.b", "http://c.d", "--session", "x"], "--session is for the URLs of one origin"),
        (["post", "x", "--json", "{"], "value of --json is not JSON: "),
        (["serve", "--prot", "1"], "there is no option --prot: is it --port? (see bladehttp serve"),
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
    assert "hidden" not in err


def test_no_words_at_all_are_wrong_usage_and_answered_with_the_help(run):
    assert run() == (2, run("--help")[1], "")


def test_every_exception_of_the_package_has_an_exit_code_of_its_own_kind():
    classes = [
        value for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, exceptions.HttpException)
        and value is not exceptions.HttpStatusError  # its code is of the status
    ]  # fmt: skip
    general = {cls.__name__ for cls in classes if exit_code(cls()) == FAILED}
    # UnsupportedProtocol: curl's number is 1; ClientClosed: nothing closes it
    assert general == {
        "HttpException", "SocketException", "UnsupportedProtocol", "ClientClosed",
    }  # fmt: skip
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


each_buffering = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@each_buffering
@pytest.mark.parametrize("words", [["info"], ["--version"], ["--help"]], ids=str)
def test_output_that_cannot_be_written_is_told(words, unbuffered):
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert (done.returncode, done.stderr) == (23, b"bladehttp: No space left on device\n")


@each_buffering
@pytest.mark.parametrize(
    "words",
    [(), ("-o", "/dev/full"), ("-i",), ("-so", "/dev/null", "-D-"), ("-so", "/dev/null", "-wx")],
)
@pytest.mark.parametrize("path", ["file", "small"])
def test_a_body_that_cannot_be_written_is_23(words, path, unbuffered, server):
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        command = [*PROGRAM, f"{server.url}/{path}", *words]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.returncode == 23
    assert done.stderr in (b"bladehttp: No space left on device\n", b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_do_no_harm(closed):
    command = ["sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, "get", "http://nothing.invalid"]
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.startswith(b"bladehttp: resolving") is ("2>" not in closed)


@pytest.mark.parametrize("words", ["-d @-", "-T -", "-F a=@-", "a=@-", "-w @-"])
def test_a_standard_input_that_is_closed_is_told(words):
    command = ["sh", "-c", '"$@" <&-', "sh", *PROGRAM, "http://nothing.invalid", *words.split()]
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (26, b"bladehttp: standard input is closed\n")


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
    options = [option.flags for group in GROUPS for option in group.options]
    assert [flags for flags in options if not any(f"`{flag}" in page for flag in flags)] == []


def test_the_screen_of_the_help_is_true(run):
    assert (DOCS / "help.txt").read_bytes() == b"$ bladehttp --help\n" + run("--help")[1]
