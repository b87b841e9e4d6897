"""Ingest: what it stores, what it skips and why, and that it can be repeated."""

from __future__ import annotations

import os

import pytest

from gateway.vo.errors import UsageError
from obscore.checksums import sha256_of
from obscore.models import ArchiveFile, Collection, Observation, Role
from tests.obscore.builders import LittleCollection
from tests.obscore.conftest import Ingest


def published() -> list[dict[str, object]]:
    """The rows of ivoa.obscore as DuckDB has them."""
    import duckdb

    from tap import archive

    path = archive.current().files["ivoa"]
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql("SELECT * FROM obscore ORDER BY obs_id").to_arrow_table().to_pylist()


def test_rows_are_published(little: LittleCollection, ingest_little: Ingest) -> None:
    report = ingest_little()
    assert report.added == ["101", "102", "103"]
    assert (report.rows, report.skipped, report.vanished) == (3, [], [])
    row = published()[0]
    assert row["obs_publisher_did"] == "ivo://vogate.demo/little?101"
    assert row["access_url"] == "/datalink/links?ID=ivo%3A%2F%2Fvogate.demo%2Flittle%3F101"
    assert row["access_format"] == "application/x-votable+xml;content=datalink"
    assert (row["obs_collection"], row["target_name"]) == ("little", "Crab Nebula")
    assert (row["s_fov"], row["s_xel1"], row["o_ucd"]) == (5.0, -1, None)
    assert row["s_region"].startswith("CIRCLE ICRS 83.63 22.51 2.5")


def test_every_result_names_citation_rights_and_terms(ingest_little: Ingest) -> None:
    from tap import archive

    ingest_little()
    info = archive.current().table("ivoa", "obscore").info
    assert {name for name, _ in info} >= {"citation", "rights", "terms"}
    assert any("Cite the little collection." in value for _, value in info)


def test_files_have_their_checksums(little: LittleCollection, ingest_little: Ingest) -> None:
    ingest_little()
    for file in ArchiveFile.objects.filter(role=Role.THIS):
        path = little.folder / file.path
        assert (file.sha256, file.size) == (sha256_of(path), path.stat().st_size)
    assert ArchiveFile.objects.get(role=Role.AUXILIARY).name == "index.fits"
    assert Collection.objects.get().terms == "Be nice.\n"


def test_a_second_ingest_changes_nothing(ingest_little: Ingest) -> None:
    first = ingest_little()
    again = ingest_little()
    assert (again.unchanged, again.added, again.changed, again.published) == (3, [], [], False)
    assert again.version == first.version


def test_a_touched_file_is_read_but_is_no_change(little: LittleCollection, ingest_little: Ingest) -> None:
    first = ingest_little()
    os.utime(little.folder / "events/run_101.fits.gz", (1, 1))
    again = ingest_little()
    assert (again.unchanged, again.changed, again.version) == (3, [], first.version)
    assert ArchiveFile.objects.get(path="events/run_101.fits.gz").mtime_ns == 10**9


def test_a_changed_file_is_read_again(little: LittleCollection, ingest_little: Ingest) -> None:
    first = ingest_little()
    little.add(102, DEC_PNT=30.0)
    again = ingest_little()
    assert (again.changed, again.unchanged) == (["102"], 2)
    assert again.version > first.version
    assert published()[1]["s_dec"] == pytest.approx(30.0)


def test_a_changed_profile_reads_everything_again(little: LittleCollection, ingest_little: Ingest) -> None:
    ingest_little()
    little.profile_text = little.profile_text.replace("calib_level: 2", "calib_level: 3")
    assert sorted(ingest_little().changed) == ["101", "102", "103"]
    assert {row["calib_level"] for row in published()} == {3}


