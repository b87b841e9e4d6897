"""What a tool is: its parameters, inputs, outputs, limits, and the argv list that runs it.

Plain values without Django.  `uws.tools.loader` makes them from YAML; `uws.tools.values` converts what
users give; `uws.tools.exports` writes them as a form, a JSON Schema and a DataLink service descriptor.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from gateway.vo.caller import Caller
from gateway.vo.errors import UsageError
from uws.tools import values as conversion
from uws.tools.argv import expand
from uws.tools.containers import Container


class ParameterType(str, Enum):
    """Type of one value of a parameter, as in `job.json`."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"


class Preview(str, Enum):
    """How a page shows an output."""

    NONE = "none"
    IMAGE = "image"
    """A PNG, JPEG or SVG picture."""
    PDF = "pdf"
    FITS_IMAGE = "fits-image"
    """A FITS image with a celestial WCS, for Aladin Lite or JS9."""
    SPECTRUM = "spectrum"
    """The JSON form of a spectrum (deploy/sites/demo/tools/README.md)."""
    LIGHT_CURVE = "lightcurve"
    """The JSON form of a light curve."""
    TABLE = "table"
    """A VOTable, FITS or ECSV table, for TOPCAT."""
    JSON = "json"
    TEXT = "text"


class Access(str, Enum):
    """Who may run a tool."""

    EVERYONE = "everyone"
    SIGNED_IN = "signed-in"
    GROUPS = "groups"


@dataclass(frozen=True)
class Option:
    """One of the values that a parameter may take."""

    value: Any
    label: str


@dataclass(frozen=True)
class Parameter:
    """One typed parameter."""

    name: str
    type: ParameterType
    title: str
    help: str = ""
    unit: str = ""
    """VOUnit string; a user may give another unit of the same kind ("500 GeV" for TeV)."""
    ucd: str = ""
    default: Any = None
    default_from: tuple[str, ...] = ()
    """Where the default comes from in the input rows: `column` or `column aggregate`, first match wins."""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    """The minimum itself is not allowed (a width must be above 0)."""
    options: tuple[Option, ...] = ()
    multiple: bool = False
    """The value is a list."""
    min_count: int = 0
    max_count: int | None = None
    pattern: str = ""
    """Regular expression that the whole of a text must match."""
    max_length: int = 1000
    group: str = ""
    """Heading under which the form shows it."""
    advanced: bool = False
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    """Applies only while each of these other parameters has one of these values."""

    def convert(self, raw: Any) -> Any:
        """The value in declared type and unit; UsageError (with `.field`) if it is none."""
        return conversion.convert(self, raw)

    def applies(self, chosen: Mapping[str, Any]) -> bool:
        return all(chosen.get(name) in allowed for name, allowed in self.when)


@dataclass(frozen=True)
class InputRole:
    """Input files of one role, given by identifier."""

    name: str
    title: str
    help: str = ""
    formats: tuple[str, ...] = ()
    """Media types, e.g. `application/fits`; empty for any."""
    product_types: tuple[str, ...] = ()
    """ObsCore dataproduct_type values, e.g. `event`; empty for any."""
    min_count: int = 1
    max_count: int | None = None
    ucd: str = "meta.id;meta.dataset"


@dataclass(frozen=True)
class Output:
    """Files that a run leaves in its work folder."""

    name: str
    path: str
    """Glob relative to the work folder; one file or many."""
    title: str
    media_type: str
    role: str = "main"
    """Role in provenance: main, preview, table, ogip, summary, log, ..."""
    preview: Preview = Preview.NONE
    required: bool = False
    """A run that does not leave it has failed."""
    utype: str = ""


@dataclass(frozen=True)
class Limits:
    """What one run may use; the site's limits per user apply on top."""

    seconds: int = 600
    """executionDuration unless the user asks for another."""
    max_seconds: int = 3600
    memory_mb: int = 4096
    disk_mb: int = 2048
    processes: int = 64
    network: bool = False


@dataclass(frozen=True)
class Rule:
    """A condition between two parameters: `low` must be below `high` where both are given."""

    low: str
    high: str
    message: str


