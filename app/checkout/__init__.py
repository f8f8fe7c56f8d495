"""The hosted page on which a customer pays an invoice: no login, the link is the key."""

from flask import Flask

from app.checkout import routes


def register(app: Flask) -> None:
    """Add the page, the choice of a channel, and what the page asks every other second."""
    app.register_blueprint(routes.blueprint())
