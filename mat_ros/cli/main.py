# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros: one command for three kinds of users. Each subcommand is imported only when it is called."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import os
import sys
from typing import NoReturn

from mat_ros import __version__
from mat_ros.cli.table import AUDIENCES, Command, commands
from mat_ros.core.errors import REFUSED, Missing, Refused, unusable
from mat_ros.core.files import is_full
from mat_ros.graph import forked, ros_environment


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; a refusal prints one sentence and returns 2."""
    parser = _Parser(
        prog="mat-ros",
        usage="mat-ros COMMAND ...",
        description="Robots as teams of joints: policies decided joint after joint over ROS 2.",
        epilog=_audiences_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mat_ros {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    known = commands()
    if given.command not in known:
        near = difflib.get_close_matches(given.command, known, n=1)
        parser.error(f"there is no command '{given.command}'" + (f" (did you mean '{near[0]}'?)" if near else ""))
    ros_environment.set_defaults()
    forked.keep_numpy_single_threaded()
    return _run(known[given.command], given.arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mat-ros: {message}; `mat-ros --help` lists the commands\n")


def _run(command: Command, arguments: list[str]) -> int:
    try:
        status: int | None = importlib.import_module(command.module).main(arguments)
        if sys.stdout is not None:  # None: the shell has closed it
            sys.stdout.flush()  # here, where a full disk is one sentence
    except KeyboardInterrupt:
        return 130  # the status of an interrupted program in a shell
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush raises no error
        return 0
    except Exception as error:
        sentence = _refusal(error, command)
        if sentence is None:
            raise
        print(f"mat-ros {command.name}: {sentence}", file=sys.stderr)
        if not isinstance(error, OSError) or not is_full(error):
            return REFUSED
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest of the output has no place
        return 1
    return status or 0


def _refusal(error: Exception, command: Command) -> str | None:
    """Return one sentence for an error that the user can correct; None for a bug, which keeps its traceback."""
    from mat_ros.core.shipped import install_command

    if isinstance(error, Missing | Refused):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if error.name in ("mat_ros.msg", "mat_ros.srv"):
            return "the messages are not compiled; `mat-ros doctor` prints the command that compiles them"
        if error.name.partition(".")[0] not in ("mat_ros", "training", "trt_engines"):
            return f"the Python package '{error.name}' is missing; run {install_command(command.extra)}"
    if isinstance(error, OSError) and (error.filename is not None or is_full(error)):
        return unusable(error)
    return None


def _audiences_text() -> str:
    known = commands()
    lines = []
    for audience in AUDIENCES:
        lines += ["", audience.title]
        rows = [(command.name, command.help) for command in audience.commands if command.name in known]
        lines += [f"  {name:<26}{text}" for name, text in (*rows, *audience.elsewhere)]
    return "\n".join([*lines, "", "`mat-ros COMMAND --help` explains one command."]).lstrip("\n")
