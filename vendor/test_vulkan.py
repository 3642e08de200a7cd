"""Tests of vulkan.py: what is asked of the system, and what the compilers are told."""

import os
import unittest
from pathlib import Path
from unittest import mock

import pins
import vulkan

OLD = "#define VK_HEADER_VERSION 239\n#define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, 3, VK_HEADER_VERSION)\n"


class Headers(unittest.TestCase):
    def test_the_version_is_that_of_the_core_header(self):
        self.assertEqual(vulkan.header_version(OLD), (1, 3, 239))
        self.assertEqual(vulkan.header_version(OLD.replace("239", "309").replace("1, 3,", "1, 4,")), (1, 4, 309))
        self.assertIsNone(vulkan.header_version("#define VK_HEADER_VERSION 239\n"))

    def test_only_older_headers_get_ours_beside_them(self):
        with mock.patch.dict(os.environ, {"CPLUS_INCLUDE_PATH": "/elsewhere"}):
            for version in ((1, 3, 239), (1, 3, 271), None):
                paths = vulkan.variables(version)["CPLUS_INCLUDE_PATH"].split(os.pathsep)
                self.assertEqual(paths, [str(pins.VENDOR / "vulkan"), "/elsewhere"])
            for version in ((1, 3, 272), (1, 4, 0)):
                self.assertEqual(vulkan.variables(version), {})

    def test_our_header_includes_the_machines_own(self):
        text = (pins.VENDOR / "vulkan/vulkan/vulkan.hpp").read_text(encoding="utf-8")
        self.assertIn("#include_next <vulkan/vulkan.hpp>", text)
        self.assertIn("#ifndef VK_EXT_layer_settings", text)


class Packages(unittest.TestCase):
    def run_install(self, found, codes):
        """What is run when `found` says, call by call, whether everything is there."""
        found, ran = iter(found), []

        def run(command, **_):
            ran.append(command)
            return mock.Mock(returncode=codes[len(ran) - 1])

        needed = {"glslc": lambda: next(found)}
        with mock.patch.object(vulkan, "NEEDED", needed), mock.patch.object(vulkan.subprocess, "run", run), \
                mock.patch.object(vulkan.bootstrap, "apt", lambda packages: [["install"] + packages, ["update"], ["again"]]):
            vulkan.install()
        return ran

    def test_nothing_is_installed_where_nothing_is_missing(self):
        self.assertEqual(self.run_install([True], []), [])

    def test_what_is_missing_is_installed(self):
        self.assertEqual(self.run_install([False, True], [0]), [["install", "glslc"]])

    def test_lists_are_fetched_where_there_were_none(self):
        self.assertEqual(self.run_install([False, False, True], [100, 0, 0]), [["install", "glslc"], ["update"], ["again"]])

    def test_what_was_not_brought_is_said(self):
        with self.assertRaisesRegex(pins.Unavailable, "did not bring glslc"):
            self.run_install([False] * 6, [0, 0, 0])

    def test_without_packages_it_fails_unless_it_may_say_so_alone(self):
        def refuse():
            raise pins.Unavailable("no lists")

        with mock.patch.object(vulkan, "install", refuse), mock.patch.object(vulkan, "missing", lambda: ["glslc"]), \
                mock.patch.object(vulkan, "timed", self.fail):
            with mock.patch.dict(os.environ, {"VULKAN_TESTED": ""}), self.assertRaisesRegex(SystemExit, "without glslc"):
                vulkan.main([])
            with mock.patch.dict(os.environ, {"VULKAN_TESTED": "where-possible"}), mock.patch("builtins.print") as said:
                vulkan.main([])
            self.assertIn("NOT TESTED", said.call_args.args[0])

    def test_each_package_can_be_looked_for(self):
        for package, found in vulkan.NEEDED.items():
            where = found()
            self.assertTrue(where is None or Path(where).exists(), package)


if __name__ == "__main__":
    unittest.main()
