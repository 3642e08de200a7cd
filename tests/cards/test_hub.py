"""What the Hub's own tools leave of our model cards: `make test-cards`. The program is named by GGUF_BENCH."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "vendor"), str(ROOT / "tests" / "browser")]

import hub_tools
import pages
import pins

PROGRAM = os.environ.get("GGUF_BENCH", str(ROOT / "target" / "release" / "gguf-bench"))
HEAD = "---\nlicense: apache-2.0\ntags:\n- gguf\n---\n\n# Ours\n\nText.\n"


class Cards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            hub_tools.provide()
        except pins.Unavailable as reason:
            sys.stderr.write("SKIPPED: {}\n".format(reason))
            raise unittest.SkipTest(str(reason))
        held = contextlib.ExitStack()
        cls.addClassCleanup(held.close)
        cls.folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        record = pages.real()
        models = record.get("models") or record["subjects"]
        cls.candidates = [model["name"] for model in models if model["role"] == "candidate"]
        cls.files = {model["name"]: model["file"].removesuffix(".gguf") for model in models}
        (cls.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        report = subprocess.check_output([PROGRAM, "report", "run.json", "--format", "json"], cwd=cls.folder)
        cls.measured = {model["name"]: model for model in json.loads(report)["models"]}

    def setUp(self):
        self.card = self.folder / (self.id().rpartition(".")[2] + ".md")
        self.card.write_text(HEAD, encoding="utf-8")

    def update(self, *names, card=None):
        """Puts the results of these checkpoints into a card, and returns its text."""
        card = card or self.card
        for name in names:
            line = [PROGRAM, "card", "run.json", "--model", name, "--update", card.name]
            subprocess.check_output(line, cwd=self.folder)
        return card.read_text(encoding="utf-8")

    def results(self, card=None):
        """What huggingface_hub reads: by checkpoint, split and metric."""
        from huggingface_hub import ModelCard

        found = {}
        for result in ModelCard.load(card or self.card).data.eval_results:
            key = (result.dataset_config, result.dataset_type, result.dataset_split, result.metric_name)
            self.assertNotIn(key, found, "nothing is there twice")
            found[key] = result.metric_value
        return found

    def saved(self):
        """The card as huggingface_hub writes it."""
        from huggingface_hub import ModelCard

        ModelCard.load(self.card).save(self.card)
        text = self.card.read_text(encoding="utf-8")
        self.assertNotIn("# gguf-bench", text.split("\n---\n")[0])
        return text

    def test_every_figure_is_read_under_its_checkpoint(self):
        self.update(*self.candidates)
        found = self.results()
        for name in self.candidates:
            own, title = self.measured[name], self.files[name]
            kld = "Mean KLD from the original (nats), " + title
            self.assertEqual(
                found[title, "gguf-bench-texts", None, kld], own["quality"]["overall"]["kld_mean_nats"]["value"], name
            )
            speed = "tg128 (t/s), " + title
            self.assertEqual(found[title, "gguf-bench-synthetic", None, speed], own["metrics"]["tg128"]["value"], name)
        self.assertEqual({key[0] for key in found}, {self.files[name] for name in self.candidates})

    def test_after_the_hubs_tools_results_are_replaced_in_place(self):
        once = self.update(*self.candidates)
        found = self.results()
        self.assertEqual(self.update(*self.candidates), once, "the second time changes nothing")
        saved = self.saved()
        self.assertNotEqual(saved, once)
        self.assertEqual(self.results(), found)
        again = self.update(*self.candidates)
        self.assertEqual(self.results(), found)
        self.assertEqual(self.update(*self.candidates), again, "nor after they wrote the card")
        self.saved()
        self.update(*reversed(self.candidates))
        self.assertEqual(self.results(), found)
        self.assertEqual(again.count("model-index:"), 1)
        self.assertEqual(again.count("## Benchmark"), len(self.candidates))

    def test_stale_figures_are_found_by_content_and_replaced(self):
        once = self.update(*self.candidates)
        bare = "".join(line for line in self.saved().splitlines(True) if "gguf-bench:" not in line)
        stale = "".join(line.replace("value: ", "value: 9") for line in bare.splitlines(True))
        self.assertNotEqual(stale, bare)
        self.card.write_text(stale, encoding="utf-8")
        self.update(*self.candidates)
        fresh = self.folder / "fresh.md"
        fresh.write_text(HEAD, encoding="utf-8")
        self.assertEqual(self.update(*self.candidates, card=fresh), once)
        self.assertEqual(self.results(), self.results(fresh))
        self.assertEqual(self.card.read_text(encoding="utf-8").count("## Benchmark"), len(self.candidates))

    def test_metadata_update_adds_a_checkpoint_beside_the_others(self):
        from huggingface_hub import ModelCard, metadata_update

        first, *others = self.candidates
        self.update(first)
        more = self.folder / "more.md"
        more.write_text(HEAD, encoding="utf-8")
        self.update(*others, card=more)
        index = {"model-index": ModelCard.load(more).data.to_dict()["model-index"]}
        loaded = ModelCard.load(self.card)

        def push(card, *_, **__):
            card.save(self.card)
            return "pushed"

        with mock.patch.object(ModelCard, "load", lambda *_, **__: loaded), mock.patch.object(ModelCard, "push_to_hub", push):
            self.assertEqual(metadata_update("o/n", index), "pushed")
        expected = self.folder / "all.md"
        expected.write_text(HEAD, encoding="utf-8")
        self.update(*self.candidates, card=expected)
        self.assertEqual(self.results(), self.results(expected))
        self.update(*self.candidates)
        self.assertEqual(self.results(), self.results(expected))

    def test_entries_of_others_stay(self):
        theirs = (
            "model-index:\n- name: theirs\n  results:\n  - task:\n      type: text-generation\n    dataset:\n      type: d\n"
            "      name: D\n    metrics:\n    - type: acc\n      value: 0.5\n"
        )
        self.card.write_text(HEAD.replace("tags:", theirs + "tags:"), encoding="utf-8")
        for _ in range(2):
            self.update(*self.candidates)
            found = self.results()
            self.assertEqual(found[None, "d", None, None], 0.5)
            self.assertIn("name: theirs", self.saved())
        self.assertEqual(len(found), 1 + len([key for key in found if key[0] is not None]))


if __name__ == "__main__":
    unittest.main()
