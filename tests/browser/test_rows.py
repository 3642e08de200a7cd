"""llama-bench's rows, read as `compare-llama-bench.py` reads them: through SQLite, by the columns that it groups by."""

import json
import os
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

import pages

# The script's key columns as of llama.cpp b11434, and what it wants beside them.
KEYS = (
    "cpu_info gpu_info backends n_gpu_layers n_cpu_moe tensor_buft_overrides model_filename model_type n_batch n_ubatch embeddings "
    "cpu_mask cpu_strict poll n_threads type_k type_v load_mode no_kv_offload split_mode main_gpu tensor_split flash_attn n_prompt n_gen "
    "n_depth fit_target fit_min_ctx"
).split()
BESIDE = ["build_commit", "test_time", "avg_ts"]
# What a machine without a graphics processor rightly leaves empty.
MAY_BE_EMPTY = {"gpu_info"}


def rows(record, form):
    """What `report --format llama-bench-FORM` prints of a record."""
    program = os.environ.get("GGUF_BENCH", str(pages.ROOT / "target" / "release" / "gguf-bench"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "run.json"
        source.write_text(json.dumps(record), encoding="utf-8")
        command = [program, "report", str(source), "--format", f"llama-bench-{form}"]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


class Rows(unittest.TestCase):
    def database(self, *records):
        """One database of several records, as llama-bench's users make it: one after the other into one file."""
        database = sqlite3.connect(":memory:")
        self.addCleanup(database.close)
        for record in records:
            database.executescript(rows(record, "sql"))
        return database

    def test_sqlite_takes_the_rows_and_every_key_is_filled(self):
        record = pages.real()
        database = self.database(record)
        workloads = [w for w in record["plan"]["workloads"] if "prompt" not in w["kind"]]
        found = database.execute(f"SELECT {', '.join(KEYS + BESIDE)} FROM llama_bench").fetchall()
        self.assertEqual(len(found), len(record["models"]) * len(workloads))
        for row in found:
            empty = [key for key, value in zip(KEYS + BESIDE, row) if value is None or value == ""]
            self.assertEqual([key for key in empty if key not in MAY_BE_EMPTY], [])

    def test_two_builds_are_joined_on_the_keys(self):
        old, new = pages.real(), pages.real()
        new["build"]["llama_cpp_sys_2"] += "9"
        for visit in (visit for one in new["rounds"] for visit in one["visits"]):
            for sample in visit["samples"]:
                sample["wall_ns"] *= 2
        database = self.database(old, new)
        same = " AND ".join(f"a.{key} = b.{key}" for key in KEYS)
        joined = database.execute(
            f"SELECT a.model_filename, a.n_prompt, a.n_gen, AVG(b.avg_ts) / AVG(a.avg_ts) FROM llama_bench a JOIN llama_bench b "
            f"ON {same} AND a.build_commit < b.build_commit GROUP BY {', '.join('a.' + key for key in KEYS)}"
        ).fetchall()
        self.assertEqual(len(joined), len(old["models"]) * 2)
        for *_, ratio in joined:
            self.assertAlmostEqual(ratio, 0.5, places=6)

    def test_hostile_names_stay_values(self):
        record = pages.hostile()
        record["machine"]["cpu"] = "'); DROP TABLE llama_bench; --"
        database = self.database(record)
        self.assertEqual(
            database.execute("SELECT DISTINCT cpu_info FROM llama_bench").fetchall(), [(record["machine"]["cpu"],)])

    def test_json_lines_have_the_same_keys(self):
        for line in rows(pages.real(), "jsonl").splitlines():
            self.assertEqual([key for key in KEYS + BESIDE if key not in json.loads(line)], [])


if __name__ == "__main__":
    unittest.main()
