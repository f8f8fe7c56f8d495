"""The house's rules about source, as tests: what is not checked will rot."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from app.core.states import Machine
from app.schema import MODELS

LONGEST_MODULE = 400
LONGEST_FUNCTION = 45
SOURCES = sorted(
    path
    for folder in ("app", "jobs", "tests", "bench", "tools", "sdk", "migrations")
    for path in (ROOT / folder).rglob("*.py")
    if "versions" not in path.parts
)
PRODUCT = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in {"app", "jobs"}]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_fits_a_readers_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_fits_a_screen(path: Path) -> None:
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{function.name} has {length} lines"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    for function in functions(path):
        inside = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not inside, f"{function.name} imports"


def test_only_one_place_opens_and_commits_transactions() -> None:
    for path in PRODUCT:
        text = path.read_text()
        if "simulator" not in path.parts:
            assert ".commit(" not in text or path.name in {"roles.py", "schema.py"}, name(path)
        if name(path) != "app/core/db.py":
            assert "with_for_update=True" not in text, name(path)


def test_a_lock_reads_again() -> None:
    """A plain `with_for_update` holds the lock and keeps the stale values."""
    for path in PRODUCT:
        text = path.read_text()
        locks = text.count("with_for_update(") + text.count("with_for_update=True")
        assert text.count("populate_existing") >= locks, name(path)


def test_nothing_names_the_plan_or_the_machine() -> None:
    words = re.compile(r"\.\./shared|/work/|/root/|farm-|\.library")
    for path in [*SOURCES, *TEMPLATES, *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        if path.name != "test_source.py" and path.exists():
            assert not words.search(path.read_text()), name(path)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_obeys_the_content_security_policy(path: Path) -> None:
    text = re.sub(r"\{[{%].*?[%}]\}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"\sstyle=[\"']|<style|\shx-on|javascript:|\son[a-z]+=[\"']", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "{% import" not in text
    assert "|safe" not in text


def test_every_state_can_be_reached() -> None:
    machines = [
        machine
        for module in MODELS
        for machine in vars(module).values()
        if isinstance(machine, Machine)
    ]

    assert machines
    for machine in machines:
        reached = {*machine.moves.values(), *(status for status, _ in machine.moves)}
        every = set(type(min(reached)).__members__.values())
        assert reached == every, machine.noun


def test_lock_files_name_no_registry() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert "http://" not in lock.read_text()
        assert "https://" not in lock.read_text()
