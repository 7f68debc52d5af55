"""Public functions with two and more parameters say what each of them is.

Linters check an ``Args:`` section that is there (ruff's D417), or demand one of every function
(pydoclint, also where a sentence about the one argument says it all); neither knows this rule.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef

PACKAGE = ('activity_recognition', 'training', 'tools')


def functions(tree: ast.AST, prefix: str = '') -> Iterator[tuple[str, Function, str]]:
    """Yield the public functions of a module with their docstrings.

    A constructor may be documented by its class.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            if not node.name.startswith('_'):
                about = ast.get_docstring(node) or ''
                for name, function, doc in functions(node, f'{prefix}{node.name}.'):
                    yield name, function, f'{about}\n{doc}' if name.endswith('__init__') else doc
        elif isinstance(node, Function):
            if node.name == '__init__' or not node.name.startswith('_'):
                yield f'{prefix}{node.name}', node, ast.get_docstring(node) or ''
        elif isinstance(node, ast.If | ast.Try):
            yield from functions(node, prefix)


def parameters(function: Function, *, of_class: bool) -> list[str]:
    """Return the names that a caller gives."""
    given = function.args
    names = [item.arg for item in [*given.posonlyargs, *given.args]]
    static = any(
        isinstance(d, ast.Name) and d.id == 'staticmethod' for d in function.decorator_list
    )
    names = names[1:] if of_class and not static else names
    names += [item.arg for item in given.kwonlyargs]
    names += [item.arg for item in (given.vararg, given.kwarg) if item is not None]
    return [name for name in names if not name.startswith('_')]


def documented(doc: str) -> set[str]:
    """Return the names in the ``Args:`` sections of a docstring."""
    sections = re.findall(r'^( *)Args:\n((?:\1 +\S.*\n?|\n)*)', doc, re.MULTILINE)
    return {
        name
        for _, section in sections
        for names in re.findall(r'^ +([\w*, ]+):', section, re.MULTILINE)
        for name in re.findall(r'\w+', names)
    }


def missing(source: str) -> list[str]:
    """Return each public function with two and more parameters that leaves some undocumented."""
    found = []
    for name, function, doc in functions(ast.parse(source)):
        names = parameters(function, of_class='.' in name)
        lacking = [item for item in names if item not in documented(doc)]
        if len(names) > 1 and lacking:
            found.append(f'{function.lineno}: {name}({", ".join(lacking)})')
    return found


def test_the_rule_finds_what_is_missing():
    source = '''
def two(one, other):
    """Do it.

    Args:
        one: the first.
    """
def all_of_them(one, *others, key):
    """Do it.

    Args:
        one: the first.
        others: the
            rest: of them.
        key: of them.

    Raises:
        two: not a parameter.
    """
def single(one): ...
def _private(one, other): ...
class Known:
    """Known.

    Args:
        one: the first.
        other: the second.
    """
    def __init__(self, one, other): ...
    def method(self, one): ...
    def longer(self, one, other):
        """Do it."""
    @staticmethod
    def static(one, other): ...
class _Hidden:
    def method(self, one, other): ...
'''
    assert missing(source) == [
        '2: two(other)',
        '31: Known.longer(one, other)',
        '34: Known.static(one, other)',
    ]


def python_files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob('*.py'))
    return [file for file in found if '__pycache__' not in file.parts]


def problems(paths: list[Path]) -> list[str]:
    return [
        f'{path.relative_to(ROOT)}:{problem}'
        for path in paths
        for problem in missing(path.read_text(encoding='utf-8'))
    ]


@pytest.mark.parametrize('folder', PACKAGE)
def test_parameters_are_documented(folder):
    assert problems(python_files(folder)) == []
