"""The form of a tool: what it shows, and what it makes of what a user sends."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.portal.inputs import ChosenInput, describe
from gateway.portal.scripts import text_of
from gateway.site import JobLimits
from gateway.vo.caller import Caller
from gateway.vo.errors import UsageError
from uws.creation import UPLOAD_PREFIX, Upload
from uws.tools import values as conversion
from uws.tools.defaults import from_rows
from uws.tools.description import Tool
from uws.tools.exports import FormField, form_fields

RADIO_OPTIONS = 3
"""Up to so many options stand beside each other; more go into a list."""
RESERVED = {"from", "action", "run_id", "duration", "csrfmiddlewaretoken"}


@dataclass(frozen=True)
class Choice:
    """An option of a select or radio group."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True)
class FieldView:
    """A `FormField` with what the template must not work out."""

    field: FormField
    widget: str
    text: str
    choices: tuple[Choice, ...]
    note: str
    when_json: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.field, name)

    @property
    def checked(self) -> bool:
        return str(self.field.value).lower() in ("true", "1", "on", "yes")

    @property
    def numeric(self) -> bool:
        return self.widget == "number" or bool(self.field.unit)

    @property
    def has_default(self) -> bool:
        return self.field.value not in ("", None, [])

    @property
    def described(self) -> SafeString:
        """Attributes that tie the input to its help and its error."""
        ids = [f"error-{self.field.name}"] if self.field.error else []
        ids += [f"help-{self.field.name}"] if self.note else []
        parts = format_html('aria-describedby="{}"', " ".join(ids)) if ids else SafeString("")
        return parts + SafeString(' aria-invalid="true"') if self.field.error else parts


@dataclass(frozen=True)
class Fault:
    """A message, and the id of the element that it is about."""

    message: str
    target: str = ""


@dataclass
class RoleView:
    """The chosen inputs of one role."""

    name: str
    title: str
    help: str
    maximum: int | None
    chosen: list[ChosenInput]
    error: str = ""


@dataclass
class ToolForm:
    """One showing of a tool's form.

    Parameters
    ----------
    typed
        Parameters as the user typed them; they go before the defaults.
    inputs
        Identifiers by role.
    uploads
        Files by role that came with the form.
    """

    tool: Tool
    caller: Caller
    limits: JobLimits
    typed: Mapping[str, Any]
    inputs: Mapping[str, Sequence[str]]
    uploads: Sequence[Upload] = ()
    faults: list[Fault] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.roles = [self._role(role.name) for role in self.tool.inputs]
        rows = [one.row for role in self.roles for one in role.chosen if one.row is not None]
        self.from_inputs = from_rows(self.tool, rows)

    def _role(self, name: str) -> RoleView:
        role = self.tool.input(name)
        assert role is not None
        maximum = min(filter(None, (role.max_count, self.limits.inputs)), default=None)
        chosen = describe(self.inputs.get(name, ()), self.caller)
        return RoleView(role.name, role.title, role.help, maximum, chosen)

    @property
    def values(self) -> dict[str, Any]:
        """What stands in the fields: typed before taken from the inputs before the description's defaults."""
        return {**self.from_inputs, **self.typed}

    def identifiers(self) -> dict[str, list[str]]:
        """Canonical identifiers by role."""
        return {role.name: [one.identifier for one in role.chosen] for role in self.roles if role.chosen}

    def _given(self) -> dict[str, list[str]]:
        """Identifiers by role, and one for each file."""
        given = self.identifiers()
        for number, upload in enumerate(self.uploads):
            given.setdefault(upload.name, []).append(f"{UPLOAD_PREFIX}{number}")
        return given

    def check(self) -> dict[str, Any]:
        """Validated parameters; every fault goes to `errors` (at its field) and `faults` (the summary)."""
        accepted, faults = self.tool.check(self.typed)
        for fault in faults:
            self.fault(fault)
        try:
            self.tool.validate_inputs(self._given())
        except UsageError as fault:
            self.fault(fault)
        for role in self.roles:
            number = len(self._given().get(role.name, ()))
            if role.maximum is not None and number > role.maximum:
                self.fault(
                    UsageError(
                        f"{role.title}: {number} given, at most {role.maximum} allowed.",
                        field=role.name,
                    )
                )
            bad = sum(bool(one.problem) for one in role.chosen)
            if bad:
                text = f"{role.title}: {bad} cannot be used; remove {'it' if bad == 1 else 'them'} to go on."
                self.fault(UsageError(text, field=role.name))
        return accepted

    def fault(self, error: UsageError) -> None:
        """Note a fault at its field, role, or at the top of the form."""
        role = next((one for one in self.roles if one.name == error.field), None)
        target = ""
        if role is not None:
            if role.error:
                return
            role.error, target = str(error), f"role-{role.name}"
        elif self.tool.parameter(error.field):
            self.errors.setdefault(error.field, str(error))
            target = f"p-{error.field}"
        self.faults.append(Fault(str(error), target))

    def fields(self) -> list[FieldView]:
        return [_view(one) for one in form_fields(self.tool, self.values, self.errors)]


