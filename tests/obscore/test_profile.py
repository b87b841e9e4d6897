"""Profiles: mistakes are named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from obscore.profile import ProfileError, read, read_all
from tests.obscore.builders import PROFILE
from tests.support.shared import REPOSITORY

SITE = REPOSITORY / "deploy/sites/demo/collections"


def write(folder: Path, text: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        ("s_fov: = 2 * max(", "s_fov: = 2 * maxx(", "s_fov", "no function 'maxx'; did you mean 'max'"),
        ("rights: Free.", "rihgts: Free.", "rihgts", "did you mean rights"),
        ("s_xel1: -1", "s_xell: -1", "s_xell", "no column of ivoa.obscore"),
        ("title: Little collection", "title:", "title", "is missing"),
        ("dataproduct_type: event", "dataproduct_type: events", "dataproduct_type", "ObsCore knows these"),
        ("pattern: events/run_*", "pattern: ../run_*", "pattern", "inside the collection's folder"),
        ("    ra: 83.633\n", "    ra: 383.633\n", "Crab Nebula:", "no position"),
        ("    ra: 83.633\n", "    ra: '5h'\n", "ra: '5h'", "decimal degrees"),
        ("s_xel1: -1", "obs_publisher_did: x", "obs_publisher_did", "the gateway fills"),
        ("collection: little", "collection: Little One", "collection", "lower case"),
        ("citation: Cite", "citation: [unclosed", "citation", "not YAML"),
        ("s_xel1: -1", "s_xel1: -1\n  s_xel1: 2", "s_xel1: 2", "written twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, at: str, message: str) -> None:
    assert old in PROFILE
    text = PROFILE.replace(old, new)
    with pytest.raises(ProfileError, match=message) as caught:
        read(write(tmp_path, text))
    if "YAML" not in message:
        assert caught.value.line == line_of(text, at)
        assert str(caught.value).startswith(f"{tmp_path / 'p.yaml'}:{caught.value.line}: ")


def test_names_of_targets_are_cleaned(tmp_path: Path) -> None:
    profile = read(write(tmp_path, PROFILE))
    assert profile.clean_target("CRAB ") == "Crab Nebula"
    assert profile.clean_target(" Vela   X ") == "Vela X"
    assert profile.clean_target("") is None


def test_the_demo_site_has_two_profiles_without_fault() -> None:
    profiles = {profile.collection: profile for profile in read_all(SITE)}
    assert set(profiles) >= {"hess-dl3-dr1", "simulated"}
    assert [name for name, profile in profiles.items() if profile.simulated] == ["simulated"]
    assert profiles["hess-dl3-dr1"].download.files == 105


def test_two_profiles_of_one_collection_are_refused(tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    (tmp_path / "q.yaml").write_text(PROFILE, encoding="utf-8")
    with pytest.raises(ProfileError, match="already described in p.yaml"):
        read_all(tmp_path)
