"""Which lines of the MQL5 files ran: ``python mql5/runner/coverage.py mql5/build/kakehashi-ea-cov``.

The program was built with ``--cov`` and has run, as often as it takes; every run that ended by itself counts. One that was
killed by SIGKILL does not.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def executed(program: Path) -> dict[str, dict[int, int]]:
    """How often each line ran, by file and line number.

    :raises FileNotFoundError: no counts yet, or no gcov
    """
    counts = program.with_name(program.name + ".gcda")
    gcov = shutil.which("gcov")
    if gcov is None or not counts.is_file():
        raise FileNotFoundError("gcov (it comes with g++)" if gcov is None else f"{counts}: run the program first")
    said = subprocess.run([gcov, "--json-format", "--stdout", str(counts)], cwd=ROOT, capture_output=True, check=True)
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in said.stdout.splitlines():
        for file in json.loads(row)["files"]:
            if file["file"].endswith((".mqh", ".mq5")):
                for line in file["lines"]:  # of a template there is one row for each type
                    found[file["file"]][line["line_number"]] += line["count"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--least", type=float, default=0.0, help="per cent of all lines that must have run")
    parser.add_argument("--missing", action="store_true", help="name the lines that did not run")
    chosen = parser.parse_args()
    try:
        files = executed(chosen.program.resolve())
    except FileNotFoundError as e:
        print(f"there is no {e}", file=sys.stderr)
        return 1
    ran = total = 0
    for name, lines in sorted(files.items()):
        hit = sum(count > 0 for count in lines.values())
        ran, total = ran + hit, total + len(lines)
        missing = [str(n) for n, count in sorted(lines.items()) if not count] if chosen.missing else []
        print(f"{100 * hit / len(lines):6.1f} % of {len(lines):4} {name} {' '.join(missing)}".rstrip())
    share = 100 * ran / total if total else 0.0
    print(f"{share:6.1f} % of {total:4} lines")
    return 0 if share >= chosen.least else 1


if __name__ == "__main__":
    sys.exit(main())
