"""Taking a collection's files into the archive.

An ingest can be repeated at any time: files that did not change are not read again, files that changed
are, those that vanished are reported and leave ivoa.obscore, and where nothing changed nothing is published.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gateway.vo.errors import UsageError
from obscore import publication, record
from obscore.checksums import sha256_of
from obscore.models import ArchiveFile, Collection, Observation, Role, Target
from obscore.profile import Profile
from obscore.report import Report
from obscore.rows import Row, RowMaker, Skipped

RECIPE_VERSION = 1
"""Raise it when the same profile and files give other rows than before: everything is read again."""

_BATCH = 200


@dataclass
class _Found:
    """What one product file gave."""

    path: str
    size: int
    mtime_ns: int
    sha256: str
    row: Row
    companions: list[_Companion] = field(default_factory=list)


@dataclass
class _Companion:
    path: str
    size: int
    mtime_ns: int
    sha256: str


def run(profile: Profile, folder: Path, report: Report) -> Report:
    """Bring the database and ivoa.obscore in line with the files of a collection.

    Parameters
    ----------
    profile
        The collection.
    folder
        Where its files are.
    report
        Is filled in, and told about progress.

    Raises
    ------
    UsageError
        If the folder has no file of the collection: then nothing is changed, for it is more likely a
        disk that is not mounted than a collection that was deleted.
    """
    folder = folder.resolve()
    paths = sorted(path for path in folder.glob(profile.pattern) if path.is_file())
    if not paths:
        raise UsageError(
            f"{folder} has no file that matches {profile.pattern}; nothing was changed.",
            hint=f"Give the folder of the collection {profile.collection}.",
        )
    began = timezone.now()
    maker = RowMaker(profile, folder, settings.SITE.authority)
    recipe = _recipe(profile, folder)
    collection = _store_collection(profile, folder)
    _Ingest(profile, collection, folder, maker, recipe, report).run(paths)
    _store_auxiliary(profile, collection, folder)
    Collection.objects.filter(pk=collection.pk).update(recipe=recipe)
    collection.recipe = recipe
    record.record_ingest(collection, [*report.added, *report.changed], began)
    state, report.published = publication.publish_obscore()
    report.rows, report.version = state.rows, state.version
    return report


class _Ingest:
    """One pass over the files of one collection."""

    def __init__(
        self,
        profile: Profile,
        collection: Collection,
        folder: Path,
        maker: RowMaker,
        recipe: str,
        report: Report,
    ) -> None:
        self.profile, self.collection, self.folder = profile, collection, folder
        self.maker, self.recipe, self.report = maker, recipe, report
        self.known = {
            file.path: file
            for file in ArchiveFile.objects.filter(collection=collection).select_related("observation")
        }
        self.seen: dict[str, str] = {}
        """obs_id -> path, of this pass."""

    def run(self, paths: list[Path]) -> None:
        batch: list[_Found] = []
        self.report.say(f"{self.collection.name}: {len(paths)} files in {self.folder}")
        for number, path in enumerate(paths, 1):
            found = self._examine(path)
            if found is not None:
                batch.append(found)
            if len(batch) >= _BATCH:
                self._store(batch)
                batch = []
            self.report.progress("Reading headers and checksums", number, len(paths))
        self._store(batch)
        self._drop_vanished()

    def _examine(self, path: Path) -> _Found | None:
        """Read a file that is new or changed; None for what is known already or cannot be used."""
        name = path.relative_to(self.folder).as_posix()
        status = path.stat()
        known = self.known.get(name)
        if known is not None and self._is_current(known, status.st_size, status.st_mtime_ns):
            assert known.observation is not None
            if self._claim(known.observation.obs_id, name):
                self.report.unchanged += 1
            return None
        try:
            row = self.maker.row(path)
            if not self._claim(row.values["obs_id"], name):
                return None
            companions = [self._measure(file) for file in self._companions(row)]
            checksum = sha256_of(path)
        except (Skipped, OSError) as error:
            self.report.skip(name, str(error))
            return None
        for warning in row.warnings:
            self.report.warn(name, warning)
        return _Found(name, status.st_size, status.st_mtime_ns, checksum, row, companions)

    def _is_current(self, known: ArchiveFile, size: int, mtime_ns: int) -> bool:
        observation = known.observation
        if observation is None or observation.recipe != self.recipe or observation.missing or known.missing:
            return False
        return (known.size, known.mtime_ns) == (size, mtime_ns) and self._companions_current(observation)

    def _companions_current(self, observation: Observation) -> bool:
        """Whether the calibration files of an observation are those that were read."""
        if not self.profile.calibration:
            return True
        wanted = {path.relative_to(self.folder).as_posix() for path in self._globbed(observation.obs_id)}
        have = {
            path: file
            for path, file in self.known.items()
            if file.observation_id == observation.pk and file.role == Role.CALIBRATION
        }
        return wanted == set(have) and all(
            (have[path].size, have[path].mtime_ns) == _size_and_time(self.folder / path) for path in wanted
        )

    def _claim(self, obs_id: str, name: str) -> bool:
        """False, and a skip, for the second file with one obs_id."""
        first = self.seen.setdefault(obs_id, name)
        if first != name:
            self.report.skip(name, f"obs_id {obs_id} is that of {first} too")
        return first == name

    def _globbed(self, obs_id: str) -> list[Path]:
        found = [
            path
            for pattern in self.profile.calibration
            for path in self.folder.glob(pattern.replace("{obs_id}", obs_id))
            if path.is_file()
        ]
        return sorted(set(found))

    def _companions(self, row: Row) -> list[Path]:
        found = self._globbed(row.values["obs_id"])
        if self.profile.calibration and not found:
            row.warnings.append(f"no calibration file matches {', '.join(self.profile.calibration)}")
        return found

    def _measure(self, path: Path) -> _Companion:
        size, mtime_ns = _size_and_time(path)
        return _Companion(path.relative_to(self.folder).as_posix(), size, mtime_ns, sha256_of(path))

    def _store(self, batch: list[_Found]) -> None:
        with transaction.atomic():
            for found in batch:
                self._store_one(found)

    def _store_one(self, found: _Found) -> None:
        values = found.row.values
        before = Observation.objects.filter(did=values["obs_publisher_did"]).first()
        # A new object of equal content (a touched file, a reworded profile) is no change.
        observation = before or Observation(did=values["obs_publisher_did"])
        same_row = before is not None and before.row == values and not before.missing
        observation.collection = self.collection
        observation.obs_id = values["obs_id"]
        observation.title = (values.get("obs_title") or f"{self.collection.title}: {values['obs_id']}")[:400]
        observation.row, observation.recipe = values, self.recipe
        was_missing, observation.missing = observation.missing, False
        observation.save()
        known = self.known.get(found.path)
        same_bytes = known is not None and known.sha256 == found.sha256
        kept = [self._store_file(observation, Role.THIS, found, self.profile.media_type)]
        for companion in found.companions:
            kept.append(
                self._store_file(observation, Role.CALIBRATION, companion, _media_type(companion.path))
            )
        observation.files.exclude(pk__in=kept).delete()
        if before is None:
            self.report.added.append(observation.obs_id)
        elif was_missing:
            self.report.returned.append(observation.obs_id)
        elif same_row and same_bytes:
            self.report.unchanged += 1
        else:
            self.report.changed.append(observation.obs_id)

    def _store_file(
        self, observation: Observation, role: Role, found: _Found | _Companion, media_type: str
    ) -> int:
        file, _ = ArchiveFile.objects.update_or_create(
            collection=self.collection,
            path=found.path,
            defaults={
                "observation": observation,
                "role": role,
                "name": Path(found.path).name,
                "size": found.size,
                "mtime_ns": found.mtime_ns,
                "sha256": found.sha256,
                "media_type": media_type,
                "missing": False,
            },
        )
        return int(file.pk)

    def _drop_vanished(self) -> None:
        """Observations whose file is gone or unusable leave ivoa.obscore; their record stays."""
        skipped = {name for name, _ in self.report.skipped}
        present = Observation.objects.filter(collection=self.collection, missing=False)
        for observation in present.exclude(obs_id__in=list(self.seen)).prefetch_related("files"):
            product = observation.product
            name = product.path if product else observation.obs_id
            if name not in skipped:
                self.report.vanished.append((name, f"the file of obs_id {observation.obs_id} is gone"))
            with transaction.atomic():
                observation.missing = True
                observation.save(update_fields=["missing", "changed_at"])
                observation.files.update(missing=True)


def _store_collection(profile: Profile, folder: Path) -> Collection:
    terms = ""
    if profile.terms:
        try:
            terms = (folder / profile.terms).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(
                f"The terms of use {profile.terms} cannot be read: {error.strerror}.",
                hint="The data must not be served without them; put the file back.",
            ) from None
    with transaction.atomic():
        collection, _ = Collection.objects.update_or_create(
            name=profile.collection,
            defaults={
                "title": profile.title,
                "description": profile.description,
                "folder": str(folder),
                "terms": terms,
                "terms_name": Path(profile.terms).name if profile.terms else "",
                "citation": profile.citation,
                "rights": profile.rights,
                "reference": profile.reference,
                "home": profile.home,
                "simulated": profile.simulated,
            },
        )
        for target in profile.targets:
            Target.objects.update_or_create(
                collection=collection,
                name=target.name,
                defaults={"ra": target.ra, "dec": target.dec, "aliases": list(target.aliases)},
            )
        collection.targets.exclude(name__in=[target.name for target in profile.targets]).delete()
    return collection


def _store_auxiliary(profile: Profile, collection: Collection, folder: Path) -> None:
    """Index tables and other files of the collection as a whole."""
    paths = sorted({path for glob in profile.auxiliary for path in folder.glob(glob) if path.is_file()})
    kept = []
    for path in paths:
        size, mtime_ns = _size_and_time(path)
        name = path.relative_to(folder).as_posix()
        known = ArchiveFile.objects.filter(collection=collection, path=name).first()
        if known is None or (known.size, known.mtime_ns) != (size, mtime_ns):
            known, _ = ArchiveFile.objects.update_or_create(
                collection=collection,
                path=name,
                defaults={
                    "observation": None,
                    "role": Role.AUXILIARY,
                    "name": path.name,
                    "size": size,
                    "mtime_ns": mtime_ns,
                    "sha256": sha256_of(path),
                    "media_type": _media_type(name),
                    "missing": False,
                },
            )
        kept.append(known.pk)
    ArchiveFile.objects.filter(collection=collection, role=Role.AUXILIARY).exclude(pk__in=kept).delete()


def _recipe(profile: Profile, folder: Path) -> str:
    """Digest of everything but the product files that rows depend on."""
    digest = hashlib.sha256(f"{RECIPE_VERSION} {settings.SITE.authority} {profile.digest}".encode())
    for spec in profile.tables:
        digest.update(sha256_of(folder / spec.file).encode())
    return digest.hexdigest()


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _media_type(name: str) -> str:
    """Kind of content by file name; compression shows in the name."""
    plain = name.removesuffix(".gz")
    if plain.lower().endswith((".fits", ".fit", ".fts")):
        return "application/fits"
    return mimetypes.guess_type(plain)[0] or "application/octet-stream"
