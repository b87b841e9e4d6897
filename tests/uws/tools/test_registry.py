"""The tools of a folder: versions, changes, digests, what this machine can run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.vo.errors import NotFound
from tests.uws.tools.builders import DEMO, write
from uws.tools import registry
from uws.tools.loader import load
from uws.tools.registry import Registry


def version(number: str, extra: str = "") -> str:
    return DEMO.replace('"1.0"', f'"{number}"') + extra


def test_the_newest_version_that_is_not_deprecated_is_the_default(tmp_path: Path) -> None:
    for number, extra in (("1.9", ""), ("1.10", ""), ("1.10rc1", ""), ("2.0", "deprecated: It is wrong.\n")):
        write(tmp_path, version(number, extra), f"demo-{number}.yaml")
    tools = Registry(tmp_path)
    assert tools.get("demo").version == "1.10"
    assert [tool.version for tool in tools.versions("demo")] == ["2.0", "1.10", "1.10rc1", "1.9"]
    assert tools.get("demo", "2.0").deprecated == "It is wrong."
    assert tools.get("demo@1.9").version == "1.9"
    assert [tool.id for tool in tools.all_tools()] == ["demo@1.10"]


def test_a_marked_version_is_the_default(tmp_path: Path) -> None:
    write(tmp_path, version("1.0", "default: true\n"), "one.yaml")
    write(tmp_path, version("2.0"), "two.yaml")
    assert Registry(tmp_path).get("demo").version == "1.0"


def test_unknown_tools_and_versions_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    tools = Registry(tmp_path)
    with pytest.raises(NotFound, match="Did you mean demo"):
        tools.get("dmo")
    with pytest.raises(NotFound, match=r"There is 1\.0"):
        tools.get("demo", "3")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path)
    tools = Registry(tmp_path)
    before = tools.get("demo")
    assert tools.get("demo") is before
    path.write_text(DEMO.replace("title: Demo", "title: Changed"), encoding="utf-8")
    assert tools.get("demo").title == "Changed"
    path.unlink()
    with pytest.raises(NotFound):
        tools.get("demo")


def test_a_broken_description_leaves_the_others_usable(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "name: broken\n", "broken.yaml")
    tools = Registry(tmp_path)
    assert [tool.name for tool in tools.all_tools()] == ["demo"]
    assert {problem.path.name for problem in tools.problems()} == {"broken.yaml"}
    with pytest.raises(NotFound, match="vogate tools check"):
        tools.get("broken")


def test_one_version_described_twice_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="other.yaml")
    assert "demo.yaml" in Registry(tmp_path).problems()[0].message


def test_the_digest_follows_description_and_programs(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = load(path).digest
    assert len(first) == 64
    path.write_text("# a comment\n" + DEMO + "deprecated: Old.\n", encoding="utf-8")
    assert load(path).digest == first
    path.write_text(DEMO.replace("max: 10}", "max: 11}"), encoding="utf-8")
    assert load(path).digest != first
    path.write_text(DEMO, encoding="utf-8")
    for program in ("demo.py", "helper.py"):
        (tmp_path / program).write_text(f"print('{program} changed')\n", encoding="utf-8")
        changed = load(path).digest
        assert changed != first
        first = changed


def test_the_registry_notices_a_changed_program(tmp_path: Path) -> None:
    write(tmp_path)
    tools = Registry(tmp_path)
    before = tools.get("demo").digest
    (tmp_path / "helper.py").write_text("print('something else')\n", encoding="utf-8")
    assert tools.get("demo").digest != before


def test_what_a_machine_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = "requires: {modules: [nosuchmodule], programs: [sextractor]}\n"
    write(tmp_path, DEMO + needs)
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = Registry(tmp_path).get("demo")
    assert not tool.available
    assert "nosuchmodule" in tool.why_not
    assert "sextractor" in tool.why_not
    program = tmp_path / "sextractor"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    assert "sextractor" not in Registry(tmp_path).get("demo").why_not


def test_a_program_in_argv_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, DEMO.replace('"{python}", "{tool_folder}/demo.py"', "nosuchprogram"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert "nosuchprogram" in Registry(tmp_path).get("demo").why_not


def test_another_folder_can_be_served_for_a_while(tmp_path: Path) -> None:
    write(tmp_path)
    before = registry.current()
    with registry.using(tmp_path):
        assert registry.get("demo").id == "demo@1.0"
        assert [tool.name for tool in registry.all_tools()] == ["demo"]
    assert registry.current() is before
