#!/usr/bin/env python3
"""Shows that tests/coverage.rs can fail: builds the program with one fault of the method at a time, in a copy, and runs the test.

Each fault is a replacement in the source. A replacement that no longer applies is an error, so that no fault is tried in name only.
The copy shares the target folder: only this package is compiled anew. Usage: tests/mutations.py [FAULT ...]
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

SHUFFLE = "    SplitMix64::new(seed ^ pair.wrapping_mul(0x9E37_79B9_7F4A_7C15)).shuffle(&mut order);\n"
MIRROR = "    if round % 2 == 1 {\n        order.reverse();\n    }\n"
SHOWN = "let interval = stats::paired_effect(&d, protocol.confidence)"

# Name, file, what is replaced by what.
FAULTS = [
    ("the same order in every round", "src/run/schedule.rs", [(SHUFFLE, "    let _ = (pair, seed);\n"), (MIRROR, "")]),
    (
        "random order, not mirrored",
        "src/run/schedule.rs",
        [("u64::from(round / 2)", "u64::from(round)"), (MIRROR, "")],
    ),
    ("intervals of 93 %", "src/analysis/verdict.rs", [(SHOWN, SHOWN.replace("protocol.confidence", "0.93"))]),
    ("intervals of 97 %", "src/analysis/verdict.rs", [(SHOWN, SHOWN.replace("protocol.confidence", "0.97"))]),
    (
        "no adjustment for several verdicts",
        "src/metric/verdicts.rs",
        [("1.0 - (1.0 - confidence) / verdicts.max(1) as f64", "confidence.min(verdicts.max(1) as f64)")],
    ),
    ("no region of equivalence", "src/analysis/verdict.rs", [("let border = equivalence.ln_1p();", "let border = 0.0 * equivalence;")]),
]


def built_or_fetched(folder, names):
    """What is not source: left out of the copy."""
    left_out = {ROOT / "target", ROOT / ".git", ROOT / "results", ROOT / "vendor" / "cache"}
    return [name for name in names if pathlib.Path(folder) / name in left_out]


def mutate(copy, file, replacements):
    path = copy / file
    text = path.read_text()
    for old, new in replacements:
        if text.count(old) == 0:
            sys.exit(f"{file} no longer has {old!r}: bring this fault up to date")
        text = text.replace(old, new)
    path.write_text(text)


def coverage(copy):
    """The exit code of the test and the assertions that failed."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET))
    command = ["cargo", "test", "--release", "--locked", "--test", "coverage"]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if "running 5 tests" not in ran.stdout:
        sys.exit("the test did not run:\n" + ran.stderr[-2000:])
    lines = ran.stdout.splitlines()
    said = [lines[i + 1] for i, line in enumerate(lines[:-1]) if "panicked at tests/coverage.rs" in line]
    return ran.returncode, said


def main():
    wanted = sys.argv[1:]
    faults = [fault for fault in FAULTS if not wanted or fault[0] in wanted]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=built_or_fetched, symlinks=True)
        for name, file, replacements in faults:
            whole = (copy / file).read_text()
            mutate(copy, file, replacements)
            code, said = coverage(copy)
            (copy / file).write_text(whole)
            print(f"{name}: {'red' if code else 'NOT SEEN'}", *said, sep="\n  ", flush=True)
            if code == 0:
                missed.append(name)
    if missed:
        sys.exit(f"coverage.rs does not see: {', '.join(missed)}")


main()
