"""Run one benchmark: `python -m bench NAME [--rounds 5] [--scale 1] [--json out.json]`.

Prints a table and, as its last line, one JSON object. Ends with 1 when a gate is missed.
"""

import argparse
import json
import sys
from pathlib import Path

from bench import ingest

BENCHMARKS = {"ingest": ingest.run, "ingest-room": ingest.run_room}


def main(arguments: list[str]) -> int:
    """Run the benchmark that is named and say whether it held its gates."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="batches per round, relative")
    parser.add_argument("--json", type=Path, help="also write the last line to this file")
    asked = parser.parse_args(arguments)

    result = BENCHMARKS[asked.name](rounds=asked.rounds, scale=asked.scale)
    line = json.dumps(result, sort_keys=True)
    if asked.json:
        asked.json.write_text(line + "\n")
    print(line)
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
