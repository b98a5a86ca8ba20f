# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Read which module of a checkout imports which, in every form that Python offers, without importing any of them."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

IMPORTERS = ("import_module", "find_spec", "__import__", "run_module")  # functions that take a module's name
MODULE_NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?::\w+)?")  # `package.module`, or `package.module:name`
TYPING_TEST = re.compile(r"(\w+\.)?TYPE_CHECKING")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Form(Enum):
    """How an import is written."""

    TOP = "at its top"
    FUNCTION = "inside a function"
    TYPING = "under TYPE_CHECKING"
    STRING = "by a string"


@dataclass(frozen=True)
class Import:
    """One import: which module asks, for what, how, and where."""

    importer: str  # a module of the tree
    imported: str  # a module of the tree, or the dotted name of one outside
    form: Form
    line: int
    name: str = ""  # what is taken out of the imported module, where the import says so

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported} {self.form.value} (line {self.line})"


@dataclass(frozen=True)
class Tree:
    """The modules of some packages. What a build generates is no part of it."""

    files: Mapping[str, Path]  # dotted name of a module -> its file

    @classmethod
    def of(cls, folder: Path, packages: Iterable[str], generated: Iterable[str] = ()) -> Tree:
        """Find every module of some packages of a folder, but those of the generated packages."""
        files = {}
        for file in sorted(file for package in packages for file in (folder / package).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not any(within(name, package) for package in generated):
                files[name] = file
        return cls(files)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import of every module, from this tree and from outside."""
        return tuple(found for module in self.files for found in self._imports_of(module))

    @cached_property
    def inner(self) -> tuple[Import, ...]:
        """The imports from one module of this tree to another one of it."""
        return tuple(found for found in self.imports
                     if found.imported in self.files and found.imported != found.importer)

    @cached_property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """The modules that define a class of each name."""
        modules: dict[str, dict[str, None]] = defaultdict(dict)
        for module in self.files:
            for node in ast.walk(self._parsed(module)):
                if isinstance(node, ast.ClassDef):
                    modules[node.name][module] = None
        return {name: tuple(found) for name, found in modules.items()}

    @cached_property
    def corridors(self) -> Mapping[tuple[str, str], tuple[Import, ...]]:
        """The imports from each room to each other one.

        The door of a folder may name what lies inside it, as a table of the modules by name does: that leads to no
        other room.
        """
        found: dict[tuple[str, str], list[Import]] = defaultdict(list)
        for arrow in self.inner:
            start, end = self.room(arrow.importer), self.room(arrow.imported)
            if start != end and not (self.is_door(arrow.importer) and within(end, start)):
                found[start, end].append(arrow)
        return {ends: tuple(arrows) for ends, arrows in found.items()}

    def room(self, module: str) -> str:
        """Return the folder in which a module lies, as a dotted name."""
        return module if self.is_door(module) else module.rpartition(".")[0]

    def is_door(self, module: str) -> bool:
        """Tell whether a module is the `__init__` of its folder, by which others enter it."""
        return self.files[module].name == "__init__.py"

    def _parsed(self, module: str) -> ast.Module:
        return ast.parse(self.files[module].read_text(encoding="utf-8"), str(self.files[module]))

    def _imports_of(self, module: str) -> Iterator[Import]:
        tree = self._parsed(module)
        no_names = _statements(tree) | _programs(tree)
        for node, form in _walk(tree, Form.TOP):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    known = alias.name in self.files and (alias.asname or alias.name)
                    taken = (_attributes(tree, known) if known else None) or {""}
                    yield from (self._taking(module, alias.name, name, form, node.lineno) for name in sorted(taken))
            elif isinstance(node, ast.ImportFrom):
                source = self._source(module, node)
                yield from (self._taking(module, source, alias.name, form, node.lineno) for alias in node.names)
            elif isinstance(node, ast.Call) and _called(node) in IMPORTERS and node.args:
                yield from (Import(module, name, Form.STRING, node.lineno)
                            for name in self._importable(module, node.args[0]))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in no_names:
                # The call that imports may take a variable. The name then stands in a table, or in a constant.
                match = MODULE_NAME.fullmatch(node.value)
                if match and match[1] in self.files:
                    yield Import(module, match[1], Form.STRING, node.lineno)

    def _taking(self, module: str, source: str, name: str, form: Form, line: int) -> Import:
        """Return the import of a name out of a source, which may be a module of its own."""
        if f"{source}.{name}" in self.files:
            return Import(module, f"{source}.{name}", form, line)
        return Import(module, source, form, line, name)

    def _source(self, module: str, node: ast.ImportFrom) -> str:
        """Return the module after `from`, also where it begins with dots."""
        if not node.level:
            return node.module or ""
        return importlib.util.resolve_name("." * node.level + (node.module or ""), self.room(module))

    def _importable(self, module: str, given: ast.expr) -> Iterator[str]:
        """Yield the modules that a call can import whose argument is a string, or begins with one."""
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            if given.value.startswith("."):
                yield importlib.util.resolve_name(given.value, self.room(module))
            elif not (MODULE_NAME.fullmatch(given.value) and given.value in self.files):  # else the walk meets it alone
                yield given.value
            return
        pattern = re.compile(_pattern(given))
        if _pattern(given).partition("\\.")[0] in {name.partition(".")[0] for name in self.files}:
            yield from (name for name in self.files if pattern.fullmatch(name))


def within(module: str, package: str) -> bool:
    """Tell whether a module is a package or lies below it."""
    return module == package or module.startswith(package + ".")


def circles(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the groups of names in which each name leads to every other one, sorted."""
    to: dict[str, set[str]] = defaultdict(set)
    for start, end in arrows:
        to[start].add(end)
    reached = {start: _reached(start, to) for start in to}
    return sorted({tuple(sorted(end for end in ends if start in reached.get(end, ())))
                   for start, ends in reached.items() if start in ends})


def _reached(start: str, to: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*to[start]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(to.get(name, ()))
    return found


def _walk(node: ast.AST, form: Form) -> Iterator[tuple[ast.AST, Form]]:
    """Yield every node below another one, with the form that an import has there."""
    for field, value in ast.iter_fields(node):
        inside = form
        if field == "body" and isinstance(node, FUNCTIONS) and form is Form.TOP:
            inside = Form.FUNCTION
        elif field == "body" and isinstance(node, ast.If) and TYPING_TEST.fullmatch(ast.unparse(node.test)):
            inside = Form.TYPING
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child, inside
                yield from _walk(child, inside)


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """Return what a module takes from another one that it knows by a plain name."""
    return {node.attr for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name}


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _pattern(given: ast.expr) -> str:
    """Return the regular expression of the strings that an expression such as f"training.bench.{name}" can be."""
    if isinstance(given, ast.Constant):
        return re.escape(str(given.value))
    if isinstance(given, ast.JoinedStr):
        return "".join(_pattern(part) for part in given.values)
    if isinstance(given, ast.BinOp) and isinstance(given.op, ast.Add):
        return _pattern(given.left) + _pattern(given.right)
    return r"[\w.]+"


def _statements(tree: ast.Module) -> set[int]:
    """Return the strings that stand alone, as docstrings do."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _programs(tree: ast.Module) -> set[int]:
    """Return the strings after "-m" in a command. They start another process, and this one imports nothing."""
    return {id(name) for node in ast.walk(tree) if isinstance(node, (ast.List, ast.Tuple))
            for flag, name in zip(node.elts, node.elts[1:], strict=False)
            if isinstance(flag, ast.Constant) and flag.value == "-m"}
