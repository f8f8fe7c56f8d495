"""Run benchmarks: `python -m bench NAME [--rounds 5] [--scale 1] [--json out.json]`.

`NAME` may be `all`; `chaos` takes `--kills 30 --seed 7`. Prints a table and, as its last lines, one
JSON object for each benchmark. Ends with 1 when a gate is missed.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from bench import (
    chaos,
    crashes,
    growth,
    ingest,
    invoices,
    pages,
    pdf,
    rating,
    storms,
    versus,
    webhooks,
)

BENCHMARKS = {
    "chaos": chaos.run,
    "crash": storms.run_crash,
    "crashes": crashes.run,
    "dup": storms.run_dup,
    "ingest": ingest.run,
    "ingest-growth": growth.run,
    "ingest-peer-orm": versus.run,
    "ingest-room": ingest.run_room,
    "invoices": invoices.run,
    "pages": pages.run,
    "pdf": pdf.run,
    "rating": rating.run,
    "webhooks": webhooks.run,
}


def main(arguments: list[str]) -> int:
    """Run the benchmark that is named, or all, and say whether every gate was held."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=[*sorted(BENCHMARKS), "all"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="batches per round, relative")
    parser.add_argument("--json", type=Path, help="also write the last line to this file")
    parser.add_argument("--kills", type=int, help="of chaos; 30 times the scale")
    parser.add_argument("--seed", type=int, help="of chaos; drawn, and told, if none is given")
    asked = parser.parse_args(arguments)

    names = sorted(BENCHMARKS) if asked.name == "all" else [asked.name]
    benchmarks = BENCHMARKS | {"chaos": partial(chaos.run, seed=asked.seed, kills=asked.kills)}
    results = [benchmarks[name](rounds=asked.rounds, scale=asked.scale) for name in names]
    lines = "\n".join(json.dumps(result, sort_keys=True) for result in results)
    if asked.json:
        asked.json.write_text(lines + "\n")
    print(lines)
    return 1 if any(result["missed"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
