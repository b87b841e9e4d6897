"""What a job can be of: a described tool, or a runner of another room (TAP queries).

Both have one face, `JobKind`, so that creation and workers need not know which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotAuthenticated, NotAvailable
from uws import executors
from uws.tools import registry
from uws.tools.description import Tool

Values = Mapping[str, Any]
Identifiers = Mapping[str, Sequence[str]]


class JobKind(Protocol):
    """What jobs of one tool have in common."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def executor(self) -> str:
        """Which kind of worker takes it (`Job.executor`)."""

    @property
    def seconds(self) -> int | None:
        """executionDuration where the user asks for none; None for the user's limit."""

    @property
    def max_seconds(self) -> int | None:
        """Longest executionDuration; None for the user's limit."""

    def admit(self, caller: Caller) -> None:
        """Refuse a caller who may not make such a job, or any if the tool cannot run."""

    def split(self, values: Values) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Divide a request's values into parameters and identifiers of inputs."""

    def merged(self, known: Values, given: Values) -> dict[str, Any]:
        """The parameters of a pending job, to which some more are given."""

    def is_file(self, name: str) -> bool:
        """True if an uploaded file may have this name."""

    def validate(
        self, values: Values, inputs: Identifiers, caller: Caller, *, complete: bool
    ) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Parameters in their types, and checked identifiers.

        With `complete=False` the job is still being filled in: what is missing is no fault yet.
        """


@dataclass(frozen=True)
class ToolKind:
    """A tool with a YAML description, run under a shepherd."""

    tool: Tool

    @property
    def name(self) -> str:
        return self.tool.name

    @property
    def version(self) -> str:
        return self.tool.version

    @property
    def digest(self) -> str:
        return self.tool.digest

    @property
    def executor(self) -> str:
        return executors.assignment(self.tool.name).executor.name

    @property
    def seconds(self) -> int | None:
        return self.tool.limits.seconds

    @property
    def max_seconds(self) -> int | None:
        return self.tool.limits.max_seconds

    def admit(self, caller: Caller) -> None:
        if not self.tool.available:
            raise NotAvailable(f"{self.tool.title} cannot run here: {self.tool.why_not}")
        refusal = self.tool.refusal(caller)
        if refusal:
            raise (Forbidden if caller.is_authenticated else NotAuthenticated)(refusal)

    def split(self, values: Values) -> tuple[dict[str, Any], dict[str, list[str]]]:
        return self.tool.split(values)

    def merged(self, known: Values, given: Values) -> dict[str, Any]:
        return {**known, **given}

    def is_file(self, name: str) -> bool:
        return self.tool.input(name) is not None

    def validate(
        self, values: Values, inputs: Identifiers, caller: Caller, *, complete: bool
    ) -> tuple[dict[str, Any], dict[str, list[str]]]:
        if complete:
            return self.tool.validate(values), self.tool.validate_inputs(inputs)
        accepted, faults = self.tool.check(values)
        given = {name.lower() for name in values}
        for fault in faults:
            # A parameter that was not given is only missing: there is time for it.
            if fault.field.lower() in given:
                raise fault
        known = {name: values for name, values in inputs.items() if self.tool.input(name) is not None}
        for name in inputs:
            if name not in known:
                self.tool.validate_inputs({name: ()})
        kept = {p.name for p in self.tool.parameters if p.name.lower() in given}
        return (
            {name: value for name, value in accepted.items() if name in kept},
            {name: list(dict.fromkeys(values)) for name, values in known.items()},
        )


@dataclass(frozen=True)
class RunnerKind:
    """Work of another room, done in a thread of the worker (`VOGATE_JOB_RUNNERS`).

    The module that holds the runner may have `validate(parameters, caller, complete) -> dict` beside it,
    which raises UsageError and returns the parameters as they are kept, and `ADDED`, the names of parameters whose
    values add to those that a job has already.
    """

    name: str
    runner: str
    version: str = "1.1"
    digest: str = ""
    executor: str = "runner"
    seconds: int | None = None
    max_seconds: int | None = None

    def admit(self, caller: Caller) -> None:
        """Everybody may; the room decides by its own rights."""

    def split(self, values: Values) -> tuple[dict[str, Any], dict[str, list[str]]]:
        return {name.upper(): value for name, value in values.items()}, {}

    def merged(self, known: Values, given: Values) -> dict[str, Any]:
        both = {**known, **given}
        for name in getattr(self._module(), "ADDED", ()):
            if name in known and name in given:
                both[name] = list(dict.fromkeys([*_several(known[name]), *_several(given[name])]))
        return both

    def is_file(self, name: str) -> bool:
        return True

    def validate(
        self, values: Values, inputs: Identifiers, caller: Caller, *, complete: bool
    ) -> tuple[dict[str, Any], dict[str, list[str]]]:
        hook = getattr(self._module(), "validate", None)
        if hook is None:
            return dict(values), {}
        return dict(hook(dict(values), caller, complete)), {}

    def _module(self) -> ModuleType:
        return import_module(self.runner.rpartition(".")[0])

    def run(self) -> Callable[..., Any]:
        """The room's function `run(job, context)`."""
        return import_string(self.runner)  # type: ignore[no-any-return]


def _several(value: Any) -> list[Any]:
    """The values of a parameter, which may be repeated."""
    return list(value) if isinstance(value, list | tuple) else [value]


def kind_of(tool: Tool | str, version: str = "") -> JobKind:
    """The kind by name (`name` or `name@version`) or from a tool's description.

    Raises
    ------
    gateway.vo.errors.NotFound
        If there is no such tool or version.
    """
    if isinstance(tool, Tool):
        return ToolKind(tool)
    runners: dict[str, str] = settings.VOGATE_JOB_RUNNERS
    if tool in runners:
        return RunnerKind(tool, runners[tool])
    return ToolKind(registry.get(tool, version))
