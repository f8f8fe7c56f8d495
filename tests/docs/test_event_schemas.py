"""The published schema of each event is the type that is sent, and fits what is sent."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # it comes without types
    Draft202012Validator,
    ValidationError,
)

from app.webhooks.catalogue import EventType
from tools import events

FOLDER = Path(__file__).parents[2] / "docs" / "events"


def published(event_type: EventType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{event_type.value}.json").read_text("utf-8"))
    return found


def test_there_is_one_for_each_event_and_no_other() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {each.value for each in EventType}


@pytest.mark.parametrize("event_type", EventType)
def test_the_published_schema_fits_its_example(event_type: EventType) -> None:
    schema = published(event_type)
    Draft202012Validator.check_schema(schema)
    (example,) = schema["examples"]

    Draft202012Validator(schema).validate(example)

    assert example == events.example(event_type)


@pytest.mark.parametrize("event_type", EventType)
def test_a_message_without_one_of_its_fields_does_not_fit(event_type: EventType) -> None:
    schema = published(event_type)
    (example,) = schema["examples"]
    example["data"].popitem() if len(example["data"]) > 2 else example.pop("data")

    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(example)
