"""The JSON Schemas of webhook events, from the types that are sent."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.webhooks.catalogue import Envelope, EventType, envelope
from app.webhooks.examples import EXAMPLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RESERVED = " Reserved: not sent yet."
_AT = datetime(2026, 6, 3, 8, 12, 31, 402_000, tzinfo=UTC)


def schemas() -> dict[str, str]:
    """Return the schema of each event as text, by the name of its file."""
    return {f"{each.value}.json": _text(schema(each)) for each in EventType}


def schema(event_type: EventType) -> dict[str, Any]:
    """Return what the body of such a message looks like, with an example."""
    (_head, data), parts = msgspec.json.schema_components(
        [Envelope, event_type.payload], ref_template="#/$defs/{name}"
    )
    properties = {
        **parts[Envelope.__name__]["properties"],
        "type": {"const": event_type.value},
        "data": data,
    }
    used = {name: part for name, part in parts.items() if name not in {"Envelope", "EventType"}}
    return {
        "$schema": DIALECT,
        "title": event_type.value,
        "description": event_type.description
        + (" Reserved: not sent yet." * event_type.is_reserved),
        "type": "object",
        "properties": properties,
        "required": parts[Envelope.__name__]["required"],
        "$defs": used,
        "examples": [example(event_type)],
    }


def example(event_type: EventType) -> dict[str, Any]:
    """Return the body of a message of this type."""
    body = envelope(
        "msg_0123456789abc", event_type, EXAMPLES[event_type], sequence=1, created_at=_AT
    )
    told: dict[str, Any] = json.loads(body)
    return told


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