def _view(one: FormField) -> FieldView:
    chosen = [text_of(v) for v in (one.value if isinstance(one.value, list | tuple) else [one.value])]
    widget = one.widget
    if widget == "select" and len(one.options) <= RADIO_OPTIONS and one.required | (one.value != ""):
        widget = "radio"
    return FieldView(
        field=one,
        widget=widget,
        text=", ".join(chosen) if one.multiple else chosen[0] if chosen else "",
        choices=tuple(Choice(text_of(o.value), o.label, text_of(o.value) in chosen) for o in one.options),
        note=_note(one),
        when_json=json.dumps([[name, [text_of(v) for v in allowed]] for name, allowed in one.when])
        if one.when
        else "",
    )


def _note(one: FormField) -> str:
    """Help and limits in one line."""
    limits = f"{one.limits[0].upper()}{one.limits[1:]}." if one.limits else ""
    conditions = " and ".join(f"{name} is {' or '.join(map(text_of, allowed))}" for name, allowed in one.when)
    when = f"Used while {conditions}." if conditions else ""
    help_text = re.sub(r"\s+", " ", one.help).strip()
    if help_text and help_text[-1] not in ".!?":
        help_text += "."
    return " ".join(part for part in (help_text, limits, when) if part)


def typed_values(tool: Tool, data: QueryDict) -> dict[str, Any]:
    """The parameters in a query string or form body; unknown names are left out."""
    typed: dict[str, Any] = {}
    for parameter in tool.parameters:
        if parameter.name not in data or parameter.name in RESERVED:
            continue
        values = data.getlist(parameter.name)
        # A checkbox sends "false" by a hidden field, then "true" if it is ticked.
        typed[parameter.name] = values if parameter.multiple and len(values) > 1 else values[-1]
    return typed


def sent_files(tool: Tool, files: MultiValueDict[str, UploadedFile]) -> list[Upload]:
    """Files of a form, from the parts `file-<role>`."""
    return [
        Upload(role.name, file.name or role.name, file, file.content_type or "")  # type: ignore[arg-type]
        for role in tool.inputs
        for file in files.getlist(f"file-{role.name}")
    ]


def chosen_identifiers(tool: Tool, data: QueryDict) -> dict[str, list[str]]:
    """Identifiers by role; `obs` is another name of the first role, so that one link fits every tool."""
    found = {
        role.name: conversion.identifiers(data.getlist(role.name))
        for role in tool.inputs
        if role.name in data
    }
    if tool.inputs and "obs" in data and tool.input("obs") is None:
        first = tool.inputs[0].name
        found[first] = [*found.get(first, []), *conversion.identifiers(data.getlist("obs"))]
    return found
