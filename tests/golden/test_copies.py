"""Cases and vectors are the ones agreed on: byte for byte, none missing, none added."""

from hashlib import sha256
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("folder", ["golden/cases", "vectors"])
def test_files_are_unchanged(folder: str) -> None:
    table = (TESTS / folder / "SHA256SUMS").read_text("ascii").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in table)}

    found = {
        path.name: sha256(path.read_bytes()).hexdigest() for path in (TESTS / folder).glob("*.json")
    }

    assert found == listed
