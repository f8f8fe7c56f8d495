"""Channels calling us. A callback is proved by its signature alone: no cookie, no key, no login."""

from flask import Flask

from app.callbacks import routes
from app.extensions import csrf, limiter


def register(app: Flask) -> None:
    """Add one address per channel. No limit and no form token may ever drop a channel's call."""
    door = routes.blueprint()
    csrf.exempt(door)
    limiter.exempt(door)
    app.register_blueprint(door)
