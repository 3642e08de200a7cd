"""Tests of gpu_check.py: what it reads out of records, and what it says where there is no GPU."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import gpu_check


def buffer(name, host, weights, context=0, compute=0):
    return {"name": name, "host": host, "weights_bytes": weights, "context_bytes": context, "compute_bytes": compute}


def sample(phase, n_tokens, wall_ns):
    return {"phase": phase, "n_tokens": n_tokens, "wall_ns": wall_ns}


class Devices(unittest.TestCase):
    def found(self, finding):
        return gpu_check.gpus([{"name": "devices", "finding": finding}])

    def test_a_gpu_is_told_from_the_cpu(self):
        self.assertEqual(self.found("CUDA0 (NVIDIA H200), CPU (AMD EPYC)"), ["CUDA0"])
        self.assertEqual(self.found("CPU (AMD EPYC)"), [])
        self.assertEqual(self.found("built with cuda, but no such device is there; found: CPU (AMD EPYC)"), [])
        self.assertEqual(self.found("built with cuda, but no such device is there; found: none"), [])
        self.assertEqual(self.found("Vulkan0 (llvmpipe (LLVM 15.0.6, 256 bits)), Vulkan1 (b), CPU (c)"), ["Vulkan0", "Vulkan1"])
        self.assertEqual(gpu_check.gpus([]), [])

    def test_each_backend_has_its_option(self):
        self.assertEqual([gpu_check.option_of(name) for name in ("CUDA0", "Vulkan1", "MTL0", "ROCm0")], ["cuda", "vulkan", "metal", "auto"])


class Records(unittest.TestCase):
    def test_memory_of_a_device_is_its_drop_against_the_buffers_there(self):
        probe = {
            "outcome": "done",
            "devices": [
                {"name": "CUDA0", "free_before_bytes": 1000, "free_after_bytes": 300},
                {"name": "CUDA1", "free_before_bytes": 1000, "free_after_bytes": 1000},
            ],
            "buffers": [buffer("CUDA0", False, 500, 100, 90), buffer("CUDA_Host", True, 0, 0, 40), buffer("CPU_Mapped", True, 70)],
        }
        self.assertEqual(gpu_check.device_memory(probe, "CUDA0"), (700, 690))
        self.assertEqual(gpu_check.device_memory(probe, "CUDA1"), (0, 0))
        self.assertEqual(gpu_check.device_memory(probe, "Vulkan0"), (None, 0))
        with self.assertRaises(gpu_check.Failed):
            gpu_check.device_memory({**probe, "outcome": {"failed": {"reason": "out of memory"}}}, "CUDA0")

    def test_what_a_backend_keeps_for_itself_is_a_constant(self):
        mib = 2**20
        agrees = lambda *pairs: gpu_check.memory_agrees([(drop * mib, own * mib) for drop, own in pairs])
        self.assertTrue(agrees((1172, 1000), (472, 300)))
        self.assertTrue(agrees((1000, 1000), (300, 300)))
        self.assertFalse(agrees((1172, 1000), (300, 300)), "not the same for both")
        self.assertFalse(agrees((2600, 1000), (1900, 300)), "too much")
        self.assertFalse(agrees((900, 1000), (200, 300)), "less than was allocated")
        self.assertIsNone(agrees((0, 1000), (0, 300)), "the driver does not tell")

    def test_a_rate_is_all_tokens_over_all_time(self):
        visits = [
            {"model": 0, "outcome": "done", "samples": [sample("prefill", 512, 10**9), sample("decode", 128, 10**9)]},
            {"model": 1, "outcome": "done", "samples": [sample("prefill", 9, 1)]},
            {"model": 0, "outcome": "done", "samples": [sample("prefill", 512, 3 * 10**9)]},
        ]
        record = {"rounds": [{"visits": visits[:2]}, {"visits": visits[2:]}]}
        self.assertEqual(gpu_check.rate(record, 0, "prefill"), 256)
        self.assertEqual(gpu_check.rate(record, 0, "decode"), 128)
        with self.assertRaises(gpu_check.Failed):
            gpu_check.rate(record, 1, "decode")

    def test_divergence_weighs_texts_by_their_tokens(self):
        def text(tokens, kld, same):
            return {"summary": {"tokens": tokens, "kld_mean_nats": {"value": kld}, "same_top_fraction": {"value": same}}}

        quality = {
            "results": [{"outcome": "done", "texts": [text(100, 0.1, 1.0), text(300, 0.5, 0.6)]}],
            "workers": [{"wall_ns": 210, "evaluate_ns": 200}, {"wall_ns": 105, "evaluate_ns": 100}],
        }
        kld, same_top = gpu_check.divergence({"quality": quality})
        self.assertAlmostEqual(kld, 0.4)
        self.assertAlmostEqual(same_top, 0.7)
        self.assertAlmostEqual(gpu_check.over_evaluation({"quality": quality}), 1.05)
        with self.assertRaises(gpu_check.Failed):
            gpu_check.divergence({"quality": {"results": [{"outcome": {"failed": {}}, "texts": []}]}})
        with self.assertRaises(gpu_check.Failed):
            gpu_check.over_evaluation({})


class WithoutGpu(unittest.TestCase):
    def said(self, environment, words=()):
        errors = io.StringIO()
        with mock.patch.dict(os.environ, environment), mock.patch("sys.argv", ["gpu_check.py", *words]), contextlib.redirect_stderr(errors):
            code = gpu_check.main()
        return code, errors.getvalue()

    def test_it_says_what_is_missing_before_it_builds(self):
        nowhere = mock.patch.object(gpu_check, "feature_of_this_machine", return_value=(None, ["no GPU"]))
        never = mock.patch.object(gpu_check.subprocess, "run", side_effect=AssertionError("nothing is to be started"))
        with nowhere, never, mock.patch.dict(os.environ):
            os.environ.pop("GGUF_BENCH", None)
            self.assertEqual(self.said({}), (1, "gpu-check: nothing was checked. Missing:\n  - no GPU\n"))

    def test_a_program_without_a_gpu_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "gguf-bench"
            program.write_text('#!/bin/sh\necho \'[{"name": "devices", "finding": "CPU (a CPU)"}]\'\n')
            program.chmod(0o755)
            code, said = self.said({"GGUF_BENCH": str(program)})
        self.assertEqual(code, 1)
        self.assertIn("names no GPU (CPU (a CPU))", said)

    def test_a_check_that_is_stopped_leaves_its_table(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "gguf-bench"
            program.write_text('#!/bin/sh\necho \'[{"name": "devices", "finding": "CUDA0 (a GPU), CPU (a CPU)"}]\'\n')
            program.chmod(0o755)
            stopped = mock.patch.object(gpu_check.Checks, "memory", side_effect=KeyboardInterrupt)
            printed = io.StringIO()
            with stopped, contextlib.redirect_stdout(printed):
                code, _ = self.said({"GGUF_BENCH": str(program)}, [str(program)])
        self.assertEqual(code, 0)
        self.assertIn("| memory | stopped |  | n/a |", printed.getvalue())

    def test_a_program_that_is_not_there_is_told(self):
        code, said = self.said({"GGUF_BENCH": "/nowhere/gguf-bench"})
        self.assertEqual(code, 1)
        self.assertIn("GGUF_BENCH names /nowhere/gguf-bench, which is no file", said)


class Table(unittest.TestCase):
    def test_rows_are_markdown(self):
        said = gpu_check.table([("a", "1", "2", True), ("b", "3", "", False), ("c", "", "", None)])
        self.assertEqual(said.splitlines()[2:], ["| a | 1 | 2 | passed |", "| b | 3 |  | **failed** |", "| c |  |  | n/a |"])


if __name__ == "__main__":
    unittest.main()
