"""YAML files that remember their lines, so that an operator is told where a profile is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class ProfileError(ValueError):
    """A profile cannot be used; the message begins with `file:line:`."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path, self.line, self.message = path, line, message


@dataclass
class Document:
    """A parsed YAML file: plain values, and the line of every key.

    A place in the file is a tuple of keys and list positions, e.g. `("columns", "s_ra")`.
    """

    path: Path
    text: str
    value: dict[str, Any]
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def line(self, place: tuple[str | int, ...]) -> int:
        """Line (from 1) of `place`, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, place: tuple[str | int, ...], message: str) -> ProfileError:
        name = ".".join(str(part) for part in place)
        return ProfileError(self.path, self.line(place), f"{name}: {message}" if name else message)

    def check_keys(self, place: tuple[str | int, ...], allowed: Iterable[str]) -> None:
        """Refuse keys that nothing reads: most of them are spelling mistakes."""
        node: Any = self.value
        for part in place:
            node = node[part]
        known = sorted(allowed)
        for key in node:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                guess = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
                raise self.error((*place, key), f"there is no such key{guess}")


def load(path: Path) -> Document:
    """Read a YAML mapping.

    Raises
    ------
    ProfileError
        If the file is unreadable, is not YAML, is no mapping, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(path, 1, f"cannot be read: {error}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ProfileError(path, line, f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ProfileError(path, 1, f"not YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise ProfileError(path, 1, "the file must be a mapping of keys to values")
    document = Document(path, text, {})
    document.value = _plain(root, (), document)
    return document


def _plain(node: yaml.Node, place: tuple[str | int, ...], document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            document.lines[(*place, key)] = key_node.start_mark.line + 1
            if key in mapping:
                raise document.error((*place, key), "this key is written twice")
            mapping[key] = _plain(value_node, (*place, key), document)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*place, number), document) for number, child in enumerate(node.value)]
    return yaml.SafeLoader("").construct_object(node, deep=True)
