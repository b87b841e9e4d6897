"""A gateway starts quickly: its web processes load no library that pages rarely need."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from gateway import health
from tests.support.live import free_port
from tests.support.shared import REPOSITORY

START = """
import sys, gateway.asgi, gateway.urls
print(*sorted({"astropy", "matplotlib", "scipy", "gammapy", "mocpy", "rdflib"} & set(sys.modules)))
"""


def test_web_processes_load_no_analysis_libraries():
    """Astropy alone is a third of the time that a web process needs to be there."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def vogate(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VOGATE_HOME": str(home), "PYTHONPATH": str(REPOSITORY)} | variables
    command = [sys.executable, "-m", "gateway.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "abc"}, "'abc' is not a port"),
        ({"HOST": "nosuch.invalid"}, "there is no such address"),
        ({"VOGATE_HOME": "/dev/null/home"}, "/dev/null/home cannot be made"),
        ({"DATABASE_URL": "mysql://u:secret@h/d"}, "DATABASE_URL begins with mysql:"),
        ({"DATABASE_URL": "postgresql://u:secret@h:x/d"}, "DATABASE_URL is no URL"),
        ({"VOGATE_LOG": "loud"}, "VOGATE_LOG=LOUD"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    done = vogate(tmp_path, "serve", **{"PORT": str(free_port())} | variables)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = vogate(tmp_path, "serve", PORT=str(taken.getsockname()[1]))
    assert "is in use" in done.stderr


def test_the_state_is_private_and_has_one_key(tmp_path: Path) -> None:
    """Web processes and worker may start at once in a new home; other users of the machine have no business there."""
    home = tmp_path / "home"
    environment = os.environ | {"VOGATE_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    script = "import gateway.settings; print(gateway.settings.SECRET_KEY)"
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    keys = {process.communicate(timeout=60)[0] for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) > 40
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in home.glob(".secret*")] == []
    (home / "secret-key").write_text("")
    assert "is empty" in vogate(home, "check").stderr


def test_headers_of_proxies_count_only_behind_one(tmp_path: Path) -> None:
    script = "from gateway import settings as s; print(s.USE_X_FORWARDED_HOST, s.SECURE_PROXY_SSL_HEADER, s.VOGATE_PROXIES)"
    for number, said in (
        ("0", "False None 0"),
        ("", "False None 0"),
        ("1", "True ('HTTP_X_FORWARDED_PROTO', 'https') 1"),
    ):
        environment = os.environ | {
            "VOGATE_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY), "BEHIND_PROXY": number
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == said


def test_a_database_of_another_version_is_named_and_not_served(tmp_path: Path) -> None:
    done = vogate(tmp_path, "serve", PORT=str(free_port()))
    assert done.returncode == 1
    assert "migrations wait" in done.stderr


@pytest.mark.django_db
def test_a_gateway_whose_database_lacks_tables_is_not_ready(monkeypatch) -> None:
    assert health._database() == ""
    monkeypatch.setattr(health, "_complete", False)
    MigrationRecorder(connection).record_unapplied(
        "uws", MigrationLoader(connection).graph.leaf_nodes("uws")[0][1]
    )
    assert "1 migrations wait" in health._database()


def test_a_home_is_prepared_by_one_process_at_a_time(tmp_path: Path) -> None:
    """`vogate up` twice at once: the second waits, and finds all done."""
    script = (
        "import sys; from gateway.cli import up; up._archive = lambda data: None; import argparse\n"
        "sys.exit(up.main(argparse.Namespace(no_serve=True, data='')))"
    )
    environment = os.environ | {"VOGATE_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    started = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert "".join(said).count("making the database's tables") == 1
