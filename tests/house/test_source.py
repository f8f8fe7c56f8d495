"""The house's rules about source, as tests: what is not checked will rot."""

import ast
import re
from functools import cache
from pathlib import Path

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


@cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_a_module_fits_a_readers_head() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in SOURCES}

    assert lengths
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_a_function_fits_a_screen() -> None:
    lengths = {
        f"{name(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in SOURCES
        for function in functions(path)
    }

    assert lengths
    assert {place: lines for place, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


def test_nothing_is_imported_inside_a_function() -> None:
    importing = [
        f"{name(path)}:{function.name}"
        for path in PRODUCT
        for function in functions(path)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    ]

    assert importing == []


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


def test_a_template_obeys_the_content_security_policy() -> None:
    assert TEMPLATES
    for path in TEMPLATES:
        text = re.sub(r"\{[{%].*?[%}]\}", "", path.read_text(), flags=re.DOTALL)
        styled = r"\sstyle=[\"']|<style|\shx-on|javascript:|\son[a-z]+=[\"']"
        assert not re.search(styled, text), name(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), name(path)
        assert "{% import" not in text, name(path)
        assert "|safe" not in text, name(path)


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
