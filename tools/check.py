"""`make check`: every gate that needs no running product, one after the other, all of them.

Exits with 1 when any failed, after running the rest, so that one look shows everything.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine

from app import schema
from app.embedded import THROWAWAY, Postgres
from app.roles import ensure_roles

BIN = Path(sys.executable).parent
GATES = (
    ("format", [str(BIN / "ruff"), "format", "--check", "-q", "."]),
    ("lint", [str(BIN / "ruff"), "check", "-q", "."]),
    ("types", [str(BIN / "mypy")]),
    ("layers", [str(BIN / "lint-imports")]),
    ("templates", [str(BIN / "djlint"), "templates", "--check", "--lint", "--quiet"]),
    ("catalogue", [sys.executable, "-m", "tools.catalog", "--check"]),
    ("generated files", [sys.executable, "-m", "tools.generate", "--check"]),
)


def run_gate(name: str, command: list[str]) -> bool:
    """Run one gate and print its output only when it fails."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name:>16}  {verdict}  {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def schema_gate() -> bool:
    """Migrate an empty database and compare it with the models."""
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder), THROWAWAY | {"shared_buffers": "64MB"})
        url = server.start()
        try:
            ensure_roles(url, Path(folder) / "roles.json")
            schema.upgrade(url)
            with create_engine(url).connect() as connection:
                found = schema.differences(connection)
            heads = schema.is_at_head(url)
        finally:
            server.stop()
    for difference in found:
        print(difference)
    print(f"{'schema':>16}  {'FAILED' if found or not heads else 'ok'}", flush=True)
    return heads and not found


def main() -> int:
    """Run every gate."""
    passed = [run_gate(name, command) for name, command in GATES]
    passed.append(schema_gate())
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
