# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros completion: print a script that completes commands, their arguments and shipped names in bash.

Put this line into ~/.bashrc:  eval "$(mat-ros completion bash)"
Or write the script once, and again after each upgrade, so that no shell waits for it:
mat-ros completion bash > ~/.local/share/bash-completion/completions/mat-ros
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import shtab

from mat_ros.backends.choose import BACKENDS
from mat_ros.cli import bench
from mat_ros.cli.table import commands
from mat_ros.core import shipped
from mat_ros.core.faults.schedule import fault_kinds
from mat_ros.core.options import Option
from mat_ros.graph.deployment import DEPLOYMENTS, launch_options

LAUNCH_ARGUMENTS = "launch_arguments"  # name of the argument of `mat-ros launch` that takes name:=value
LINE_END = "\n"  # an f-string may not contain a backslash before Python 3.12

# Bash also splits words at : and =, which separate name and value of a launch argument, and level and kind of a fault.
# So the function joins the words again, and removes the text before the last split from its answers.
JOINED = """_mat_ros() {
  local cut=${COMP_WORDS[COMP_CWORD]} left=$COMP_LINE words=() count=0 word blank
  for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    blank=${left%%[![:blank:]]*} left=${left#"${left%%[![:blank:]]*}"}
    if [[ -z $blank && $count -gt 0 ]]; then words[count-1]+=$word; else words[count++]=$word; fi
    left=${left#"$word"}
  done
  [[ $cut == *[:=] ]] && cut=
  local whole=${words[count-1]} COMP_WORDS=("${words[@]}") COMP_CWORD=$((count - 1))
  _shtab_mat_ros
  COMPREPLY=("${COMPREPLY[@]#"${whole%"$cut"}"}")
  if [[ ${COMPREPLY[0]-} == *[:=] ]]; then compopt -o nospace; fi
}
complete -o default -F _mat_ros mat-ros"""


def parser() -> argparse.ArgumentParser:
    """Declare the arguments of `mat-ros completion`."""
    parser = argparse.ArgumentParser(prog="mat-ros completion", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shell", choices=("bash",))
    return parser


def main(arguments: list[str]) -> int:
    """Print the completion script."""
    parser().parse_args(arguments)
    print(script())
    return 0


def script() -> str:
    """Return the script, made from the parsers of all commands. The script completes words without starting Python."""
    names = completed_names()
    functions = [_function(argument, words) for argument, words in names.items()]
    functions.append(_launch_function(launch_options(next(iter(DEPLOYMENTS))), names))
    whole = whole_parser()
    _complete(whole, {*names, LAUNCH_ARGUMENTS})
    return f"{shtab.complete(whole, preamble=LINE_END.join(functions))}{LINE_END}{JOINED}"


def completed_names() -> dict[str, Sequence[str]]:
    """Return the words that complete an argument in any command: name of the argument -> words."""
    policies, robots = shipped.policy_names(), shipped.config_names("robots")
    return {
        "policy": policies, "bundle": policies, "robot": robots, "grid": shipped.config_names("grids"),
        "backend": BACKENDS, "faults": shipped.config_names("faults"), "deployment": tuple(DEPLOYMENTS),
        "what": [f"{kind['level']}:{kind['kind']}" for kind in fault_kinds()],
    }


def whole_parser() -> argparse.ArgumentParser:
    """Return one parser that joins the parsers of all commands and benchmarks."""
    whole = argparse.ArgumentParser(prog="mat-ros")
    whole.add_argument("--version", action="version", version="")
    own = {name: importlib.import_module(command.module).parser() for name, command in commands().items()}
    own["bench"] = argparse.ArgumentParser(prog="mat-ros bench")
    _add(own["bench"], {name: bench.bench(name).parser() for name in bench.benches()})
    _add(whole, own)
    return whole


def _add(parser: argparse.ArgumentParser, own: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add finished parsers as subcommands."""
    commands = parser.add_subparsers()
    for name, made in own.items():
        commands.add_parser(name, help=made.description)
        commands.choices[name] = made


def _complete(parser: argparse.ArgumentParser, names: Set[str]) -> None:
    """Set the Bash function that completes each argument, in a parser and in the parsers of its subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for own in action.choices.values():
                _complete(own, names)
        elif action.dest in names and not action.choices and action.type is not Path:  # Bash completes paths
            action.complete = {"bash": f"_mat_ros_{action.dest}"}  # type: ignore[attr-defined]


def _function(argument: str, words: Sequence[str]) -> str:
    return f"_mat_ros_{argument}() {{ compgen -W {shlex.quote(' '.join(words))} -- \"$1\"; }}"


def _launch_function(options: Sequence[Option], names: Mapping[str, Sequence[str]]) -> str:
    """Return a Bash function that completes names and known values of launch arguments; other values may be files."""
    cases = []
    for option in options:
        known = ("true", "false") if isinstance(option.default, bool) else option.choices or names.get(option.name, ())
        if values := " ".join(value for value in known if value):
            cases.append(f"{option.name}:=*) compgen -P {option.name}:= -W {shlex.quote(values)} -- \"${{1#*:=}}\" ;;")
    cases.append("*:=*) ;;")
    written = shlex.quote(" ".join(option.name for option in options))
    cases.append(f'*) compgen -S := -W {written} -- "$1" ;;')
    return LINE_END.join([f"_mat_ros_{LAUNCH_ARGUMENTS}() {{ case $1 in", *cases, "esac; }"])
