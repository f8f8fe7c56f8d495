"""The parts of one running simulator, as its doors find them."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from flask import current_app

from app.simulator import clock
from app.simulator.book import Book
from app.simulator.clock import BookClock
from app.simulator.keys import Identity
from app.simulator.settings import Settings


@dataclass(frozen=True)
class Parts:
    """`due` is set after a commit that made a notice due, so that the courier need not wait."""

    settings: Settings
    identity: Identity
    book: Book
    due: Event = field(default_factory=Event)

    def clock(self) -> BookClock:
        """Return the book's clock as it is set now."""
        with self.book.reading() as db:
            return clock.read(db)

    def now(self) -> datetime:
        """Return the book's time: what orders, refunds and statements live by."""
        return self.clock().at(clock.now())


def parts() -> Parts:
    found: Parts = current_app.extensions["simulator"]
    return found
