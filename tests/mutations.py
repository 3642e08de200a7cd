#!/usr/bin/env python3
"""Shows that tests/coverage.rs can fail: runs it on a copy of the program into which the faults of the method were patched.

Each fault is a replacement in the copy's source and acts when the variable FAULT names it, so that one build serves for all. A
replacement that no longer applies is an error: no fault is tried in name only. Without a fault the copy must pass.
The copy shares the target folder, so that only this package is compiled anew. Usage: tests/mutations.py [FAULT ...]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

FAULTS = [
    "the same order in every round",
    "random order, not mirrored",
    "intervals of 93 %",
    "intervals of 97 %",
    "no adjustment for several verdicts",
    "no region of equivalence",
]
SAME, RANDOM, NARROW, WIDE, UNADJUSTED, REGIONLESS = (f'crate::fault("{fault}")' for fault in FAULTS)

# File, what it says, and what it says with the faults.
PATCHES = [
    (
        "src/run/schedule.rs",
        "    SplitMix64::new(seed ^ pair",
        f"    if {SAME} {{\n        return order;\n    }}\n    SplitMix64::new(seed ^ pair",
    ),
    ("src/run/schedule.rs", "u64::from(round / 2)", f"u64::from(if {RANDOM} {{ round }} else {{ round / 2 }})"),
    ("src/run/schedule.rs", "    if round % 2 == 1 {", f"    if round % 2 == 1 && !{RANDOM} {{"),
    (
        "src/analysis/verdict.rs",
        "let interval = stats::paired_effect(&d, protocol.confidence)",
        f"let shown = if {NARROW} {{ 0.93 }} else if {WIDE} {{ 0.97 }} else {{ protocol.confidence }};\n"
        "        let interval = stats::paired_effect(&d, shown)",
    ),
    (
        "src/metric/verdicts.rs",
        "    1.0 - (1.0 - confidence) / verdicts.max(1) as f64",
        f"    if {UNADJUSTED} {{ confidence }} else {{ 1.0 - (1.0 - confidence) / verdicts.max(1) as f64 }}",
    ),
    (
        "src/analysis/verdict.rs",
        "let border = equivalence.ln_1p();",
        f"let border = if {REGIONLESS} {{ 0.0 }} else {{ equivalence.ln_1p() }};",
    ),
]

HOOK = """
/// Whether this fault is tried.
pub(crate) fn fault(name: &str) -> bool {
    std::env::var("FAULT").as_deref() == Ok(name)
}
"""


def built_or_fetched(folder, names):
    """What is not source: left out of the copy."""
    left_out = {ROOT / "target", ROOT / ".git", ROOT / "results", ROOT / "vendor" / "cache"}
    return [name for name in names if pathlib.Path(folder) / name in left_out]


def patch(copy):
    for file, old, new in PATCHES:
        path = copy / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{file} has {old!r} {text.count(old)} times: bring this fault up to date")
        path.write_text(text.replace(old, new))
    library = copy / "src" / "lib.rs"
    library.write_text(library.read_text() + HOOK)


def coverage(copy, fault):
    """The exit code of the test with this fault, and what its assertions said."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET), FAULT=fault, RUST_BACKTRACE="0")
    command = ["cargo", "test", "--release", "--locked", "--test", "coverage"]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if not re.search(r"running \d+ tests", ran.stdout):
        sys.exit("the test did not run:\n" + ran.stderr[-2000:])
    said = re.findall(r"panicked at tests/coverage\.rs:\d+:\d+:\n(.*)", ran.stdout)
    return ran.returncode, said


def main():
    wanted = sys.argv[1:] or FAULTS
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=built_or_fetched, symlinks=True)
        patch(copy)
        code, said = coverage(copy, "")
        print(f"no fault: {'red' if code else 'green'}", *said, sep="\n  ", flush=True)
        if code:
            sys.exit("the test fails without a fault")
        for fault in wanted:
            code, said = coverage(copy, fault)
            print(f"{fault}: {'red' if code else 'NOT SEEN'}", *said, sep="\n  ", flush=True)
            if code == 0:
                missed.append(fault)
    if missed:
        sys.exit(f"coverage.rs does not see: {', '.join(missed)}")


main()
