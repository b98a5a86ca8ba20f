# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Write the reference pages from the code that they describe: `python scripts/write_reference.py docs/reference`.

No text of these pages is written twice. The pages use the descriptions of options, the comments of messages, and the
comments behind the fields of dataclasses.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import io
import itertools
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def page(title: str, source: str, note: str = "") -> list[str]:
    """Return the first lines of a page."""
    return [f"# {title}", "", f"Generated from {source}. {note}".strip(), ""]


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    heads = list(head)
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def messages() -> str:
    """Return the page of all messages and services, with the comment of each field."""
    parts = page("Messages", "`msg/` and `srv/`", "Import them as `mat_ros.msg.X` and `mat_ros.srv.X`.")
    for file in sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")]):
        lines = file.read_text(encoding="utf-8").splitlines()
        parts += [f"## {file.stem}", "", " ".join(_head(lines)), ""]
        rows = []
        for line in lines:
            if line == "---":
                rows.append(("**answer**", "", ""))
            elif found := re.match(r"([\w/\[\]<=]+)\s+(\w+(?:\s*=\s*\S+)?)\s*#\s*(.*)", line):
                rows.append((f"`{found[2]}`", f"`{found[1]}`", found[3]))
        parts += [table(("field", "type", "meaning"), rows), ""]
    return "\n".join(parts)


