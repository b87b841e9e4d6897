"""What bodies, queries and answers of the API look like; drf-spectacular makes the schema from them."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from uws.phases import Phase

_SCALAR = {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def _clean(value: Any) -> Any:
    """No NUL and no half of a surrogate pair: no database takes them."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and _CONTROL.search(item):
            raise serializers.ValidationError("holds control characters")
    return value


@extend_schema_field(
    {"type": "object", "additionalProperties": {"oneOf": [*_SCALAR["oneOf"], {"type": "array", "items": _SCALAR}]}}
)  # fmt: skip
class ValuesField(serializers.Field):
    """Values by parameter name: texts, numbers, booleans, lists of them."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("has to be an object")
        for name, value in data.items():
            items = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str | int | float | bool) for item in items):
                raise serializers.ValidationError(
                    f"{name} has to be a text, a number, a boolean or a list of them"
                )
            _clean([name, *items])
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


class ErrorSerializer(serializers.Serializer):
    """Every refusal."""

    error = serializers.CharField(
        help_text="UsageError, NotFoundFault, AuthorizationError, TransientFault, ..."
    )
    message = serializers.CharField(help_text="What is wrong, in a sentence")
    hint = serializers.CharField(help_text="What to do about it")
    field = serializers.CharField(required=False, help_text="The parameter at fault")


class ToolSerializer(serializers.Serializer):
    """A tool in lists."""

    name = serializers.CharField()
    version = serializers.CharField()
    id = serializers.CharField(help_text="name@version")
    default = serializers.BooleanField(help_text="What the bare name means")
    title = serializers.CharField()
    summary = serializers.CharField()
    category = serializers.CharField()
    digest = serializers.CharField()
    available = serializers.BooleanField()
    why_not = serializers.CharField(help_text="Why it cannot run here, or not for you; empty if it can")
    deprecated = serializers.CharField(help_text="Why it should not be used any more; it still runs")
    url = serializers.CharField(help_text="Where its jobs are made (UWS)")


class ToolDetailSerializer(ToolSerializer):
    """A tool with all that a client needs to call it."""

    description = serializers.CharField()
    reference = serializers.CharField()
    versions = serializers.ListField(child=serializers.CharField(), help_text="The newest first")
    parameters = serializers.DictField(help_text="JSON Schema of the parameters; units are in x-unit")
    inputs = serializers.ListField(child=serializers.DictField())
    outputs = serializers.ListField(child=serializers.DictField())
    examples = serializers.ListField(child=serializers.DictField())
    limits = serializers.DictField()


class NewJobSerializer(serializers.Serializer):
    """A job to make."""

    tool = serializers.CharField(max_length=100, help_text="name or name@version", validators=[_clean])
    parameters = ValuesField(required=False)
    inputs = serializers.DictField(
        child=serializers.ListField(
            child=serializers.CharField(max_length=2000, validators=[_clean]), max_length=2000
        ),
        required=False,
        help_text="Identifiers by role: publisher DIDs, URLs of results, job:<id>/<result>",
    )
    run_id = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="A label", validators=[_clean]
    )
    run = serializers.BooleanField(default=True, help_text="Queue it at once")
    execution_duration = serializers.IntegerField(required=False, min_value=0, max_value=10**7)
    reuse = serializers.BooleanField(
        required=False, help_text="Whether an earlier result of the same request may answer it"
    )


class PhaseSerializer(serializers.Serializer):
    """What a job is to do."""

    phase = serializers.ChoiceField(choices=["RUN", "ABORT"])


class JobQuerySerializer(serializers.Serializer):
    """Which jobs to list."""

    phase = serializers.ListField(
        child=serializers.ChoiceField(choices=[phase.value for phase in Phase]), required=False
    )
    tool = serializers.CharField(required=False, max_length=100, validators=[_clean])
    run_id = serializers.CharField(required=False, max_length=200, validators=[_clean])
    id = serializers.ListField(
        child=serializers.RegexField(r"^[a-z2-7]{26}\Z"), required=False, max_length=500,
        help_text="These jobs, whether they are listed for you or only known to you",
    )  # fmt: skip
    last = serializers.IntegerField(
        required=False, min_value=1, max_value=10000, help_text="The newest so many"
    )


class JobStateQuerySerializer(serializers.Serializer):
    """What to say of a job beside its state."""

    LOG = serializers.IntegerField(
        required=False, min_value=-(2**40), max_value=2**40, help_text="Its log from this byte on"
    )


class JobSummarySerializer(serializers.Serializer):
    """A job in lists."""

    id = serializers.CharField()
    tool = serializers.CharField()
    version = serializers.CharField()
    run_id = serializers.CharField(allow_blank=True)
    phase = serializers.ChoiceField(choices=[phase.value for phase in Phase])
    progress = serializers.FloatField(allow_null=True)
    stage = serializers.CharField(allow_blank=True)
    creation_time = serializers.CharField()
    error_message = serializers.CharField(allow_blank=True)
    url = serializers.CharField()


class ResultSerializer(serializers.Serializer):
    """One result of a job."""

    name = serializers.CharField()
    file_name = serializers.CharField()
    url = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    role = serializers.CharField()
    preview = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)


class JobSerializer(serializers.Serializer):
    """A job's state: times in UTC, durations in seconds."""

    id = serializers.CharField()
    tool = serializers.CharField()
    version = serializers.CharField()
    run_id = serializers.CharField(allow_blank=True)
    owner = serializers.CharField(allow_blank=True)
    phase = serializers.ChoiceField(choices=[phase.value for phase in Phase])
    progress = serializers.FloatField(allow_null=True)
    stage = serializers.CharField(allow_blank=True)
    creation_time = serializers.CharField()
    start_time = serializers.CharField(allow_null=True)
    end_time = serializers.CharField(allow_null=True)
    execution_duration = serializers.IntegerField()
    destruction = serializers.CharField()
    error = serializers.DictField(allow_null=True)
    parameters = serializers.DictField()
    inputs = serializers.ListField(child=serializers.DictField())
    results = ResultSerializer(many=True)
    answered_from = serializers.CharField(
        allow_null=True, help_text="The earlier job whose results these are; null for one that ran"
    )
    url = serializers.CharField(help_text="The job's UWS address")
    page = serializers.CharField(help_text="The job's page")


