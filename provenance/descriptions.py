"""The description classes of the IVOA Provenance Data Model 1.0: what is known before anything runs (see `models`)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ActivityDescription(models.Model):
    """A tool in one version, pinned by the digest of its description."""

    id = models.CharField(max_length=200, primary_key=True)
    name = models.CharField(max_length=100)
    version = models.CharField(max_length=50, blank=True)
    description = models.TextField(blank=True)
    docurl = models.TextField(blank=True)
    type = models.CharField(max_length=40, blank=True)
    subtype = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, blank=True, help_text="gateway: SHA-256 of the tool's file")

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


class ParameterDescription(models.Model):
    id = models.CharField(max_length=320, primary_key=True)
    activityDescription = models.ForeignKey(
        ActivityDescription, models.CASCADE, related_name="parameterDescriptions"
    )
    name = models.CharField(max_length=100)
    datatype = models.CharField(max_length=30, help_text="valueType: VOTable datatype")
    arraysize = models.CharField(max_length=30, blank=True, help_text="valueType: VOTable arraysize")
    xtype = models.CharField(max_length=30, blank=True, help_text="valueType: VOTable xtype")
    description = models.TextField(blank=True)
    unit = models.CharField(max_length=60, blank=True)
    ucd = models.CharField(max_length=120, blank=True)
    utype = models.CharField(max_length=120, blank=True)
    min = models.CharField(max_length=100, blank=True)
    max = models.CharField(max_length=100, blank=True)
    options = models.JSONField(default=list, blank=True)
    default = models.TextField(null=True, blank=True)  # noqa: DJ001 - an empty string is a default, too

    def __str__(self) -> str:
        return self.name


class ConfigFileDescription(models.Model):
    id = models.CharField(max_length=320, primary_key=True)
    activityDescription = models.ForeignKey(
        ActivityDescription, models.CASCADE, related_name="configFileDescriptions"
    )
    name = models.CharField(max_length=150)
    contentType = models.CharField(max_length=150)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class RoleDescription(models.Model):
    """What UsageDescription and GenerationDescription have in common."""

    id = models.CharField(max_length=320, primary_key=True)
    role = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=40, blank=True)
    multiplicity = models.CharField(max_length=20, blank=True)
    entityDescription = models.ForeignKey("EntityDescription", models.PROTECT, null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.role


class UsageDescription(RoleDescription):
    activityDescription = models.ForeignKey(
        ActivityDescription, models.CASCADE, related_name="usageDescriptions"
    )


class GenerationDescription(RoleDescription):
    activityDescription = models.ForeignKey(
        ActivityDescription, models.CASCADE, related_name="generationDescriptions"
    )


class Kind(models.TextChoices):
    """Which subclass of Entity or EntityDescription a row is."""

    DATASET = "Dataset"
    VALUE = "Value"
    COLLECTION = "Collection"


class KindManager(models.Manager):  # type: ignore[type-arg]
    """The rows of one subclass."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    def get_queryset(self) -> models.QuerySet:  # type: ignore[type-arg]
        return super().get_queryset().filter(kind=self.kind)


class EntityDescription(models.Model):
    """What is known of a kind of entity before there is one: here, its format."""

    id = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=150)
    description = models.TextField(blank=True)
    docurl = models.TextField(blank=True)
    type = models.CharField(max_length=40, blank=True)
    contentType = models.CharField(max_length=150, blank=True, help_text="DatasetDescription")
    valueType = models.CharField(max_length=100, blank=True, help_text="ValueDescription")
    unit = models.CharField(max_length=60, blank=True, help_text="ValueDescription")
    ucd = models.CharField(max_length=120, blank=True, help_text="ValueDescription")
    utype = models.CharField(max_length=120, blank=True, help_text="ValueDescription")

    def __str__(self) -> str:
        return self.name


class DatasetDescription(EntityDescription):
    objects: ClassVar[KindManager] = KindManager(Kind.DATASET)

    class Meta:
        proxy = True


class ValueDescription(EntityDescription):
    objects: ClassVar[KindManager] = KindManager(Kind.VALUE)

    class Meta:
        proxy = True
