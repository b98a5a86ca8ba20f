# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""mat-ros completion: print a script that completes commands, launch files and their arguments in bash.

Put this line into ~/.bashrc:  eval "$(mat-ros completion bash)"
"""

from __future__ import annotations

import argparse

from mat_ros.cli import main as cli
from mat_ros.core import shipped
from mat_ros.graph.deployment import DEPLOYMENTS, launch_options

SUBCOMMANDS = {"bench": "backends chain recovery faults", "completion": "bash", "faults": "list inject clear",
               "engines": "build verify list doctor"}
SCRIPT = """_mat_ros() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
  case "$before" in
    --policy) words="{policies}" ;;
    --grid | --faults) words="{faults}" ;;
    *) case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
      1:*) words="{commands}" ;;
{branches}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ ${{COMPREPLY[0]}} == *:= ]]; then compopt -o nospace; fi
}}
complete -o default -F _mat_ros mat-ros"""


def main(arguments: list[str]) -> int:
    """Print the script."""
    parser = argparse.ArgumentParser(prog="mat-ros completion", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shell", choices=("bash",))
    parser.parse_args(arguments)
    print(script())
    return 0


def script() -> str:
    """Write the script from the commands and launch arguments that this version has."""
    known = cli.commands()
    names = " ".join(f"{option.name}:=" for option in launch_options(next(iter(DEPLOYMENTS))))
    branches = {**{f"2:{name}": words for name, words in SUBCOMMANDS.items() if name in known},
                "2:launch": " ".join(DEPLOYMENTS), "*:launch": f"{names} --dry-run --env"}
    return SCRIPT.format(
        commands=" ".join(known), policies=" ".join(shipped.policy_names()),
        faults=" ".join(shipped.config_names("faults")),
        branches="\n".join(f'      {pattern}) words="{words}" ;;' for pattern, words in branches.items()))