class SearchSerializer(serializers.Serializer):
    """A query in ADQL."""

    query = serializers.CharField(max_length=100_000, help_text="ADQL 2.1", validators=[_clean])
    maxrec = serializers.IntegerField(required=False, min_value=0, max_value=10_000)


class ColumnSerializer(serializers.Serializer):
    """A column of a result."""

    name = serializers.CharField()
    datatype = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    ucd = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)


class TableSerializer(serializers.Serializer):
    """Rows of a query."""

    columns = ColumnSerializer(many=True)
    rows = serializers.ListField(child=serializers.ListField())
    overflow = serializers.BooleanField(help_text="There are more rows")


class ObservationQuerySerializer(serializers.Serializer):
    """Which observations to list; what is given holds together."""

    collection = serializers.CharField(required=False, max_length=64, validators=[_clean])
    target = serializers.CharField(required=False, max_length=200, validators=[_clean])
    product_type = serializers.CharField(required=False, max_length=64, validators=[_clean])
    ra = serializers.FloatField(required=False, min_value=0, max_value=360, help_text="deg, ICRS")
    dec = serializers.FloatField(required=False, min_value=-90, max_value=90, help_text="deg, ICRS")
    radius = serializers.FloatField(
        required=False, min_value=0, max_value=180, help_text="deg, around ra and dec (1)"
    )
    limit = serializers.IntegerField(required=False, min_value=1, max_value=1000, default=100)
    offset = serializers.IntegerField(required=False, min_value=0, max_value=10**9, default=0)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if ("ra" in data) != ("dec" in data):
            raise serializers.ValidationError("Give both ra and dec, or neither.")
        if "radius" in data and "ra" not in data:
            raise serializers.ValidationError("A radius needs ra and dec.")
        return data


class ObservationsSerializer(serializers.Serializer):
    """Observations as ObsCore rows."""

    observations = serializers.ListField(child=serializers.DictField())
    more = serializers.BooleanField(help_text="There are more after these")


class LinkSerializer(serializers.Serializer):
    """A link of an observation, as DataLink has it."""

    semantics = serializers.CharField()
    access_url = serializers.CharField(allow_blank=True)
    tool = serializers.CharField(allow_blank=True, help_text="Name of a tool that takes the observation")
    description = serializers.CharField(allow_blank=True)
    content_type = serializers.CharField(allow_blank=True)
    content_length = serializers.IntegerField(allow_null=True)


class ObservationSerializer(serializers.Serializer):
    """One observation with its files and tools."""

    did = serializers.CharField()
    row = serializers.DictField(help_text="ObsCore columns")
    links = LinkSerializer(many=True)
