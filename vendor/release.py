"""Builds the program for other people's machines and packs it: llama.cpp's code for every kind of CPU lies beside it.

    python3 vendor/release.py --out dist              an archive with its checksum, for this machine's system
    python3 vendor/release.py --folder gguf-bench     the folder alone
    python3 vendor/release.py --notes 0.2.0           what CHANGELOG.md says of a version

Builds into target/portable, so that a build for this machine alone stays.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bootstrap
import pins

ROOT = pins.VENDOR.parent
PROGRAMS = ("gguf-bench", "run-benchmark", "benchmark-model", "visualize-benchmark")
TEXTS = ("README.md", "CHANGELOG.md", "METHODOLOGY.md", "LICENSE")
# A library under the name that programs ask for: `libllama.so.0`, never what that name is a link to.
LIBRARY = re.compile(r"(.*\.so(\.\d+)?|.*(?<!\.\d\.\d)\.dylib|.*\.dll)")


def host():
    """The system that rustc builds for by itself."""
    told = subprocess.run(["rustc", "--version", "--verbose"], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    return re.search(r"^host: (\S+)$", told, re.MULTILINE)[1]


def version():
    """That of this package."""
    return re.search(r'^version = "([^"]+)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]


def features(target):
    """What a build for a system is made with: on Apple's machines Metal is always there."""
    return ["portable", "metal"] if "apple" in target else ["portable"]


def environment():
    """Code for the oldest CPU of a system, where .cargo/config.toml would ask for this machine's; without names for a debugger."""
    return dict(os.environ, RUSTFLAGS="", CARGO_PROFILE_RELEASE_STRIP="symbols")


def build(target):
    """Builds; returns cargo's folder of what it built."""
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "portable"
    command = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--target", target, "--target-dir", str(folder)]
    subprocess.run(command + ["--features", ",".join(features(target))], cwd=str(ROOT), env=environment(), check=True)
    return folder / target / "release"


def libraries(built):
    """llama.cpp's libraries and those of its backends, by name."""
    found = {}
    for out in sorted(built.glob("build/llama-cpp-sys-2-*/out")):
        for folder in ("lib", "lib64", "bin", "backends"):
            for path in sorted((out / folder).glob("*")):
                if path.is_file() and LIBRARY.fullmatch(path.name):
                    found[path.name] = path
    # Compilers ask for `libllama.so`, programs for `libllama.so.0`.
    return {name: path for name, path in found.items() if name + ".0" not in found}


def gather(built, folder, target):
    """Puts what a person needs into one folder."""
    folder.mkdir(parents=True)
    ending = ".exe" if "windows" in target else ""
    found = libraries(built)
    of_cpus = [name for name in found if "ggml-cpu" in name]
    if not of_cpus:
        sys.exit(f"error: {built} holds no library for any CPU")
    for name, path in found.items():
        # Links are followed: an archive for Windows has none.
        shutil.copy2(str(path), str(folder / name))
    for name in PROGRAMS:
        shutil.copy2(str(built / (name + ending)), str(folder / (name + ending)))
    for name in TEXTS:
        shutil.copy2(str(ROOT / name), str(folder / name))


def pack(folder, out):
    """An archive of a folder, and its checksum beside it."""
    out.mkdir(parents=True, exist_ok=True)
    kind = "zip" if "windows" in folder.name else "gztar"
    archive = Path(shutil.make_archive(str(out / folder.name), kind, str(folder.parent), folder.name))
    (out / (archive.name + ".sha256")).write_text(f"{pins.sha256(str(archive))}  {archive.name}\n", encoding="utf-8")
    return archive


def notes(changelog, wanted):
    """The section of a version; None where there is none."""
    found = re.search(rf"^## {re.escape(wanted)}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found else None


def main(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default=None, help="the system, by Rust's name; this machine's when left out")
    parser.add_argument("--out", type=Path, help="folder for the archive and its checksum")
    parser.add_argument("--folder", type=Path, help="folder to fill instead, which is not there yet")
    parser.add_argument("--notes", metavar="VERSION", help="print what CHANGELOG.md says of it, and end")
    asked = parser.parse_args(words)
    if asked.notes:
        text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), asked.notes)
        if text is None:
            sys.exit(f"error: CHANGELOG.md has no section {asked.notes}")
        sys.stdout.write(text)
        return
    if not (asked.out or asked.folder):
        parser.error("one of --out and --folder is needed")
    target = asked.target or host()
    bootstrap.main(bootstrap.sources())
    built = build(target)
    if asked.folder:
        gather(built, asked.folder, target)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / f"gguf-bench-{version()}-{target}"
        gather(built, folder, target)
        print(pack(folder, asked.out))


if __name__ == "__main__":
    main(sys.argv[1:])
