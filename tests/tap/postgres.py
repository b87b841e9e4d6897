"""A PostgreSQL server of the tests' own: made in a temporary folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

USERS = ("postgres", "nobody")
"""Who runs the server where the tests are root, which PostgreSQL refuses to be."""


def programs() -> Path | None:
    """The folder of initdb and postgres, None where there is no server."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists()), None)


def required() -> Path:
    """`programs`; skips without them, fails where VOGATE_REQUIRE names postgres."""
    place = programs()
    if place is not None:
        return place
    message = "no PostgreSQL server is installed (Debian: postgresql-15)"
    if "postgres" in os.environ.get("VOGATE_REQUIRE", "").split(","):
        pytest.fail(message)
    pytest.skip(message)


def as_user(folder: Path) -> list[str]:
    """What is put before a command to run it as an unprivileged user, who gets the folder."""
    if os.getuid() != 0:
        return []
    for user in USERS:
        found = subprocess.run(["id", "-u", user], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            shutil.chown(folder, user)
            return ["setpriv", f"--reuid={user}", "--regid", _group(user), "--clear-groups", "--"]
    pytest.skip("there is no unprivileged user to run PostgreSQL")


def _group(user: str) -> str:
    return subprocess.run(["id", "-g", user], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def server(kept: Path | None = None, *more: str) -> Iterator[str]:
    """A running server; gives the connection string of its superuser.

    Parameters
    ----------
    kept
        Folder of its data, which stays; a temporary one without.
    more
        Further settings.
    """
    place = required()
    with contextlib.ExitStack() as stack:
        if kept is None:
            name = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="vogate-pg-", ignore_cleanup_errors=True)
            )
        else:
            kept.mkdir(parents=True, exist_ok=True)
            name = str(kept)
        folder = Path(name)
        before = as_user(folder)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        make = [*before, str(place / "initdb"), "-D", f"{name}/data", "-U", "tests", "-A", "trust", "-N"]
        if not (folder / "data" / "PG_VERSION").exists():
            done = subprocess.run(
                [*make, "-E", "UTF8"], cwd="/", env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        options = ["listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off"]
        options += [f"unix_socket_directories={name}", "jit=off", "max_connections=60", "shared_buffers=64MB"]
        options += more
        command = [*before, str(place / "postgres"), "-D", f"{name}/data"]
        for option in options:
            command += ["-c", option]
        log = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            url = f"host={name} user=tests dbname=postgres"
            _await(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for connections to be closed
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
            log.close()


def database(url: str, name: str, template: str = "template1", *, keep: bool = False) -> str:
    """A new database of a server, or with `keep` one that is there; its address as a URL."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            there = cursor.fetchone() is not None
            if there and not keep:
                cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            if not there or not keep:
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    parts = parse_dsn(url)
    return f"postgresql://{parts['user']}@/{name}?{urlencode({'host': parts['host']})}"


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"PostgreSQL did not start: {error}") from error
            time.sleep(0.05)
