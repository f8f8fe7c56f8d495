"""The hosted page on which a customer pays an invoice."""

from flask import Flask


def register(app: Flask) -> None:
    """Add the doors routes."""
    del app
