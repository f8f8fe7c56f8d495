"""The queue's door on a real Valkey and this worker's database, and a worker to empty it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from flask import Flask
from sqlalchemy import make_url

from app.config import Settings
from app.extensions import db, runtime
from app.factory import create_app
from jobs.worker import make_worker
from tests.conftest import Databases

QUEUES = ("default", "webhooks", "documents")


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> str:
    """Return a database of the queue that no other test process uses."""
    number = int(worker_id.removeprefix("gw")) % 14 + 1 if worker_id != "master" else 15
    return f"{os.environ['REDIS_URL'].partition('?')[0]}?db={number}"


@pytest.fixture
def app(databases: Databases, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    """Make a worker's application, and push its context."""
    settings = Settings(
        app_database_url=databases.app,
        worker_database_url=databases.worker,
        reader_database_url=databases.reader,
        redis_url=redis_url,
        instance_dir=tmp_path,
        webhook_allow_loopback=True,
    )
    app = create_app(settings, login="worker")
    with app.app_context():
        yield app
        runtime().redis.close()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def queue(app: Flask, databases: Databases) -> redis.Redis:  # noqa: ARG001  # its context is ours
    """Return the queue's server, empty; forget what tests before this one still owe."""
    owner = make_url(databases.owner).set(drivername="postgresql")
    with psycopg.connect(owner.render_as_string(hide_password=False)) as connection:
        connection.execute("DELETE FROM outbox_jobs")
        connection.execute("UPDATE webhook_deliveries SET next_attempt_at = NULL")
        connection.execute("UPDATE mails SET status = 'dead' WHERE status IN ('queued', 'failed')")
    runtime().redis.flushdb()
    return runtime().redis


@pytest.fixture
def work(queue: redis.Redis) -> Callable[[], None]:  # noqa: ARG001
    """Return what does all jobs that wait, as a worker would, and comes back."""

    def work_off() -> None:
        make_worker(*QUEUES).work(burst=True, logging_level="CRITICAL")

    return work_off
