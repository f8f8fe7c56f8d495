"""JSON doors, a package per dialect; one declaration is route, validation, scope and spec."""

from flask import Flask

from app.api import errors

__all__ = ["errors", "register"]


def register(app: Flask) -> None:
    """Add the doors routes."""
    del app
