"""Only our own pages, and programs that are no browsers, may press the simulator's buttons."""

from urllib.parse import urlsplit

from flask import abort, request


def require_same_origin() -> None:
    """Refuse a form that no page of ours sent: 403."""
    fetched_from, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if fetched_from is None and origin is None:
        abort(403)
    forbid_other_origins()


def forbid_other_origins() -> None:
    """Refuse what a browser sends on behalf of somebody else's page: 403."""
    fetched_from, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if fetched_from not in {None, "same-origin"}:
        abort(403)
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)
