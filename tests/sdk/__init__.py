"""The Python client, as a developer has it: installed beside the product, sharing no code."""

import sys

from app.config import ROOT

SDK = ROOT / "sdk" / "python"
SOURCE = str(SDK / "src")

if SOURCE not in sys.path:
    sys.path.insert(0, SOURCE)