def _head(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line.removeprefix("#").strip()


def node_parameters() -> str:
    """Return the page of the parameters of every node."""
    from mat_ros.core.options import options

    parts = page("Parameters of the nodes", "the settings of each node",
                 "A value out of range is refused with the range. A node reads its parameters when it is configured.")
    for name in sorted(_modules("mat_ros/nodes")):
        module = importlib.import_module(f"mat_ros.nodes.{name}")
        shells = [value for value in vars(module).values() if isinstance(value, type)
                  and value.__module__ == module.__name__ and hasattr(value, "settings_type")]
        for shell in shells:
            if name == "shell":
                continue
            parts += [f"## {name}", "", (shell.__doc__ or "").split("\n")[0], "",
                      table(("parameter", "default", "range", "meaning"),
                            ((f"`{o.name}`", f"`{o.default}`", o.range, o.description)
                             for o in options(shell.settings_type))), ""]
    return "\n".join(parts)


def launch_arguments() -> str:
    """Return the page of the launch arguments."""
    from mat_ros.core.options import options
    from mat_ros.graph.settings import LaunchSettings

    rows = ((f"`{o.name}`", f"`{o.default}`", o.range, o.description) for o in options(LaunchSettings))
    note = ("Give them as `name:=value` to `ros2 launch mat_ros dexhands.launch.py`, `ros2 launch mat_ros "
            "mamujoco.launch.py`, or `mat-ros launch dexhands`.")
    return "\n".join([*page("Launch arguments", "`mat_ros/graph/settings.py`", note),
                      table(("argument", "default", "range", "meaning"), rows), ""])


def command_line() -> str:
    """Return the page with the help of every command."""
    from mat_ros.cli import main as cli
    from mat_ros.cli.table import commands

    parts = [*page("Command line", "`mat-ros --help` and the help of each command"), "```text",
             _help(cli.main, ["--help"]), "```", ""]
    for name in sorted(commands()):
        for words in ([name], *([name, part] for part in subcommands(name))):
            parts += [f"{'#' * (len(words) + 1)} mat-ros {' '.join(words)}", "", "```text",
                      _help(cli.main, [*words, "--help"]), "```", ""]
    return "\n".join(parts)


def subcommands(name: str) -> Iterable[str]:
    """Return the subcommands that a command declares."""
    from mat_ros.cli import bench
    from mat_ros.cli.table import commands

    if name == "bench":
        return bench.benches()
    parser = importlib.import_module(commands()[name].module).parser()
    return [sub for action in parser._actions if isinstance(action, argparse._SubParsersAction)
            for sub in action.choices]


def _help(main: object, arguments: list[str]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        main(arguments)  # type: ignore[operator]
    return out.getvalue().strip()


def training_settings() -> str:
    """Return the page of every field of the training configuration, with its docstring."""
    parts = page("Settings of training", "the dataclasses in `training/`",
                 "The option `--learning-rate` sets `learning_rate`. A preset may contain the settings of `train` too.")
    for command, (module, name) in TRAINING.items():
        rows = [(f"`{field}`", f"`{kind}`", f"`{default}`" if default else "", text) for field, kind, default, text in
                _documented_fields(ROOT / "training" / f"{module}.py", name)]
        parts += [f"## python -m training.{command}", "",
                  table(("setting", "type", "default", "meaning"), rows), ""]
    return "\n".join(parts)


TRAINING = {"train": ("run/config", "TrainConfig"), "export": ("export", "ExportConfig"),
            "evaluate": ("evaluate", "EvaluateConfig"), "plot": ("plot", "PlotConfig"),
            "sweep": ("sweep", "SweepConfig")}


def metrics() -> str:
    """Return the page with the meaning of each column of metrics.csv."""
    parts = page("Metrics", "`scripts/write_reference.py`; a test compares it with the columns of a run",
                 "One line of `metrics.csv` per update; the same names in TensorBoard.")
    return "\n".join([*parts, table(("column", "unit", "meaning", "worry when"),
                                    ((f"`{name}`", *words) for name, words in METRICS.items())), ""])


METRICS = {  # column: unit, meaning, when to worry
    "steps": ("steps", "environment steps so far, over all copies", ""),
    "return": ("of the task", "mean sum of rewards of the last 100 finished episodes", "it falls for long"),
    "length": ("ticks", "mean length of these episodes", "it is short although the robot should not fall"),
    "reached": ("share", "share of these episodes in which the task was done at least once; empty without a goal", ""),
    "success": ("share", "share of these episodes in which it was done at the end, and had been for half a second", ""),
    "policy_loss": ("1", "loss that the optimiser reduces; near zero by construction", "it is not finite"),
    "value_loss": ("normalised returns", "error of the predicted values", "it grows for long"),
    "entropy": ("nat", "spread of the actions", "it falls early: the policy stops trying new actions"),
    "clip_fraction": ("share", "share of the ratios whose gradient was stopped", "above 0.3: steps are too large"),
    "kl": ("nat", "how far an update moved the policy", "it jumps"),
    "explained_variance": ("share", "share of the returns' variance that the values predict; 1 is all", "below 0"),
    "collect_s": ("s", "time of stepping the environments and deciding", ""),
    "update_s": ("s", "time of learning from the collected ticks", ""),
    "elapsed_s": ("s", "time since this process began", ""),
    "steps_per_s": ("1/s", "mean rate since this process began", ""),
}


def robot_file() -> str:
    """Return the page of the fields of a robot file."""
    source = (ROOT / "mat_ros/core/robot/description.py").read_text(encoding="utf-8")
    joints = (ROOT / "mat_ros/core/robot/joints.py").read_text(encoding="utf-8")
    head = ast.get_docstring(ast.parse(source)) or ""
    top = [(f"`{name}`", meaning) for name, meaning in ROBOT_FIELDS.items()]
    rows = ((f"`{field}`", f"`{kind}`", meaning) for field, kind, meaning in _commented_fields(joints, "Joint"))
    source_files = "`mat_ros/core/robot/description.py` and `mat_ros/core/robot/joints.py`"
    return "\n".join([*page("Robot file", source_files), head, "",
                      table(("field", "meaning"), top), "", "## A joint", "",
                      table(("field", "type", "meaning"), rows), ""])


ROBOT_FIELDS = {
    "name": "name of the robot, which its bundles state",
    "world": "name of the simulated robot in `mat_ros.worlds`; left out where there is none",
    "rate_hz": "ticks per second",
    "joint_defaults": "fields of every joint that does not set them itself",
    "joints": "name -> the fields below, in command order",
    "splits": "name -> agent -> joints, in chain order; `joint` needs no entry",
    "guard": "how the gate and the driver guard the robot: `hold_ticks`, `stop_ticks`, `stop_all`, `silence_ticks`, "
             "`blend_s`, `agree_samples`, `outside`, and `motion`, which measured motion stops the robot; "
             "`mat_ros/core/robot/guard.py` explains each",
    "hardware": "name of an adapter -> `joints`, the names of the joints on other hardware, with sign, offset and "
                "coupling, as in `{ros2_control: {joints: {motor_1: {of: elbow}, motor_2: {of: wrist}}}}`; "
                "and the topics `state_topic`, `command_topic`, `poses`, `odometry`, `imu`, `command`, `goal_topic`, "
                "`joy`, as in `{ros2_control: {state_topic: /arm/joint_states, poses: {cup: /cup_pose}}}`",
    "extends": "another robot file in the same folder, without `.yaml`; this file states only the differences",
    "without": "patterns of the joints that this file leaves out of the extended file",
}


def _documented_fields(file: Path, name: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield the fields of a dataclass and the string behind each field."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield (ast.unparse(field.target), ast.unparse(field.annotation),
                   "" if field.value is None else ast.unparse(field.value), str(text.value.value))


def bundle() -> str:
    """Return the page of the manifest's fields, with the comment behind each field."""
    contract = ast.get_docstring(ast.parse((ROOT / "mat_ros/core/policy/bundle.py").read_text(encoding="utf-8"))) or ""
    source_files = "`mat_ros/core/policy/manifest.py` and `mat_ros/core/policy/bundle.py`"
    parts = [*page("Policy bundle", source_files), "```text", contract, "```", ""]
    for file, names in (("policy/manifest", ("Manifest", "Network", "StateLayout", "Normaliser", "Training")),
                        ("robot/joints", ("Joint",)), ("robot/observe", ("Term", "Part", "View", "Layout"))):
        source = (ROOT / "mat_ros" / "core" / f"{file}.py").read_text(encoding="utf-8")
        for name in names:
            rows = ((f"`{field}`", f"`{kind}`", meaning) for field, kind, meaning in _commented_fields(source, name))
            parts += [f"## {name}", "", table(("field", "type", "meaning"), rows), ""]
    return "\n".join(parts)


def _commented_fields(source: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a dataclass and the comment behind each field."""
    lines = source.splitlines()
    body = next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    for field in body:
        if isinstance(field, ast.AnnAssign):
            comment = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")[2]
            yield ast.unparse(field.target), ast.unparse(field.annotation), comment


def fault_kinds() -> str:
    """Return the page of every kind of fault."""
    from mat_ros.core.faults.schedule import fault_kinds as kinds

    rows = ((k["level"], f"`{k['kind']}`", k["meaning"], k["severity"] or "none", k["unit"] if k["severity"] else "",
             f"{k['range'][0]:g} to {k['range'][1]:g}" if k["severity"] else "",
             f"{k['default']:g}" if k["severity"] else "") for k in kinds())
    note = "One schedule has one meaning in training, evaluation, lock-step simulation and on the live graph."
    return "\n".join([*page("Kinds of faults", "`mat_ros/core/faults/schedule.py`", note),
                      table(("level", "kind", "what happens", "severity", "unit", "range", "default"), rows), ""])


def _modules(folder: str) -> list[str]:
    return [m.name for m in pkgutil.iter_modules([str(ROOT / folder)]) if not m.name.startswith("_")]


PAGES = {"messages": messages, "node-parameters": node_parameters, "launch-arguments": launch_arguments,
         "command-line": command_line, "training-settings": training_settings, "policy-bundle": bundle,
         "fault-kinds": fault_kinds, "metrics": metrics, "robot-file": robot_file}


def main(folder: Path) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (folder / f"{name}.md").write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