def test_a_vanished_file_is_reported_and_leaves_the_table(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    ingest_little()
    path = little.folder / "events/run_103.fits.gz"
    kept = path.read_bytes()
    path.unlink()
    report = ingest_little()
    assert [file for file, _ in report.vanished] == ["events/run_103.fits.gz"]
    assert [row["obs_id"] for row in published()] == ["101", "102"]
    assert Observation.objects.get(obs_id="103").missing
    assert not ingest_little().vanished, "it is reported once"
    path.write_bytes(kept)
    assert ingest_little().returned == ["103"]
    assert len(published()) == 3
    assert not ArchiveFile.objects.filter(missing=True).exists()


def test_an_empty_folder_is_taken_for_a_disk_that_is_not_mounted(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    ingest_little()
    for path in little.folder.glob("events/*"):
        path.unlink()
    with pytest.raises(UsageError, match="nothing was changed"):
        ingest_little()
    assert Observation.objects.filter(missing=False).count() == 3


def test_what_cannot_be_used_is_skipped_with_its_reason(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    whole = little.add(104).read_bytes()
    (little.folder / "events/run_104.fits.gz").write_bytes(whole[: len(whole) // 2])
    (little.folder / "events/run_105.fits.gz").write_bytes(b"not FITS")
    little.add(106, drop=("RA_PNT",))
    little.add(107, TSTOP=101962600.0)
    little.add(108, DEC_PNT=99.0)
    little.add(109, drop=("TIMESYS", "MJDREFI", "MJDREFF"))
    reasons = {file.removeprefix("events/run_")[:3]: reason for file, reason in ingest_little().skipped}
    assert set(reasons) == {"104", "105", "106", "107", "108", "109"}
    assert "cut short" in reasons["104"]
    assert "not a readable FITS file" in reasons["105"]
    assert "EVENTS has no keyword or column RA_PNT (little.yaml:" in reasons["106"]
    assert "t_min" in reasons["107"]
    assert "above t_max" in reasons["107"]
    assert "got 99.0 deg" in reasons["108"]
    assert "MJDREF" in reasons["109"]


def test_an_observation_without_responses_is_kept_with_a_warning(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    little.add(110, irf=False)
    report = ingest_little()
    assert "110" in report.added
    assert [file for file, reason in report.warnings if "no HDU AEFF" in reason] == [
        "events/run_110.fits.gz"
    ] * 2  # s_fov and s_region
    assert published()[3]["s_region"] is None


def test_an_identifier_that_is_not_in_the_index_is_skipped(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    little.add(111)
    little.ids.remove(111)
    little.write_index()
    assert ingest_little().skipped == [("events/run_111.fits.gz", "OBS_ID 111 is not in index.fits")]


def test_the_second_file_with_one_identifier_is_skipped(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    first = little.folder / "events/run_101.fits.gz"
    (little.folder / "events/run_x.fits.gz").write_bytes(first.read_bytes())
    report = ingest_little()
    assert report.skipped == [("events/run_x.fits.gz", "obs_id 101 is that of events/run_101.fits.gz too")]


def test_identifiers_can_be_text(little: LittleCollection, ingest_little: Ingest) -> None:
    little.add("a+b/1".replace("/", "-"))
    assert not ingest_little().skipped
    assert Observation.objects.get(obs_id="a+b-1").did == "ivo://vogate.demo/little?a%2Bb-1"


def test_data_are_not_taken_without_their_terms(little: LittleCollection, ingest_little: Ingest) -> None:
    (little.folder / "TERMS.txt").unlink()
    with pytest.raises(UsageError, match="terms of use"):
        ingest_little()


def test_calibration_files_belong_to_their_observation(
    little: LittleCollection, ingest_little: Ingest
) -> None:
    little.profile_text = little.profile_text.replace(
        "  auxiliary: [index.fits]", "  auxiliary: [index.fits]\n  calibration: ['irf/{obs_id}-*.fits']"
    )
    (little.folder / "irf").mkdir()
    (little.folder / "irf/101-psf.fits").write_bytes(b"responses")
    report = ingest_little()
    assert [file for file, reason in report.warnings if "no calibration file" in reason] == [
        "events/run_102.fits.gz",
        "events/run_103.fits.gz",
    ]
    assert Observation.objects.get(obs_id="101").files.get(role=Role.CALIBRATION).name == "101-psf.fits"
    (little.folder / "irf/101-psf.fits").write_bytes(b"better responses")
    assert ingest_little().unchanged == 3
    assert ArchiveFile.objects.get(role=Role.CALIBRATION).size == len(b"better responses")


def test_the_summary_says_what_was_left_out(little: LittleCollection, ingest_little: Ingest) -> None:
    (little.folder / "events/run_105.fits.gz").write_bytes(b"not FITS")
    text = ingest_little().summary()
    assert "3 new, 1 skipped" in text
    assert "events/run_105.fits.gz: not a readable FITS file" in text
