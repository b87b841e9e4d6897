"""The IVOA Provenance Data Model 1.0 as tables, with its own class and attribute names.

Identifiers are text and are made from what they identify, so that recording needs no look-ups: rows that
are there already are left as they are.  Subclasses of Entity and EntityDescription share a table, told
apart by `kind`.  Columns marked "gateway" have no slot in the model.  A foreign key without an index leads
a unique constraint, which serves as one.  Only `provenance.recorder` writes here.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from provenance.descriptions import (
    ActivityDescription as ActivityDescription,
)
from provenance.descriptions import (
    ConfigFileDescription as ConfigFileDescription,
)
from provenance.descriptions import (
    DatasetDescription as DatasetDescription,
)
from provenance.descriptions import (
    EntityDescription as EntityDescription,
)
from provenance.descriptions import (
    GenerationDescription as GenerationDescription,
)
from provenance.descriptions import (
    Kind as Kind,
)
from provenance.descriptions import (
    KindManager as KindManager,
)
from provenance.descriptions import (
    ParameterDescription as ParameterDescription,
)
from provenance.descriptions import (
    RoleDescription as RoleDescription,
)
from provenance.descriptions import (
    UsageDescription as UsageDescription,
)
from provenance.descriptions import (
    ValueDescription as ValueDescription,
)


class Content(models.Model):
    """Gateway: bytes, by their hash; entities with equal bytes share one."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.sha256[:12]


class Withdrawal(models.Model):
    """Gateway: something that is not to be relied on any more, and why."""

    subject = models.CharField(max_length=500, help_text="id of an Entity or an ActivityDescription")
    reason = models.TextField()
    time = models.DateTimeField()
    agent = models.ForeignKey("Agent", models.PROTECT, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject"], name="provenance_withdrawn")]

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


class Entity(models.Model):
    id = models.CharField(max_length=500, primary_key=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.DATASET)
    name = models.CharField(max_length=300, blank=True)
    location = models.TextField(blank=True)
    generatedAtTime = models.DateTimeField(null=True, blank=True)
    invalidatedAtTime = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    value = models.TextField(null=True, blank=True)  # noqa: DJ001 - ValueEntity: "" is a value
    entityDescription = models.ForeignKey(EntityDescription, models.PROTECT, null=True, blank=True)
    content = models.ForeignKey(Content, models.PROTECT, null=True, blank=True, help_text="gateway")
    rights = models.CharField(max_length=30, blank=True, help_text="gateway: as ObsCore's data_rights")
    collection = models.CharField(max_length=100, blank=True, help_text="gateway: archive collection")
    withdrawal = models.ForeignKey(
        Withdrawal, models.PROTECT, null=True, blank=True, help_text="gateway: touched by it"
    )
    members = models.ManyToManyField("self", through="HadMember", symmetrical=False, related_name="member_of")

    class Meta:
        verbose_name_plural = "entities"

    def __str__(self) -> str:
        return self.name or self.id


class DatasetEntity(Entity):
    objects: ClassVar[KindManager] = KindManager(Kind.DATASET)

    class Meta:
        proxy = True
        verbose_name_plural = "dataset entities"


class ValueEntity(Entity):
    objects: ClassVar[KindManager] = KindManager(Kind.VALUE)

    class Meta:
        proxy = True
        verbose_name_plural = "value entities"


class Collection(Entity):
    objects: ClassVar[KindManager] = KindManager(Kind.COLLECTION)

    class Meta:
        proxy = True


class Access(models.TextChoices):
    """Who may see an activity, where its job does not decide."""

    JOB = "", "whoever may see the job"
    PUBLIC = "public", "everybody"


class Activity(models.Model):
    id = models.CharField(max_length=200, primary_key=True)
    name = models.CharField(max_length=200, blank=True)
    startTime = models.DateTimeField(null=True, blank=True)
    endTime = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    activityDescription = models.ForeignKey(ActivityDescription, models.PROTECT, null=True)
    job = models.CharField(max_length=60, help_text="gateway: public id of the job")
    attempt = models.PositiveIntegerField(default=1, help_text="gateway")
    step = models.CharField(
        max_length=100, blank=True, default="", help_text="gateway: a step inside the job, as its tool says"
    )
    final = models.BooleanField(default=True, help_text="gateway: false for a lost attempt")
    phase = models.CharField(max_length=12, help_text="gateway: UWS phase at its end")
    exitCode = models.IntegerField(null=True, blank=True, help_text="gateway")
    runId = models.CharField(max_length=200, blank=True, help_text="gateway")
    location = models.TextField(blank=True, help_text="gateway: URL of the job")
    access = models.CharField(max_length=8, choices=Access, blank=True, default="", help_text="gateway")
    requestDigest = models.CharField(
        max_length=64, blank=True, default="", help_text="gateway: SHA-256 of tool, parameters and inputs"
    )
    itemised = models.BooleanField(
        default=False,
        help_text="gateway: each of its products came from what it was derived from, not from all",
    )
    cpuTime = models.FloatField(null=True, blank=True, help_text="gateway: seconds")
    peakMemory = models.BigIntegerField(null=True, blank=True, help_text="gateway: bytes")
    invalidatedAtTime = models.DateTimeField(null=True, blank=True, help_text="gateway: deleted when")

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(
                fields=["job", "attempt"], condition=models.Q(step=""), name="one_activity_per_attempt"
            )
        ]
        indexes = [
            models.Index(fields=["job"], name="provenance_activity_job"),
            models.Index(
                fields=["requestDigest"], name="provenance_request", condition=~models.Q(requestDigest="")
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.id


class Agent(models.Model):
    id = models.CharField(max_length=200, primary_key=True)
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=20, blank=True)
    comment = models.TextField(blank=True)
    email = models.CharField(max_length=254, blank=True)
    affiliation = models.CharField(max_length=300, blank=True)
    phone = models.CharField(max_length=50, blank=True)
    address = models.TextField(blank=True)
    url = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Used(models.Model):
    activity = models.ForeignKey(Activity, models.CASCADE, related_name="used", db_index=False)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="used_by")
    role = models.CharField(max_length=100, blank=True)
    time = models.DateTimeField(null=True, blank=True)
    usageDescription = models.ForeignKey(UsageDescription, models.PROTECT, null=True)
    content = models.ForeignKey(
        Content,
        models.PROTECT,
        null=True,
        help_text="gateway: the bytes it had when used",
    )

    class Meta:
        verbose_name_plural = "used"
        constraints = [
            models.UniqueConstraint(fields=["activity", "entity", "role"], name="one_use_per_role")
        ]

    def __str__(self) -> str:
        return f"{self.activity_id} used {self.entity_id}"


