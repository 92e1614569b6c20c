"""The command info: versions, features and trusted CAs."""

import sys
from argparse import ArgumentParser, Namespace

import bladehttp


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: there is nothing to say about it."""
    del parser


def run(options: Namespace) -> int:
    """Print `bladehttp.info`, a line for each entry."""
    del options
    for name, value in bladehttp.info().items():
        text = " ".join(map(str, value)) if isinstance(value, list) else value
        sys.stdout.write(f"{name + ':':<26}{text}\n")
    return 0
