"""``python -m tests.simulation --seeds N --first K``: seeds K to K+N-1, spread over two processes; one JSON line at the end.

The same seeds give the same line, byte for byte: nothing in it is of this machine. Progress goes to stderr.
"""

import argparse
import gc
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import Report, run_seed

PROCESSES = 2


def summary(reports: Iterable[Report]) -> dict[str, int | float]:
    """The figures over all seeds. Times are virtual seconds; ratios are shares from 0 to 1."""
    done = sorted(reports, key=lambda r: r.seed)
    recoveries = sorted(seconds for r in done for seconds in r.recoveries)
    fresh, pages = sum(r.fresh_s for r in done), sum(r.pages for r in done)
    return {
        "seeds": len(done),
        "hours": round(sum(r.hours for r in done), 3),
        "commands": sum(r.commands for r in done),
        "faults": sum(r.faults for r in done),
        "kills": sum(r.kills for r in done),
        "lost": sum(len(r.lost) for r in done),
        "doubled": sum(len(r.doubled) for r in done),
        "wrong": sum(len(r.wrong) for r in done),
        "false_alerts": sum(r.false_alerts for r in done),
        "false_pages_ratio": round(sum(r.false_pages for r in done) / max(pages, 1), 5),
        "mean_recovery_s": round(sum(recoveries) / max(len(recoveries), 1), 2),
        "p99_recovery_s": recoveries[int(len(recoveries) * 0.99)] if recoveries else 0.0,
        "stale_as_fresh_ratio": round(sum(r.wrong_fresh_s for r in done) / max(fresh, 1.0), 6),
    }


def _lean() -> None:
    """Cyclic garbage is looked for between worlds only."""
    gc.freeze()
    gc.disable()


def _run(seed: int) -> Report:
    report = run_seed(seed)
    if seed % 10 == 0:
        gc.collect()
    return report


def _show(report: Report, at: int, of: int) -> None:
    if not report.clean:
        print(f"seed {report.seed} failed; repeat it: make sim SEEDS=1 FIRST={report.seed}", file=sys.stderr)
        for kind in ("lost", "doubled", "wrong"):
            for what in getattr(report, kind):
                print(f"  {kind}: {what}", file=sys.stderr)
    if at % 20 == 0 or at == of:
        print(f"{at} of {of} seeds", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="each seed's figures on stderr")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    reports: list[Report] = []
    with ProcessPoolExecutor(PROCESSES, initializer=_lean) as pool:
        for at, report in enumerate(pool.map(_run, seeds, chunksize=1), 1):
            reports.append(report)
            _show(report, at, len(seeds))
            if asked.verbose:
                print(f"  seed {report.seed}: {report.kinds}", file=sys.stderr)
    figures = summary(reports)
    print(json.dumps(figures))
    return int(figures["lost"] + figures["doubled"] + figures["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
