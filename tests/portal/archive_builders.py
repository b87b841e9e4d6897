"""A small archive for the tests of the search pages: five observations of two sources and an image."""

from __future__ import annotations

from typing import Any

from obscore import definition
from obscore.models import ArchiveFile, Collection, Observation, Role, Target
from obscore.rows import access_path, publisher_did

COLLECTION = "tiny-survey"
AUTHORITY = "test.invalid"
CRAB, PKS = (83.633, 22.014), (329.717, -30.226)

# obs_id, target, position of the field's centre, MJD of the beginning, type
_OBSERVATIONS: tuple[tuple[str, str, tuple[float, float], float, str], ...] = (
    ("101", "Crab Nebula", (83.633, 22.514), 53090.5, "event"),
    ("102", "Crab Nebula", (83.633, 21.514), 53091.5, "event"),
    ("103", "Crab Nebula", (84.133, 22.014), 53200.25, "event"),
    ("201", "PKS 2155-304", (329.717, -30.726), 53580.0, "event"),
    ("202", "PKS 2155-304", (329.717, -29.726), 53581.0, "event"),
    ("map 1/2", "PKS 2155-304", PKS, 53582.0, "image"),
)


def did_of(obs_id: str) -> str:
    return publisher_did(AUTHORITY, COLLECTION, obs_id)


def rows() -> list[dict[str, Any]]:
    """The rows of ivoa.obscore."""
    return [_row(*observation) for observation in _OBSERVATIONS]


def _row(obs_id: str, target: str, at: tuple[float, float], begin: float, kind: str) -> dict[str, Any]:
    did = did_of(obs_id)
    return {
        "dataproduct_type": kind,
        "calib_level": 2,
        "obs_collection": COLLECTION,
        "obs_id": obs_id,
        "obs_publisher_did": did,
        "obs_title": f"Run {obs_id}",
        "access_url": access_path(did),
        "access_format": definition.DATALINK_FORMAT,
        "access_estsize": 640,
        "target_name": target,
        "s_ra": at[0],
        "s_dec": at[1],
        "s_fov": 4.0,
        "s_region": f"CIRCLE ICRS {at[0]} {at[1]} 2.0",
        "t_min": begin,
        "t_max": begin + 0.02,
        "t_exptime": 1500.0 + float(begin % 7),
        "em_min": 1.2398419843e-20,
        "em_max": 3e-18 if target == "Crab Nebula" else 6e-18,
        "facility_name": "Test Array",
        "instrument_name": "Test Array I",
        "data_rights": "public",
    }


def publish() -> None:
    """Make these rows the published archive of the test's home."""
    from tap.publish import publish_schema

    data = rows()
    publish_schema(definition.ivoa_schema((), len(data)), {"obscore": definition.arrow_table(data)})


def fill_database(folder: str) -> Collection:
    """The records of collection, targets, observations and files."""
    collection = Collection.objects.create(
        name=COLLECTION,
        title="A tiny survey",
        folder=folder,
        terms="Be kind.",
        terms_name="TERMS.txt",
        rights="For tests only.",
        simulated=True,
    )
    for name, (ra, dec) in (("Crab Nebula", CRAB), ("PKS 2155-304", PKS)):
        aliases = ["Crab", "M1"] if name.startswith("Crab") else []
        Target.objects.create(collection=collection, name=name, ra=ra, dec=dec, aliases=aliases)
    for row in rows():
        observation = Observation.objects.create(
            collection=collection,
            obs_id=row["obs_id"],
            did=row["obs_publisher_did"],
            title=row["obs_title"],
            row=row,
            recipe="",
        )
        ArchiveFile.objects.create(
            collection=collection,
            observation=observation,
            role=Role.THIS,
            path=f"{row['obs_id'].replace('/', '-')}.fits",
            name="events.fits",
            size=640_000,
            mtime_ns=0,
            sha256="0" * 64,
            media_type="application/fits",
        )
    return collection
