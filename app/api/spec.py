"""OpenAPI 3.1, written from the declarations that validate and authorise."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from app.api.operations import JSON, Api, Operation
from app.api.problems import TITLES, Problem
from app.identity.models import Scope

_REF = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"<([a-z_]+)>")
_ID_PATTERN = "^{prefix}_[0-9a-z]{{13}}$"
_PROBLEM_JSON = "application/problem+json"


def document(apis: Sequence[Api], *, title: str, version: str, server: str) -> dict[str, Any]:
    """Return the whole document, every schema named once."""
    operations = [(api, operation) for api in apis for operation in api.operations]
    kinds = [Problem, *_kinds([operation for _, operation in operations])]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for api, operation in operations:
        path = api.prefix + _path(api, operation)
        described = _operation(api, operation, schemas)
        paths.setdefault(path, {})[operation.method.lower()] = described
    for query in {operation.query for _, operation in operations} - {None}:
        del schemas[query.__name__]  # written out as parameters
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in sorted({operation.tag for _, operation in operations})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {f"Problem{status}": _problem(status) for status in sorted(TITLES)},
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY},
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key with the scope of the operation: "
                    + ", ".join(f"`{scope}`" for scope in Scope),
                }
            },
        },
    }


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request is answered the same for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}


def _path(api: Api, operation: Operation) -> str:
    return _PATH_PARAMETER.sub(lambda found: "{" + api.spell(found[1]) + "}", operation.rule)


def _kinds(operations: Sequence[Operation]) -> list[Any]:
    found: dict[Any, None] = {}
    for operation in operations:
        returns = operation.returns if operation.media == JSON else None
        for kind in (operation.body, operation.query, returns):
            if kind is not None:
                found[kind] = None
    return list(found)


def _operation(api: Api, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(operation.view) or "").partition("\n")
    parameters: list[dict[str, Any]] = [
        {
            "name": api.spell(name),
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _ID_PATTERN.format(prefix=prefix)},
        }
        for name, prefix in operation.path_ids.items()
    ]
    parameters += _query_parameters(operation.query, schemas)
    if operation.is_write:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": _responses(operation),
        "security": [{"apiKey": []}],
        "x-scope": operation.scope,
    }
    if description.strip():
        described["description"] = description.strip()
    if operation.body is not None:
        content = {"schema": _schema(operation.body)}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    statuses = {401, 403, 429, 503, *operation.errors}
    if operation.is_write:
        statuses |= {400, 409, 413, 415, 422}
    if operation.query is not None:
        statuses.add(422)
    if operation.path_ids:
        statuses.add(404)
    content = {"schema": _schema(operation.returns)} if operation.media == JSON else {}
    responses: dict[str, Any] = {
        str(operation.status): {"description": "Done", "content": {operation.media: content}}
    }
    for status in sorted(statuses):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return responses


def _query_parameters(query: Any, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if query is None:
        return []
    properties = schemas[query.__name__]["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schemas[query.__name__].get("required", []),
            "schema": _without_null(schema),
        }
        for name, schema in properties.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema: a query string has no null, an absent one is absent."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k != "anyOf" and (k, v) != ("default", None)}
    return {**rest, **choices[0]} if len(choices) == 1 else rest


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": TITLES[status],
        "content": {_PROBLEM_JSON: {"schema": _schema(Problem)}},
    }
