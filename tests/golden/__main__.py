"""Run golden case files: `python -m tests.golden FILE…` prints one line of JSON.

The exit status is 1 when a case fails. Why it failed goes to stderr.
"""

import json
import sys
from pathlib import Path

from tests.golden.runner import Outcome, load, run


def main(paths: list[Path]) -> int:
    results = [run(case) for case in load(paths)]
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    for result in failed:
        sys.stderr.write(f"{result.case_id}: {result.reason}\n")
    counts = {
        outcome.value: sum(result.outcome is outcome for result in results) for outcome in Outcome
    }
    summary = counts | {"failures": [result.case_id for result in failed]}
    sys.stdout.write(json.dumps(summary) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main([Path(argument) for argument in sys.argv[1:]]))
