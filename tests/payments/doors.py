"""The product's own application, on this worker's database, with a simulator's channel keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from app.config import Settings
from app.extensions import db
from app.factory import create_app
from tests.conftest import Databases


@contextmanager
def open_doors(databases: Databases, instance: Path, port: int = 8000) -> Iterator[Flask]:
    """Make the application; `simulator.json` in `instance` says which channels it talks to.

    Nobody answers at its queue: what is committed waits for the ticker.
    """
    app = create_app(
        Settings(
            app_database_url=databases.app,
            worker_database_url=databases.worker,
            reader_database_url=databases.reader,
            redis_url="redis://127.0.0.1:1/0",
            instance_dir=instance,
            port=port,
        )
    )
    try:
        yield app
    finally:
        made = vars(app.extensions["buffmoney"])
        if "channel_client" in made:
            made["channel_client"].close()  # a process never does, a test must
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()
