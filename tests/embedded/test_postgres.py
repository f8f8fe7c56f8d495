"""The embedded PostgreSQL starts from whatever a crash left, and never harms data it finds."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.config import ROOT
from app.embedded import THROWAWAY, EmbeddedError, Postgres, command_of
from app.roles import UnsafeDatabase, check_durable

SMALL = THROWAWAY | {"shared_buffers": "16MB", "wal_buffers": "1MB"}


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="embedded-"))
    folder.chmod(0o755)  # the account that PostgreSQL runs as when we are root goes in
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder, SMALL)
    server.start()
    yield server
    server.stop()


def connect(server: Postgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        f"host={server.socket_dir} user=postgres dbname=buffmoney", autocommit=True
    )


def kill(server: Postgres) -> None:
    assert server.process
    server.process.kill()
    server.process.wait()


def start_until_it_does(server: Postgres) -> None:
    """Start as the supervisor does: what a killed server left needs a moment to go."""
    for _ in range(5):
        try:
            server.start()
        except EmbeddedError:
            time.sleep(0.5)
        else:
            return
    server.start()


def test_what_was_written_survives_a_hard_kill(folder: Path, server: Postgres) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 905.33 AS amount")
        connection.execute("CHECKPOINT")  # this server does not sync by itself
    kill(server)
    start_until_it_does(server)

    with connect(server) as connection:
        assert str(connection.execute("SELECT amount FROM kept").fetchall()) == (
            "[(Decimal('905.33'),)]"
        )
    assert (folder / "postgres" / "PG_VERSION").read_text() == "18\n"


def test_a_pid_file_that_names_somebody_else_is_no_server(server: Postgres) -> None:
    kill(server)
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    start_until_it_does(server)

    assert server.is_ready()


def test_an_unreadable_pid_file_is_no_server(server: Postgres) -> None:
    kill(server)
    (server.data / "postmaster.pid").write_text("")
    start_until_it_does(server)

    assert server.is_ready()


def test_a_second_start_finds_the_running_server(folder: Path, server: Postgres) -> None:
    second = Postgres(folder, SMALL)

    assert second.start() == server.url()
    assert second.process is None


def test_a_leftover_server_is_stopped_before_ours_starts(folder: Path, server: Postgres) -> None:
    ours = Postgres(folder, SMALL)
    ours.end_leftover()

    assert server.process
    assert server.process.wait(5) == 0
    ours.start()
    assert ours.process
    ours.stop()


def test_a_folder_without_a_server_has_no_leftover(folder: Path) -> None:
    nothing = Postgres(folder, SMALL)

    nothing.end_leftover()

    assert nothing.process is None
    assert not nothing.is_ready()


def test_data_of_another_version_is_refused_and_left_as_it_is(
    folder: Path, server: Postgres
) -> None:
    server.stop()
    (server.data / "PG_VERSION").write_text("17\n")
    before = sorted(path.name for path in server.data.iterdir())

    with pytest.raises(EmbeddedError, match="initialized by PostgreSQL version 17"):
        Postgres(folder, SMALL).start()

    assert sorted(path.name for path in server.data.iterdir()) == before


def test_it_dies_with_its_parent(folder: Path) -> None:
    code = (
        "import os, pathlib, signal, sys\n"
        "from app.embedded import Postgres\n"
        "server = Postgres(pathlib.Path(sys.argv[1]), {'shared_buffers': '16MB'})\n"
        "server.start()\n"
        "print(server.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, check=False
    )

    assert parent.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while command_of(int(parent.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    deep = folder / ("long-" * 30)
    server = Postgres(deep, SMALL)
    server.start()

    assert server.is_ready()
    assert len(str(server.socket)) < 100
    server.stop()
    shutil.rmtree(server.socket_dir)


def test_nobody_but_the_launcher_gets_in_without_a_password(server: Postgres) -> None:
    with connect(server) as connection:
        connection.execute("CREATE ROLE guest LOGIN")

    with pytest.raises(psycopg.OperationalError, match="fe_sendauth: no password supplied"):
        psycopg.connect(f"host={server.socket_dir} user=guest dbname=buffmoney")


def test_a_server_that_does_not_sync_is_refused(server: Postgres) -> None:
    with pytest.raises(UnsafeDatabase, match="the database runs with fsync off"):
        check_durable(server.url())
