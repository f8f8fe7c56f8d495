"""Channels calling us."""

from flask import Flask


def register(app: Flask) -> None:
    """Add the doors routes."""
    del app
