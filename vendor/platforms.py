"""Checks that the program compiles for the systems that are not here: their standard libraries are fetched, llama.cpp is not built.

llama-cpp-sys-2 is replaced by its bindings of this machine, where MSVC's C has signed enumerations. C code of other crates becomes empty
objects. So a line of ours that only macOS or Windows compiles is checked by the compiler; nothing is linked and nothing runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pins

# Each with a CPU that its Rust knows, since build.rs asks for one.
TARGETS = {
    "aarch64-apple-darwin": "apple-m1",
    "x86_64-apple-darwin": "x86-64-v3",
    "x86_64-pc-windows-msvc": "x86-64-v3",
    "aarch64-unknown-linux-gnu": "generic",
}
ROOT = pins.VENDOR.parent
FOLDER = ROOT / "target" / "platforms"
SYS = "llama-cpp-sys-2"

BUILD = """fn main() {
    let mut text = std::fs::read_to_string("bindings.rs").unwrap();
    if std::env::var("CARGO_CFG_TARGET_ENV").unwrap() == "msvc" {
        let signed = |line: &str| match line.starts_with("pub type") && line.ends_with("::std::os::raw::c_uint;") {
            true => line.replace("c_uint", "c_int"),
            false => line.to_owned(),
        };
        text = text.lines().map(signed).collect::<Vec<_>>().join("\\n");
    }
    std::fs::write(std::env::var("OUT_DIR").unwrap() + "/bindings.rs", text).unwrap();
}
"""
# Makes what it is asked for, empty.
NOTHING = """#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -o) : > "$2"; shift ;;
    -Fo*|/Fo*) : > "${1#?Fo}" ;;
    -out:*|/out:*|/OUT:*) : > "${1#*:}" ;;
    *.a|*.lib) : > "$1" ;;
  esac
  shift
done
"""


def sys_crate():
    """Where cargo keeps the sources of the crate that is replaced."""
    said = subprocess.run(["cargo", "metadata", "--format-version=1", "--locked"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found = [package for package in json.loads(said.stdout)["packages"] if package["name"] == SYS]
    return Path(found[0]["manifest_path"]).parent


def bindings():
    """The newest bindings that a build here made."""
    made = (ROOT / "target" / "release" / "build").glob(SYS + "-*/out/bindings.rs")
    made = sorted(made, key=lambda path: path.stat().st_mtime)
    if not made:
        sys.exit("error: llama.cpp's bindings are not made yet: make build")
    return made[-1].read_text()


def replace_sys(folder):
    """The crate without its C++."""
    source = sys_crate()
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "lib.rs").write_text((source / "src" / "lib.rs").read_text())
    manifest = (source / "Cargo.toml").read_text()
    (folder / "Cargo.toml").write_text(manifest[: manifest.index("[build-dependencies")])
    (folder / "build.rs").write_text(BUILD)
    (folder / "bindings.rs").write_text(bindings())


def copy_tree(folder):
    """What git knows of, and what it would take: Cargo.lock changes with the replacement, and this checkout's must not."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0")
    for name in names:
        source, place = ROOT / name, folder / name
        if name and source.is_file():
            content = source.read_bytes()
            # What did not change keeps its time, and is not compiled again.
            if not place.is_file() or place.read_bytes() != content:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)


def check(target, cpu):
    """Whether the program compiles for a target."""
    subprocess.run(["rustup", "target", "add", target], check=True)
    nothing = FOLDER / "nothing"
    nothing.write_text(NOTHING)
    nothing.chmod(0o755)
    name = target.replace("-", "_")
    environment = dict(os.environ, CARGO_TARGET_DIR=str(FOLDER / "built"), RUSTFLAGS="-C target-cpu=" + cpu + " -D warnings")
    environment.update({"CC_" + name: str(nothing), "CXX_" + name: str(nothing), "AR_" + name: str(nothing)})
    patch = "patch.crates-io." + SYS + ".path=" + json.dumps(str(FOLDER / "sys"))
    command = ["cargo", "check", "--quiet", "--config", patch, "--target", target, "--lib", "--bins"]
    return subprocess.run(command, cwd=FOLDER / "tree", env=environment).returncode == 0


def main(words):
    replace_sys(FOLDER / "sys")
    copy_tree(FOLDER / "tree")
    failed = False
    for target in words or TARGETS:
        compiles = check(target, TARGETS[target])
        print(target + (": compiles" if compiles else ": FAILS"), flush=True)
        failed |= not compiles
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
