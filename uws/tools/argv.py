"""Argument lists with placeholders.  No shell sees them: a value stays one argument whatever is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.vo.errors import UsageError

PLACEHOLDER = re.compile(r"\{(?:(python|tool_folder)|(parameter|input)\.([A-Za-z][A-Za-z0-9_]*))\}")


def placeholders(argument: str) -> Iterator[tuple[str, str]]:
    """`(kind, name)` of the placeholders in one argument, kind being python, tool_folder, parameter, input."""
    for match in PLACEHOLDER.finditer(argument):
        yield match[1] or match[2], match[3] or ""


def expand(
    argv: Sequence[str],
    words: Mapping[str, str],
    values: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
) -> list[str]:
    """Fill the placeholders.

    An argument that is nothing but `{parameter.x}` or `{input.x}` becomes as many arguments as there are
    values, none for an absent one.  Within a longer argument there has to be exactly one value.

    Raises
    ------
    UsageError
        If a text that would stand alone begins with a dash (the program would take it for an option) or
        contains a NUL, or a placeholder within an argument has not exactly one value.
    """
    result: list[str] = []
    for argument in argv:
        whole = PLACEHOLDER.fullmatch(argument)
        if whole and whole[2]:
            result += _alone(whole[2], whole[3], values, inputs)
        else:
            result.append(PLACEHOLDER.sub(lambda match: _within(match, words, values, inputs), argument))
    return result


def _texts(kind: str, name: str, values: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]) -> list[str]:
    found = inputs.get(name, ()) if kind == "input" else values.get(name)
    if found is None:
        return []
    items = list(found) if isinstance(found, list | tuple) else [found]
    texts = [_text(item) for item in items]
    if any("\0" in text for text in texts):
        raise UsageError(f"{name} contains a NUL character.", field=name)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _alone(kind: str, name: str, values: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]) -> list[str]:
    texts = _texts(kind, name, values, inputs)
    for text in texts:
        if text.startswith("-") and not _is_number(text):
            raise UsageError(f"{name} must not begin with a dash.", field=name)
    return texts


def _within(
    match: re.Match[str],
    words: Mapping[str, str],
    values: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
) -> str:
    if match[1]:
        return words[match[1]]
    texts = _texts(match[2], match[3], values, inputs)
    if len(texts) != 1:
        raise UsageError(f"{match[3]} needs exactly one value here, not {len(texts)}.", field=match[3])
    return texts[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