class WasGeneratedBy(models.Model):
    entity = models.OneToOneField(Entity, models.CASCADE, primary_key=True, related_name="wasGeneratedBy")
    activity = models.ForeignKey(Activity, models.PROTECT, related_name="generated")
    role = models.CharField(max_length=100, blank=True)
    generationDescription = models.ForeignKey(GenerationDescription, models.PROTECT, null=True)

    class Meta:
        verbose_name_plural = "was generated by"

    def __str__(self) -> str:
        return f"{self.entity_id} by {self.activity_id}"


class WasDerivedFrom(models.Model):
    generatedEntity = models.ForeignKey(Entity, models.CASCADE, related_name="wasDerivedFrom", db_index=False)
    usedEntity = models.ForeignKey(Entity, models.PROTECT, related_name="derivations")

    class Meta:
        verbose_name_plural = "was derived from"
        constraints = [
            models.UniqueConstraint(fields=["generatedEntity", "usedEntity"], name="one_derivation")
        ]

    def __str__(self) -> str:
        return f"{self.generatedEntity_id} from {self.usedEntity_id}"


class WasInformedBy(models.Model):
    informed = models.ForeignKey(Activity, models.CASCADE, related_name="wasInformedBy", db_index=False)
    informant = models.ForeignKey(Activity, models.PROTECT, related_name="informs")

    class Meta:
        verbose_name_plural = "was informed by"
        constraints = [models.UniqueConstraint(fields=["informed", "informant"], name="one_communication")]

    def __str__(self) -> str:
        return f"{self.informed_id} by {self.informant_id}"


class WasAssociatedWith(models.Model):
    activity = models.ForeignKey(Activity, models.CASCADE, related_name="wasAssociatedWith", db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="associations")
    role = models.CharField(max_length=60, blank=True)

    class Meta:
        verbose_name_plural = "was associated with"
        constraints = [
            models.UniqueConstraint(fields=["activity", "agent", "role"], name="one_association_per_role")
        ]

    def __str__(self) -> str:
        return f"{self.activity_id} with {self.agent_id}"


class WasAttributedTo(models.Model):
    entity = models.ForeignKey(Entity, models.CASCADE, related_name="wasAttributedTo", db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="attributions")
    role = models.CharField(max_length=60, blank=True)

    class Meta:
        verbose_name_plural = "was attributed to"
        constraints = [
            models.UniqueConstraint(fields=["entity", "agent", "role"], name="one_attribution_per_role")
        ]

    def __str__(self) -> str:
        return f"{self.entity_id} to {self.agent_id}"


class HadMember(models.Model):
    collection = models.ForeignKey(Entity, models.CASCADE, related_name="hadMember", db_index=False)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="memberships")

    class Meta:
        verbose_name_plural = "had member"
        constraints = [models.UniqueConstraint(fields=["collection", "entity"], name="one_membership")]

    def __str__(self) -> str:
        return f"{self.collection_id} has {self.entity_id}"


class Parameter(models.Model):
    """A setting of an activity; it lives and dies with it."""

    activity = models.ForeignKey(Activity, models.CASCADE, related_name="parameters", db_index=False)
    name = models.CharField(max_length=100)
    value = models.TextField()
    parameterDescription = models.ForeignKey(ParameterDescription, models.PROTECT, null=True)
    valueEntity = models.ForeignKey(Entity, models.PROTECT, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["activity", "name"], name="one_value_per_parameter")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class ConfigFile(models.Model):
    """A file that set an activity; it lives and dies with it (what other activities use, too, is an Entity)."""

    activity = models.ForeignKey(Activity, models.CASCADE, related_name="configFiles", db_index=False)
    name = models.CharField(max_length=150)
    location = models.TextField(blank=True)
    comment = models.TextField(blank=True)
    configFileDescription = models.ForeignKey(ConfigFileDescription, models.PROTECT, null=True)
    content = models.ForeignKey(Content, models.PROTECT, null=True, help_text="gateway")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["activity", "name"], name="one_file_per_name")]

    def __str__(self) -> str:
        return self.name


class WasConfiguredBy(models.Model):
    """The relation of activities to parameters and files: a view, since each of these has one activity."""

    id = models.CharField(max_length=40, primary_key=True)
    activity = models.ForeignKey(Activity, models.DO_NOTHING, related_name="wasConfiguredBy")
    artefactType = models.CharField(max_length=12)
    parameter = models.ForeignKey(Parameter, models.DO_NOTHING, null=True, related_name="wasConfiguredBy")
    configFile = models.ForeignKey(ConfigFile, models.DO_NOTHING, null=True, related_name="wasConfiguredBy")

    class Meta:
        managed = False
        db_table = "provenance_wasconfiguredby"

    def __str__(self) -> str:
        return self.id
