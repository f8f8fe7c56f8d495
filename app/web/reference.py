"""The API reference, read out of the committed OpenAPI document: every operation and its fields.

The document is written from the declarations that validate and authorise (`make docs`), so the
page can not say anything else than the API does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from markupsafe import Markup

from app.config import ROOT
from app.web import examples, markdown

DOCUMENT = ROOT / "docs" / "openapi.json"
_METHODS = ("get", "post", "put", "patch", "delete")
_READING_ORDER = (
    *("Products", "Rate cards", "Metrics", "Customers", "Contracts", "Usage"),
    *("Invoices", "Webhooks", "Ledger", "Sandbox"),
)
_DEEPEST = 3
"""How far a field of a field of a field is unfolded."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or one field; `depth` is how far it is inside another."""

    name: str
    type: str
    is_required: bool
    text: Markup
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the reference, with a call to copy and the answer it gives."""

    id: str
    method: str
    path: str
    tag: str
    title: str
    summary: Markup
    text: Markup
    scope: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answer: tuple[Field, ...]
    status: str
    errors: tuple[str, ...]
    curl: str
    example: str


def groups(document: Schema, *, base_url: str) -> list[tuple[str, list[Operation]]]:
    """Return the operations by tag, in the order one meets them; unknown tags come last."""
    order = {tag: position for position, tag in enumerate(_READING_ORDER)}
    every = sorted(
        _Reader(document, base_url).operations(),
        key=lambda operation: (order.get(operation.tag, len(order)), operation.tag),
    )
    return [(tag, list(found)) for tag, found in groupby(every, key=lambda one: one.tag)]


@cache
def committed() -> Schema:
    """Return the document as it was committed."""
    document: Schema = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return document


class _Reader:
    """Reads one document; every `$ref` is looked up in it."""

    def __init__(self, document: Schema, base_url: str) -> None:
        self._document = document
        self._base_url = base_url

    def operations(self) -> Iterator[Operation]:
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item:
                    yield self._operation(method, path, item[method])

    def _operation(self, method: str, path: str, found: Schema) -> Operation:
        status = next(code for code in found["responses"] if code.startswith("2"))
        answer = self._resolve(found["responses"][status])
        body = found.get("requestBody", {})
        return Operation(
            id=found["operationId"],
            method=method.upper(),
            path=path,
            tag=found["tags"][0],
            title=found["operationId"].replace("_", " ").capitalize(),
            summary=_drawn(found["summary"]),
            text=_drawn(found.get("description", "")),
            scope=found["x-scope"],
            parameters=tuple(self._parameter(one) for one in found["parameters"]),
            body=tuple(self._fields(_schema_of(body), depth=0)),
            answer=tuple(self._fields(_schema_of(answer), depth=0)),
            status=status,
            errors=tuple(code for code in found["responses"] if code != status),
            curl=self._curl(method, path, body),
            example=self._answer_example(answer),
        )

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Schema = self._document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def _parameter(self, given: Schema) -> Field:
        found = self._resolve(given)
        schema = found.get("schema", {})
        text = found.get("description", "") or schema.get("description", "")
        name = f"{found['name']} ({found['in']})" if found["in"] != "query" else found["name"]
        return Field(name, self._type(schema), bool(found.get("required")), _drawn(text))

    def _fields(self, schema: Schema, *, depth: int) -> Iterator[Field]:
        """Yield the fields of an object, each followed by those inside it."""
        for kind in self._objects(schema):
            required = kind.get("required", [])
            for name, field in _properties(kind):
                text = _drawn(field.get("description", ""))
                yield Field(name, self._type(field), name in required, text, depth)
                if depth + 1 < _DEEPEST:
                    yield from self._fields(field, depth=depth + 1)

    def _objects(self, schema: Schema) -> Iterator[Schema]:
        """Yield the object that a schema is, or that its items, values or choices are."""
        found = self._resolve(schema)
        if "properties" in found:
            yield found
        for choice in found.get("anyOf", ()):
            yield from self._objects(choice)
        for inner in (found.get("items"), found.get("additionalProperties")):
            if isinstance(inner, Mapping):
                yield from self._objects(inner)

    def _type(self, schema: Schema) -> str:
        """Say in a few words what a value is."""
        found = self._resolve(schema)
        if "anyOf" in found:
            return " or ".join(dict.fromkeys(self._type(choice) for choice in found["anyOf"]))
        if "const" in found:
            return f'"{found["const"]}"'
        if "enum" in found:
            return " | ".join(str(value) for value in found["enum"])
        if "items" in found:
            return f"list of {self._type(found['items'])}"
        if isinstance(found.get("additionalProperties"), Mapping):
            return f"map to {self._type(found['additionalProperties'])}"
        return _plain_type(found)

    def _curl(self, method: str, path: str, body: Schema) -> str:
        method_part = "" if method == "get" else f"-X {method.upper()} "
        lines = [f"curl {method_part}{self._base_url}{_with_variables(path)}"]
        lines.append('-H "Authorization: Bearer $BUFFMONEY_API_KEY"')
        if body:
            media = body["content"]["application/json"]
            example = media.get("example") or self._example(media["schema"], "")
            lines.append('-H "Content-Type: application/json"')
            lines.append(f"-d '{_json(example)}'")
        return " \\\n  ".join(lines)

    def _answer_example(self, answer: Schema) -> str:
        media = answer.get("content", {}).get("application/json")
        return _json(self._example(media["schema"], "")) if media else ""

    def _example(self, schema: Schema, name: str) -> Any:
        """Make up a value of this schema; fields that everybody knows get values that fit."""
        found = self._resolve(schema)
        if examples.is_known(name, found):
            return examples.value(name, found)
        if "anyOf" in found:
            return self._example(found["anyOf"][0], name)
        if "properties" in found:
            own = {"id": examples.row_id(found["title"])} if "id" in found["properties"] else {}
            return {key: self._example(value, key) for key, value in _properties(found)} | own
        if "items" in found:
            return [self._example(found["items"], "")]
        if isinstance(found.get("additionalProperties"), Mapping):
            return {"USD": self._example(found["additionalProperties"], "")}
        return examples.scalar(found)


def _plain_type(schema: Schema) -> str:
    kind = str(schema.get("type", "any"))
    if "maximum" in schema:
        return f"{kind}, {schema.get('minimum', 0)} to {schema['maximum']}"
    return {"date-time": "instant", "date": "day"}.get(schema.get("format", ""), kind)


def _drawn(text: str) -> Markup:
    return markdown.inline(text, link=str)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _properties(schema: Schema) -> list[tuple[str, Schema]]:
    """Return the fields of an object as they were declared: the document sorts them by name."""
    order = {name: position for position, name in enumerate(schema.get("required", []))}
    fields = schema.get("properties", {}).items()
    return sorted(fields, key=lambda field: order.get(field[0], len(order)))


def _schema_of(given: Schema) -> Schema:
    media = given.get("content", {}).get("application/json", {})
    schema: Schema = media.get("schema", {})
    return schema


def _with_variables(path: str) -> str:
    """Write a path with shell variables for its ids: `/invoices/$INVOICE_ID`."""
    parts = path.split("/")
    return "/".join(f"${part[1:-1].upper()}" if part.startswith("{") else part for part in parts)
