"""Read one tool's YAML file; every fault is reported with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from gateway.vo.errors import UsageError
from uws.tools import argv as argv_placeholders
from uws.tools import digest, yaml_lines
from uws.tools.containers import Container
from uws.tools.description import (
    Access,
    Example,
    InputRole,
    Limits,
    Option,
    Output,
    Parameter,
    ParameterType,
    Preview,
    Rule,
    Tool,
)
from uws.tools.schema import DESCRIPTION

_VALIDATOR = Draft202012Validator(DESCRIPTION)


@dataclass(frozen=True)
class Problem:
    """One fault in one file."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class DescriptionError(ValueError):
    """A description cannot be used; `.problems` lists why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def load(path: Path) -> Tool:
    """Read a description and work out its digest; availability is left to the registry.

    Raises
    ------
    DescriptionError
        With all faults of the file.
    """
    try:
        document = yaml_lines.parse(path.read_text(encoding="utf-8"))
    except yaml_lines.LineError as error:
        raise DescriptionError([Problem(path, error.line, error.message)]) from None
    except UnicodeDecodeError:
        raise DescriptionError([Problem(path, 1, "is not UTF-8 text")]) from None
    faults = [(_place(error), _message(error)) for error in _VALIDATOR.iter_errors(document.data)]
    if not faults:
        tool = _tool(document.data, path)
        faults = list(_contradictions(tool))
    if faults:
        raise DescriptionError(Problem(path, document.line(place), text) for place, text in faults)
    return tool


def _place(error: ValidationError) -> yaml_lines.Path:
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        extra = _extra_keys(error)
        if extra:
            return (*place, extra[0])
    return place


def _extra_keys(error: ValidationError) -> list[str]:
    return [key for key in error.instance if key not in error.schema.get("properties", {})]


def _message(error: ValidationError) -> str:
    """The schema's complaint in words that an author of tools can act on."""
    place = ".".join(str(part) for part in error.absolute_path) or "the description"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        key = _extra_keys(error)[0]
        near = difflib.get_close_matches(key, known, n=1)
        return f"{place} has no {key!r}; " + (
            f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        )
    if error.validator == "required":
        return f"{place}: {error.message.replace(' is a required property', ' is missing')}"
    if place == "version" and error.validator == "type":
        return 'version must be a text: put it in quotes, as in "1.0"'
    if error.validator == "enum":
        return f"{place} must be one of {', '.join(map(str, error.validator_value))}, not {error.instance!r}"
    return f"{place}: {error.message}"


def _tool(data: dict[str, Any], path: Path) -> Tool:
    requires = data.get("requires", {})
    access = data.get("access", "everyone")
    groups = tuple(access["groups"]) if isinstance(access, dict) else ()
    folder = path.resolve().parent
    files = digest.program_files(folder, data["argv"], data.get("files", ()))
    return Tool(
        name=data["name"],
        version=data["version"],
        title=data["title"],
        summary=data["summary"],
        description=data.get("description", "").strip(),
        category=data.get("category", ""),
        reference=data.get("reference", ""),
        argv=tuple(data["argv"]),
        parameters=tuple(_parameter(*item) for item in (data.get("parameters") or {}).items()),
        inputs=tuple(_input(*item) for item in (data.get("inputs") or {}).items()),
        outputs=tuple(_output(*item) for item in data["outputs"].items()),
        limits=Limits(**data.get("limits", {})),
        rules=tuple(Rule(**rule) for rule in data.get("rules", ())),
        examples=tuple(_example(example) for example in data.get("examples", ())),
        files=files,
        modules=tuple(requires.get("modules", ())),
        programs=tuple(requires.get("programs", ())),
        python=data.get("python", ""),
        warm=tuple(data.get("warm", ())),
        container=Container(**data["container"]) if "container" in data else None,
        access=Access.GROUPS if groups else Access(access),
        groups=groups,
        default=data.get("default", False),
        deprecated=data.get("deprecated", ""),
        folder=folder,
        source=path.resolve(),
        digest=digest.digest(data, folder, files),
    )


def _parameter(name: str, data: dict[str, Any]) -> Parameter:
    fields = {k: v for k, v in data.items() if k not in ("min", "above", "max", "options", "when", "type")}
    sources = fields.pop("default_from", ())
    return Parameter(
        name=name,
        type=ParameterType(data["type"]),
        minimum=data.get("above", data.get("min")),
        exclusive_minimum="above" in data,
        maximum=data.get("max"),
        options=tuple(_option(option) for option in data.get("options", ())),
        default_from=(sources,) if isinstance(sources, str) else tuple(sources),
        when=tuple((other, _tuple(allowed)) for other, allowed in data.get("when", {}).items()),
        **fields,
    )


