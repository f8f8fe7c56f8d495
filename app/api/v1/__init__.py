"""`/api/v1`: camelCase, problem+json, cursors. One module a resource."""

from app.api.v1.base import API
from app.api.v1.document import document, spec

__all__ = ["API", "document", "spec"]
