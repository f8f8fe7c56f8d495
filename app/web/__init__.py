"""The browser's door, for merchants and admins. `routes.py` lists every URL on one page."""

from flask import Flask

from app.web import access, errors, health, page, routes

__all__ = ["access", "errors", "health", "page", "register", "routes"]


def register(app: Flask) -> None:
    """Add every page, who may open it, and what the templates see."""
    access.register(app)
    page.register(app)
    app.register_blueprint(routes.blueprint())