def _option(option: Any) -> Option:
    if isinstance(option, dict):
        return Option(option["value"], option.get("label", str(option["value"])))
    return Option(option, str(option))


def _input(name: str, data: dict[str, Any]) -> InputRole:
    fields = dict(data)
    return InputRole(
        name=name,
        title=fields["title"],
        help=fields.get("help", ""),
        formats=tuple(fields.get("formats", ())),
        product_types=tuple(fields.get("product_types", ())),
        min_count=fields.get("min", 1),
        max_count=fields.get("max"),
        ucd=fields.get("ucd", "meta.id;meta.dataset"),
    )


def _output(name: str, data: dict[str, Any]) -> Output:
    return Output(name=name, **{**data, "preview": Preview(data.get("preview", "none"))})


def _example(data: dict[str, Any]) -> Example:
    inputs = {role: tuple(items) for role, items in data.get("inputs", {}).items()}
    return Example(data["title"], data.get("parameters", {}), inputs, data.get("fails", ""))


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _contradictions(tool: Tool) -> Iterator[tuple[yaml_lines.Path, str]]:
    """What a schema cannot say: defaults within limits, units that exist, names that refer to something."""
    for parameter in tool.parameters:
        yield from _parameter_faults(tool, parameter)
    names = [p.name.lower() for p in tool.parameters] + [role.name.lower() for role in tool.inputs]
    for name in {name for name in names if names.count(name) > 1}:
        yield ("parameters",), f"{name} is the name of more than one parameter or input"
    for index, argument in enumerate(tool.argv):
        yield from ((("argv", index), text) for text in _argv_faults(tool, argument))
    for index, pattern in enumerate(_missing_files(tool)):
        yield ("argv" if index == 0 else "files",), f"{pattern} is not in {tool.folder.name}/"
    if tool.container is not None and (tool.warm or tool.python):
        yield ("container",), "goes with neither python nor warm: what the tool needs is in the image"
    if tool.warm and not (tool.argv[0] == "{python}" and tool.argv[1:2] and tool.argv[1].endswith(".py")):
        yield ("warm",), 'needs an argv that begins with "{python}" and a script'
    for index, rule in enumerate(tool.rules):
        for name in (rule.low, rule.high):
            if name not in {parameter.name for parameter in tool.parameters}:
                yield ("rules", index), f"there is no parameter {name!r}"
    for index, example in enumerate(tool.examples):
        for fault in tool.check(example.parameters)[1]:
            yield ("examples", index), f"{example.title}: {fault}"
        try:
            tool.validate_inputs(example.inputs)
        except UsageError as fault:
            yield ("examples", index), f"{example.title}: {fault}"
    if tool.limits.seconds > tool.limits.max_seconds:
        yield ("limits",), "seconds is more than max_seconds"


def _parameter_faults(tool: Tool, parameter: Parameter) -> Iterator[tuple[yaml_lines.Path, str]]:
    place: yaml_lines.Path = ("parameters", parameter.name)
    if parameter.unit and not _is_unit(parameter.unit):
        yield (*place, "unit"), f"{parameter.unit!r} is no unit that astropy knows"
    if parameter.pattern and not _is_pattern(parameter.pattern):
        yield (*place, "pattern"), "is no regular expression"
    if (
        parameter.minimum is not None
        and parameter.maximum is not None
        and parameter.minimum > parameter.maximum
    ):
        yield (*place, "max"), "is below the minimum"
    if parameter.default is not None:
        try:
            converted = parameter.convert(parameter.default)
            if converted != parameter.default or isinstance(converted, str) != isinstance(
                parameter.default, str
            ):
                yield (*place, "default"), f"must be {converted!r}, as the type {parameter.type.value} has it"
        except UsageError as fault:
            yield (*place, "default"), str(fault)
    for other, _ in parameter.when:
        if other == parameter.name or tool.parameter(other) is None:
            yield (*place, "when"), f"there is no other parameter {other!r}"


def _argv_faults(tool: Tool, argument: str) -> Iterator[str]:
    for kind, name in argv_placeholders.placeholders(argument):
        if kind == "parameter" and name not in {parameter.name for parameter in tool.parameters}:
            yield f"there is no parameter {name!r}"
        if kind == "input" and name not in {role.name for role in tool.inputs}:
            yield f"there is no input {name!r}"
    rest = argv_placeholders.PLACEHOLDER.sub("", argument)
    if re.search(r"\{[a-z_.]+\}", rest):
        yield (
            f"unknown placeholder in {argument!r}; "
            "there are {python}, {tool_folder}, {parameter.name} and {input.role}"
        )


def _missing_files(tool: Tool) -> list[str]:
    return [name for name in tool.files if not (tool.folder / name).is_file()]


def _is_unit(text: str) -> bool:
    from astropy import units

    try:
        units.Unit(text)
    except (ValueError, TypeError):
        return False
    return True


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
