"""The parts of one running simulator, as its doors find them."""

from dataclasses import dataclass, field
from threading import Event

from flask import current_app

from app.simulator.book import Book
from app.simulator.keys import Identity
from app.simulator.settings import Settings


@dataclass(frozen=True)
class Parts:
    """`due` is set after a commit that made a notice due, so that the courier need not wait."""

    settings: Settings
    identity: Identity
    book: Book
    due: Event = field(default_factory=Event)


def parts() -> Parts:
    found: Parts = current_app.extensions["simulator"]
    return found
