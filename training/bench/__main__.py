# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Run a benchmark of training: `python -m training.bench [models|environments|graphs|kernels] [--json] ...`.

Without a name the command measures how fast a policy trains, compared with the plain structure. `--help` explains each.
"""

import importlib
import sys

SPEED, NAMED = "speed", ("models", "environments", "graphs", "kernels")


def main(arguments: list[str]) -> int:
    """Call the benchmark that the first argument names, with the other arguments. Import no other benchmark."""
    name, rest = (arguments[0], arguments[1:]) if arguments and arguments[0] in NAMED else (SPEED, arguments)
    status: int = importlib.import_module(f"training.bench.{name}").main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
