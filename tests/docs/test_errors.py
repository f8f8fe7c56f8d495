"""The error guide lists every code the product answers, and no other."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator

import app
from app.api import problems
from app.config import ROOT
from app.core.errors import Refusal
from app.web import errors
from tests.docs import reading

NOT_OURS = ("app.simulator", "app.__main__")
OWN_STATUS = {
    "invalid_json": "400",
    "invalid_api_key": "401",
    "insufficient_scope": "403",
    "unsupported_media_type": "415",
    "wrong_credentials": "422",
    "bad_notice": "401",
}


def refusals() -> list[type[Refusal]]:
    """Return every kind of refusal, wherever it is declared."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.startswith(NOT_OURS):
            importlib.import_module(module.name)
    return [Refusal, *descendants(Refusal)]


def descendants(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("app."):
            yield child
        yield from descendants(child)


def item_codes() -> set[str]:
    """Return the codes of events that were not taken, as the source gives them."""
    sources = ("app/metering/ingestion.py", "app/metering/matching.py")
    return {code for source in sources for code in second_arguments(source, "ItemResult")}


def protocol_codes() -> set[str]:
    """Return the codes that no refusal stands behind: of HTTP itself, and of a database away."""
    given = second_arguments("app/api/problems.py", "_answer")
    return given | set(problems._CODES.values()) | {"internal_error"}  # noqa: SLF001  # no other list


def second_arguments(source: str, function: str) -> set[str]:
    """Return the texts that a module passes to a function as its second argument."""
    calls = [n for n in ast.walk(ast.parse((ROOT / source).read_text())) if isinstance(n, ast.Call)]
    return {
        str(call.args[1].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == function
        if len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    }


def listed() -> dict[str, str]:
    """Return status by code, as the guide says."""
    rows = [row for table in reading.tables("errors.md") for row in table if len(row) == 4]
    assert len({row[0] for row in rows}) == len(rows), "a code stands there twice"
    return {code: status for code, status, _, _ in rows}


def test_every_code_is_listed_and_no_other() -> None:
    known = {kind.code for kind in refusals()} | item_codes() | protocol_codes()

    assert set(listed()) == known


def test_every_status_is_the_one_that_is_answered() -> None:
    statuses = listed()
    wanted = {kind.code: OWN_STATUS.get(kind.code, status(kind)) for kind in refusals()}

    assert {code: statuses[code] for code in wanted} == wanted


def status(kind: type[Refusal]) -> str:
    """Return what a door answers; only the kind counts, so the refusal is made without words."""
    return str(errors.status_of(kind.__new__(kind)))


def test_the_statuses_have_titles() -> None:
    answered = {int(status) for status in listed().values() if status != "item"}

    assert answered <= set(problems.TITLES)
