"""`python -m app.simulator`: make or find the keys, say where we are, serve until told to stop."""

import logging
import os
import signal
import time
from functools import partial
from threading import Thread

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from app.simulator import courier, keys
from app.simulator.book import Book
from app.simulator.parts import Parts
from app.simulator.settings import Settings
from app.simulator.web import create_app

THREADS = min(8, 2 * (os.cpu_count() or 1) + 1)  # more than four: a slow call keeps one


def main() -> None:
    settings = Settings.read(os.environ)
    identity = keys.load_or_make(settings.folder)
    keys.hand_over(settings, identity)
    server = Granian(
        "app.simulator.web",  # a name for the log: `load` is what makes the application
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        backpressure=64,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(
        target_loader=partial(load, settings=settings, parent=os.getpid()), wrap_loader=False
    )


def load(*, settings: Settings, parent: int) -> Flask:
    """Make the application inside the one worker process, with its courier beside it."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    book = Book(settings.folder / "book.db")
    parts = Parts(settings, keys.load_or_make(settings.folder), book)
    carrying = courier.start(parts)
    Thread(target=_leave_with, args=(parent, carrying), name="leave", daemon=True).start()
    return create_app(parts)


def _leave_with(parent: int, carrying: Thread) -> None:
    # A parent killed with -9 can not stop us, and an orphan would keep the port; a simulator
    # without its courier would look alive and tell nobody anything.
    while os.getppid() == parent and carrying.is_alive():
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
