"""The archive's holdings: collections, their targets, observations and files, and names resolved before."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

SIMULATED_NOTICE = "Simulated data: made by a program, not observed. Do not use them for science."


class Collection(models.Model):
    """A collection that was ingested, as its profile described it then."""

    name = models.SlugField(
        max_length=64, unique=True, help_text="obs_collection, and the first part of paths"
    )
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    folder = models.TextField(help_text="Absolute path of the files")
    terms = models.TextField(blank=True, help_text="Text of the terms of use")
    terms_name = models.CharField(max_length=200, blank=True, help_text="File name of the terms of use")
    citation = models.TextField(blank=True)
    rights = models.TextField(blank=True)
    reference = models.URLField(blank=True)
    home = models.URLField(blank=True)
    simulated = models.BooleanField(default=False)
    recipe = models.CharField(
        max_length=64, blank=True, help_text="Digest of the profile and its index tables"
    )
    ingested_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def notice(self) -> str:
        """What pages and products have to say of the data."""
        return SIMULATED_NOTICE if self.simulated else ""

    @property
    def terms_path(self) -> str:
        """Path part of the URL of the terms of use; '' where there are none."""
        return f"/data/{self.name}/terms" if self.terms else ""


class Target(models.Model):
    """A target of a collection, and what people call it."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="targets")
    name = models.CharField(max_length=200)
    ra = models.FloatField(null=True, help_text="degrees ICRS")
    dec = models.FloatField(null=True, help_text="degrees ICRS")
    aliases = models.JSONField(default=list)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="target_once")]

    def __str__(self) -> str:
        return self.name


class Observation(models.Model):
    """One observation: one row of ivoa.obscore, and the files that belong to it."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="observations")
    obs_id = models.CharField(max_length=200)
    did = models.CharField(max_length=400, unique=True, help_text="obs_publisher_did")
    title = models.CharField(max_length=400, blank=True)
    row = models.JSONField(help_text="The ObsCore row, by column name")
    recipe = models.CharField(max_length=64, help_text="Digest of what the row was made with")
    missing = models.BooleanField(default=False, help_text="Its file vanished or became unreadable")
    first_seen = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["collection_id", "obs_id"]
        constraints = [models.UniqueConstraint(fields=["collection", "obs_id"], name="observation_once")]

    def __str__(self) -> str:
        return self.did

    @property
    def product(self) -> ArchiveFile | None:
        """The file that is the data product itself."""
        return next((file for file in self.files.all() if file.role == Role.THIS), None)


class Role(models.TextChoices):
    """What a file is to its observation, by the terms of DataLink's vocabulary."""

    THIS = "this", "the data product"
    CALIBRATION = "calibration", "responses or calibration used with the product"
    AUXILIARY = "auxiliary", "belongs to the collection as a whole"


class ArchiveFile(models.Model):
    """A file on disk, with the checksum it had when it was last read."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="files")
    observation = models.ForeignKey(Observation, null=True, on_delete=models.CASCADE, related_name="files")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.THIS)
    path = models.TextField(help_text="Relative to the collection's folder")
    name = models.CharField(max_length=255, help_text="Last part of its URL")
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    missing = models.BooleanField(default=False)

    class Meta:
        ordering = ["collection_id", "path"]
        constraints = [models.UniqueConstraint(fields=["collection", "path"], name="file_once")]
        indexes = [models.Index(fields=["sha256"])]

    def __str__(self) -> str:
        return self.path

    @property
    def absolute(self) -> Path:
        return Path(self.collection.folder) / self.path

    @property
    def url_path(self) -> str:
        """Path part of the URL that serves the file."""
        from urllib.parse import quote

        parts = [self.collection.name, self.name]
        if self.observation is not None:
            parts.insert(1, self.observation.obs_id)
        return "/data/" + "/".join(quote(part, safe="") for part in parts)


class Product(models.Model):
    """A result of a job that its owner published: where the observation comes from."""

    observation = models.OneToOneField(
        Observation, on_delete=models.CASCADE, primary_key=True, related_name="product_of"
    )
    job = models.CharField(max_length=60, db_index=True, help_text="Public id of the job")
    result = models.CharField(max_length=120, help_text="Name of the result")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="products"
    )
    opened = models.JSONField(
        default=list, help_text="Jobs whose provenance records are public because of it"
    )
    published_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.job}/{self.result}"


class Progenitor(models.Model):
    """An observation that a published product was made from, directly or through other products."""

    product = models.ForeignKey(
        Observation, on_delete=models.CASCADE, related_name="progenitors", db_index=False
    )
    source = models.ForeignKey(Observation, on_delete=models.CASCADE, related_name="derivations")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "source"], name="progenitor_once")]

    def __str__(self) -> str:
        return f"{self.product_id} from {self.source_id}"


class KnownName(models.Model):
    """An answer of a name service, kept so that it need not be asked again."""

    key = models.CharField(max_length=200, unique=True, help_text="The name without case and blanks")
    name = models.CharField(max_length=200)
    ra = models.FloatField(help_text="degrees ICRS")
    dec = models.FloatField(help_text="degrees ICRS")
    source = models.CharField(max_length=100)
    resolved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Publication(models.Model):
    """What of this database was last published as ivoa.obscore."""

    schema = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, help_text="Digest of the rows and metadata")
    rows = models.IntegerField()
    version = models.IntegerField(help_text="Version of the archive's manifest")
    published_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.schema} {self.version}"
