"""A folder of tools: versions, defaults, changes, and what is missing on this machine."""

from __future__ import annotations

import os

import pytest

from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from tests.uws.tools.descriptions import tool, write
from uws.tools import defaults
from uws.tools.availability import why_not
from uws.tools.registry import Registry


@pytest.fixture
def versions(tmp_path) -> Registry:
    for number in ("1.9", "1.10", "2.0rc1"):
        write(tmp_path, name=f"measure-{number}.yaml", version=number)
    write(tmp_path, name="measure-3.yaml", version="3.0", deprecated="Its errors are wrong; use 1.10.")
    return Registry(tmp_path)


def test_the_newest_version_that_is_not_deprecated_is_the_default(versions):
    assert versions.get("measure").version == "2.0rc1"
    assert [found.version for found in versions.versions("measure")] == ["3.0", "2.0rc1", "1.10", "1.9"]


def test_a_marked_default_goes_first(versions):
    write(versions.folder, name="measure-1.9.yaml", version="1.9", default=True)
    assert versions.get("measure").version == "1.9"


def test_a_version_is_addressed_by_name(versions):
    assert versions.get("measure@3.0").deprecated.startswith("Its errors")
    assert versions.get("measure", "1.10").id == "measure@1.10"
    with pytest.raises(NotFound, match="There is no version '7' of measure"):
        versions.get("measure@7")


def test_a_wrong_name_gets_the_nearest(versions):
    with pytest.raises(NotFound, match="Did you mean measure"):
        versions.get("mesure")


def test_a_release_candidate_is_older_than_its_release(tmp_path):
    for number in ("2.0rc1", "2.0"):
        write(tmp_path, name=f"measure-{number}.yaml", version=number)
    assert Registry(tmp_path).get("measure").version == "2.0"


def test_changes_of_a_file_are_seen(tmp_path):
    folder = Registry(tmp_path)
    path = write(tmp_path)
    before = folder.get("measure")
    (tmp_path / "measure.py").write_text("print(2)  # longer\n")
    assert folder.get("measure").digest != before.digest
    path.write_text(path.read_text().replace("title: Measure", "title: Measured"))
    assert folder.get("measure").title == "Measured"
    os.remove(path)
    with pytest.raises(NotFound):
        folder.get("measure")


def test_a_faulty_file_takes_no_other_tool_away(tmp_path):
    write(tmp_path)
    (tmp_path / "broken.yaml").write_text("name: broken\n")
    folder = Registry(tmp_path)
    assert [found.name for found in folder.all_tools()] == ["measure"]
    assert folder.problems()[0].path.name == "broken.yaml"
    with pytest.raises(NotFound, match="description has errors"):
        folder.get("broken")


def test_the_same_version_twice_is_a_fault(tmp_path):
    write(tmp_path)
    write(tmp_path, name="other.yaml")
    assert "too" in Registry(tmp_path).problems()[0].message


def test_what_is_missing_is_named(tmp_path):
    missing = tool(tmp_path, requires={"modules": ["no_such_module"], "programs": ["no-such-program"]})
    assert why_not(missing) == (
        "Python module no_such_module is not installed and program no-such-program is not on the PATH."
    )
    assert (
        why_not(tool(tmp_path, argv=["no-such-program", "x"]))
        == "Program no-such-program is not on the PATH."
    )
    assert why_not(tool(tmp_path)) == ""


def test_access_by_sign_in_and_by_group(tmp_path):
    visitor, vera = Caller(), Caller(user_id=1, username="vera", groups=frozenset({"hess"}))
    signed_in, group = tool(tmp_path, access="signed-in"), tool(tmp_path, access={"groups": ["magic", "cta"]})
    assert tool(tmp_path).refusal(visitor) == ""
    assert "sign in" in signed_in.refusal(visitor)
    assert signed_in.refusal(vera) == ""
    assert group.refusal(vera) == "Measure is for members of magic or cta."
    assert group.refusal(Caller(user_id=2, groups=frozenset({"cta"}))) == ""


# -- defaults from the observations ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([{"target_ra": 83.6}, {"target_ra": 83.6}], 83.6),
        ([{"target_ra": 83.6, "s_ra": 10.0}, {"target_ra": 99.0, "s_ra": 20.0}], 15.0),
        ([{"s_ra": 359.0}, {"s_ra": 1.0}], pytest.approx(0.0, abs=1e-6)),
        ([{"s_ra": None}, {}], None),
        ([{"target_ra": float("nan")}], None),
        ([], None),
    ],
)
def test_a_default_comes_from_the_rows(tmp_path, rows, value):
    assert defaults.from_rows(tool(tmp_path), rows).get("ra") == value
