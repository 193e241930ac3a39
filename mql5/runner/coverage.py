"""Which lines of the MQL5 files ran: ``python mql5/runner/coverage.py mql5/build/kakehashi-ea-cov [MORE ...]``.

The programs were built with ``--cov`` and have run, as often as it takes; every run that ended by itself counts. One that
was killed by SIGKILL does not. A line that several programs include has run when it ran in one of them.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


Lines = dict[str, dict[int, int]]
"""How often each line ran, by file and line number."""


def executed(program: Path) -> Lines:
    """What one program's runs came to.

    :raises FileNotFoundError: no counts yet, or no gcov
    """
    counts = program.with_name(program.name + ".gcda")
    gcov = shutil.which("gcov")
    if gcov is None or not counts.is_file():
        raise FileNotFoundError("gcov (it comes with g++)" if gcov is None else f"{counts}: run the program first")
    said = subprocess.run([gcov, "--json-format", "--stdout", str(counts)], cwd=ROOT, capture_output=True, check=True)
    found: Lines = defaultdict(lambda: defaultdict(int))
    for row in said.stdout.splitlines():
        for file in json.loads(row)["files"]:
            if file["file"].endswith((".mqh", ".mq5")):
                for line in file["lines"]:  # of a template there is one row for each type
                    found[file["file"]][line["line_number"]] += line["count"]
    return found


def together(counts: Iterable[Lines]) -> Lines:
    """Several programs' counts as one."""
    sums: Lines = defaultdict(lambda: defaultdict(int))
    for files in counts:
        for name, lines in files.items():
            for number, count in lines.items():
                sums[name][number] += count
    return sums


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=Path, nargs="+", metavar="program")
    parser.add_argument("--under", default="mql5/", help="only files in this folder (all)")
    parser.add_argument("--least", type=float, default=0.0, help="per cent of all lines that must have run")
    parser.add_argument("--missing", action="store_true", help="name the lines that did not run")
    chosen = parser.parse_args()
    try:
        files = together(executed(program.resolve()) for program in chosen.programs)
    except FileNotFoundError as e:
        print(f"there is no {e}", file=sys.stderr)
        return 1
    ran = total = 0
    for name, lines in sorted(files.items()):
        if not name.startswith(chosen.under):
            continue
        hit = sum(count > 0 for count in lines.values())
        ran, total = ran + hit, total + len(lines)
        missing = [str(n) for n, count in sorted(lines.items()) if not count] if chosen.missing else []
        print(f"{100 * hit / len(lines):6.1f} % of {len(lines):4} {name} {' '.join(missing)}".rstrip())
    share = 100 * ran / total if total else 0.0
    print(f"{share:6.1f} % of {total:4} lines")
    return 0 if share >= chosen.least else 1


if __name__ == "__main__":
    sys.exit(main())
