"""The demo's passwords: made once, kept beside its data, printed at every start."""

import secrets
from pathlib import Path

from app.demo.cast import ADMINS, COMPANIES

FILE = "sign-ins.txt"
_SALT_BYTES = 12


def keep(instance: Path) -> dict[str, str]:
    """Return the password of every address, made at the first call and kept with mode 0600."""
    path = instance / FILE
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.touch(0o600)
        draft.write_text(_written())
        draft.replace(path)
    rows = [line.split() for line in path.read_text().splitlines() if "@" in line]
    return {row[-2]: row[-1] for row in rows}


def _written() -> str:
    who = [("admin", address) for address in ADMINS]
    who += [(company.name, company.email) for company in COMPANIES]
    lines = [
        f"  {name:<16} {email:<26} {secrets.token_urlsafe(_SALT_BYTES)}" for name, email in who
    ]
    return "\n".join(["Sign in as", *lines, ""])