@dataclass(frozen=True)
class Example:
    """A call that can be shown and tested (`vogate tools test`)."""

    title: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Files beside the description, identifiers, or `archive:<dataproduct_type>` for any observation."""
    fails: str = ""
    """What the run says when it fails, where it has to."""


@dataclass(frozen=True)
class Tool:
    """One version of a tool."""

    name: str
    version: str
    title: str
    summary: str
    description: str = ""
    category: str = ""
    reference: str = ""
    """URL of documentation, or a bibcode."""
    argv: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[InputRole, ...] = ()
    outputs: tuple[Output, ...] = ()
    limits: Limits = field(default_factory=Limits)
    rules: tuple[Rule, ...] = ()
    examples: tuple[Example, ...] = ()
    files: tuple[str, ...] = ()
    """Programs and modules of the tool, relative to its folder; the digest covers them."""
    modules: tuple[str, ...] = ()
    """Python modules that the tool needs."""
    programs: tuple[str, ...] = ()
    """Programs that must be on PATH."""
    python: str = ""
    """Interpreter of the tool's own environment, relative to its folder or absolute; empty for ours."""
    container: Container | None = None
    """The image that it runs in, where it does not run among the system's own programs."""
    warm: tuple[str, ...] = ()
    """Modules that are loaded before the tool starts, where attempts can be forked (`uws.warm`)."""
    access: Access = Access.EVERYONE
    groups: tuple[str, ...] = ()
    default: bool = False
    """This version is what the bare name means."""
    deprecated: str = ""
    """Why it should not be used any more; such a version still runs."""
    folder: Path = Path(".")
    source: Path | None = None
    digest: str = ""
    """SHA-256 over the description and the tool's files."""
    why_not: str = ""
    """Why the tool cannot run on this machine; empty if it can."""

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def available(self) -> bool:
        return not self.why_not

    @property
    def interpreter(self) -> str:
        """The Python that runs the tool: its own environment's, else this one.

        The path is kept as it is: a virtual environment's interpreter is known by the name it is called by.
        """
        return str(self.folder / self.python) if self.python else sys.executable

    @property
    def main_output(self) -> Output | None:
        """The first output with role `main`: what a synchronous call answers with."""
        return next((output for output in self.outputs if output.role == "main"), None)

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name; case does not matter (DALI 1.1, section 3)."""
        return _by_name(self.parameters, name)

    def input(self, name: str) -> InputRole | None:
        return _by_name(self.inputs, name)

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Divide what a request carries into parameters and identifiers of inputs.

        An identifier list may be a list, or one text with white space or commas between identifiers.
        """
        parameters: dict[str, Any] = {}
        inputs: dict[str, list[str]] = {}
        for name, value in values.items():
            role = self.input(name)
            if role is None:
                parameters[name] = value
            else:
                inputs.setdefault(role.name, []).extend(conversion.identifiers(value))
        return parameters, inputs

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters in declared types and units, defaults filled in.

        Raises
        ------
        UsageError
            For the first fault found; `.field` names the parameter.
        """
        accepted, faults = self.check(values)
        if faults:
            raise faults[0]
        return accepted

    def check(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[UsageError]]:
        """As `validate`, but with all faults, for a form that shows each where it was typed."""
        given: dict[str, Any] = {}
        faults: list[UsageError] = []
        for name, raw in values.items():
            parameter = self.parameter(name)
            if parameter is None:
                faults.append(self._unknown(name))
            elif not conversion.is_blank(raw) and not conversion.is_null(parameter, raw):
                given[parameter.name] = raw
        accepted: dict[str, Any] = {}
        for parameter in self._in_order_of_conditions():
            if not parameter.applies(accepted):
                continue
            try:
                accepted[parameter.name] = conversion.chosen(parameter, given.get(parameter.name))
            except UsageError as fault:
                faults.append(fault)
        faults += [broken for rule in self.rules if (broken := self._broken(rule, accepted))]
        order = [p.name for p in self.parameters]
        return {name: accepted[name] for name in order if accepted.get(name) is not None}, faults

    def validate_inputs(self, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Identifiers by role, without repetitions, their numbers checked (UsageError otherwise)."""
        for name in inputs:
            if self.input(name) is None:
                raise self._unknown(name)
        found: dict[str, list[str]] = {}
        for role in self.inputs:
            wanted = list(dict.fromkeys(inputs.get(role.name, ())))
            if len(wanted) < role.min_count:
                raise UsageError(
                    f"{role.title}: {len(wanted) or 'none'} given, at least {role.min_count} needed.",
                    hint=role.help,
                    field=role.name,
                )
            if role.max_count is not None and len(wanted) > role.max_count:
                raise UsageError(
                    f"{role.title}: {len(wanted)} given, at most {role.max_count} allowed.",
                    field=role.name,
                )
            if wanted:
                found[role.name] = wanted
        return found

    def command(
        self,
        values: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Sequence[str]] | None = None,
        *,
        python: str = "",
        tool_folder: Path | str | None = None,
    ) -> list[str]:
        """The argument list of a run; it is never joined or seen by a shell.

        Parameters
        ----------
        values
            Validated parameters, for `{parameter.name}`.
        inputs
            Paths by role, for `{input.role}`.
        python, tool_folder
            What `{python}` and `{tool_folder}` stand for: by default the tool's interpreter and its folder.
        """
        python = python or ("python3" if self.container else self.interpreter)
        words = {"python": python, "tool_folder": str(tool_folder or self.folder)}
        return expand(self.argv, words, values or {}, inputs or {})

    def refusal(self, caller: Caller) -> str:
        """Why this caller may not run the tool; empty if it may."""
        if self.access is Access.EVERYONE or caller.is_staff:
            return ""
        if not caller.is_authenticated:
            return f"{self.title} is for signed-in users; sign in first."
        if self.access is Access.GROUPS and not caller.groups.intersection(self.groups):
            return f"{self.title} is for members of {' or '.join(self.groups)}."
        return ""

    def _in_order_of_conditions(self) -> list[Parameter]:
        """Parameters without conditions first, so that conditions find what they look at."""
        return sorted(self.parameters, key=lambda parameter: bool(parameter.when))

    def _unknown(self, name: str) -> UsageError:
        known = [p.name for p in self.parameters] + [r.name for r in self.inputs]
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known) or 'none'}."
        return UsageError(f"{self.title} has no parameter {name[:60]!r}.", hint=hint, field=name)

    @staticmethod
    def _broken(rule: Rule, accepted: Mapping[str, Any]) -> UsageError | None:
        low, high = accepted.get(rule.low), accepted.get(rule.high)
        if low is None or high is None or low < high:
            return None
        return UsageError(rule.message, field=rule.high)


def _by_name(things: Iterable[Any], name: str) -> Any:
    return next((thing for thing in things if thing.name.lower() == name.lower()), None)
