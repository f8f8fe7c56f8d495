"""JSON doors, a package per dialect; one declaration is route, validation, scope and spec."""

from flask import Flask

from app.api import problems, v1
from app.extensions import csrf

__all__ = ["problems", "register"]


def register(app: Flask) -> None:
    """Add every dialect and the document that describes them."""
    for door in (v1.API.blueprint(), v1.document()):
        csrf.exempt(door)  # keys, not cookies, say who calls
        app.register_blueprint(door)
