"""What the report promises to a person with a browser: `make test-browser`. The program is named by GGUF_BENCH."""

import base64
import contextlib
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "vendor"))

import browser as installed
import pages
import webdriver

PAGES = {"real": pages.real, "failures": pages.with_failures, "hostile": pages.hostile}
# Those and the page of several records.
ALL = (*PAGES, "several")
# A4 less the margins of the style sheet, in CSS pixels of 1/96 inch.
PRINTABLE_MM = (210 - 2 * 14, 297 - 2 * 14)
PX_PER_MM = 96 / 25.4


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = os.environ.get("GGUF_BENCH", str(pages.ROOT / "target" / "release" / "gguf-bench"))
        held = contextlib.ExitStack()
        cls.addClassCleanup(held.close)
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        cls.records = {name: make() for name, make in PAGES.items()}
        cls.paths = {name: pages.render(program, record, folder, name) for name, record in cls.records.items()}
        cls.paths["several"] = pages.side_by_side(program, folder, "several")
        driver, chromium = installed.program("chromium-driver"), installed.program("chromium")
        cls.browser = held.enter_context(webdriver.browser(driver, chromium))

    def setUp(self):
        self.browser.devtools("Emulation.clearDeviceMetricsOverride")
        self.browser.devtools("Emulation.setEmulatedMedia", media="", features=[])

    def each(self, *names):
        """Opens one page after the other."""
        for name in names or PAGES:
            self.browser.open(self.paths[name])
            yield name

    def count(self, selector):
        return self.browser.run("return document.querySelectorAll(arguments[0]).length", selector)

    def test_it_loads_without_an_error_or_a_request(self):
        for name in self.each(*ALL):
            own = self.paths[name].resolve().as_uri()
            self.assertEqual([url for url in self.browser.requests() if not url.startswith("data:")], [own])
            self.assertEqual([entry["message"] for entry in self.browser.log("browser")], [])

    def test_every_figure_says_what_it_shows(self):
        for _ in self.each():
            unnamed = self.browser.run("""
                return [...document.querySelectorAll("svg")].filter((svg) => {
                  const named = (svg.getAttribute("aria-labelledby") || "").split(" ");
                  return named.length !== 2 || !named.every((id) => document.getElementById(id).textContent.trim());
                }).length""")
            self.assertGreater(self.count("figure svg"), 9)
            self.assertEqual(unnamed, 0)

    def test_figures_have_a_mark_for_every_datum(self):
        for name in self.each("real", "hostile"):
            record = self.records[name]
            models, texts = len(record["models"]), record["quality"]["results"]
            for at, workload in enumerate(record["plan"]["workloads"][:2]):
                visits = [visit for one in record["rounds"] for visit in one["visits"]]
                samples = sum(sample["workload"] == at for visit in visits for sample in visit["samples"])
                self.assertEqual(self.count(f"#chart-speed-{at} rect"), models)
                kind = next(iter(workload["kind"]))
                self.assertEqual(self.count(f"#chart-time-{kind} circle"), samples)
            planned = record["plan"]["quality"]["texts"]
            domains = [{planned[text["text"]]["domain"] for text in result["texts"]} for result in texts]
            self.assertGreater(self.count("#chart-kld-domain circle"), 0)
            self.assertEqual(self.count("#chart-kld-domain circle"), sum(len(names) for names in domains))
            # Every model, and the ring around the recommended one.
            self.assertEqual(self.count("#chart-pareto circle"), models + 1)
            self.assertEqual(self.count(".card.chosen"), 1)

    def test_tables_sort_by_a_click_and_by_a_key(self):
        column = """
            const cells = [...document.querySelectorAll("#summary tbody tr")].map((row) => row.cells[1].dataset.sort);
            return cells.filter((value) => value !== undefined).map(Number)"""
        head = 'document.querySelectorAll("#summary thead th")[1]'
        for _ in self.each("real", "failures"):
            before = self.browser.run(column)
            self.browser.run(f"{head}.querySelector('button').click()")
            self.assertEqual(self.browser.run(column), sorted(before))
            self.assertEqual(self.browser.run(f"return {head}.getAttribute('aria-sort')"), "ascending")
            self.browser.run(f"{head}.querySelector('button').focus()")
            for kind in ("keyDown", "keyUp"):
                self.browser.devtools("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                                      windowsVirtualKeyCode=13)
            self.assertEqual(self.browser.run(column), sorted(before, reverse=True))

    def test_the_record_can_be_saved(self):
        for name in self.each("real"):
            self.assertFalse(self.browser.run("return document.getElementById('download').hidden"))
            subjects = self.browser.run("return JSON.parse(document.getElementById('record').textContent).subjects.length")
            self.assertEqual(subjects, len(self.records[name]["models"]))

    def test_dark_where_the_reader_wants_it_dark(self):
        colours = """
            const of = (node, property) => getComputedStyle(node)[property].match(/[\\d.]+/g).slice(0, 3).map(Number);
            const light = ([r, g, b]) => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
            return [light(of(document.body, "backgroundColor")), light(of(document.querySelector("svg text"), "fill"))]"""
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.devtools("Emulation.setEmulatedMedia", media="", features=features)
            for _ in self.each("real"):
                page, text = self.browser.run(colours)
                self.assertEqual((page < 0.2, page > 0.8), (scheme == "dark", scheme == "light"))
                self.assertGreater(abs(page - text), 0.4)

    def test_a_narrow_screen_needs_no_sideways_scrolling(self):
        for width in (320, 390, 768, 3840):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                                  mobile=width < 500)
            for _ in self.each(*ALL):
                self.assertLessEqual(self.browser.run("return document.scrollingElement.scrollWidth"), width)

    def test_it_prints_every_figure_whole(self):
        across, down = (round(mm * PX_PER_MM) for mm in PRINTABLE_MM)
        for _ in self.each(*ALL):
            pdf = base64.b64decode(self.browser.devtools("Page.printToPDF", preferCSSPageSize=True)["data"])
            self.assertTrue(pdf.startswith(b"%PDF-"))
            self.browser.devtools("Emulation.setEmulatedMedia", media="print", features=[])
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=across, height=down, deviceScaleFactor=1,
                                  mobile=False)
            cut = self.browser.run("""
                const [width, height] = arguments;
                const bad = (figure) => {
                  const box = figure.getBoundingClientRect(), svg = figure.querySelector("svg").getBoundingClientRect();
                  return getComputedStyle(figure).breakInside !== "avoid" || box.height > height || svg.right > width + 1;
                };
                return [...document.querySelectorAll("figure")].filter(bad).map((figure) => figure.id)""", across, down)
            self.assertEqual(cut, [])
            self.setUp()

    def test_axe_finds_no_serious_barrier(self):
        source = installed.axe()
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.devtools("Emulation.setEmulatedMedia", media="", features=features)
            for _ in self.each(*ALL):
                self.browser.run(source)
                found = self.browser.wait("return axe.run(document, {resultTypes: ['violations']})")
                self.assertIn("violations", found, found)
                serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
                told = [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in serious]
                self.assertEqual(told, [])

    def test_several_records_have_a_mark_each_and_sort(self):
        for _ in self.each("several"):
            models = len(self.records["real"]["models"])
            # Three machines: the first's marks are circles, here of two days; then squares, then triangles. The legend has one of each.
            for kind in ("tg", "pp"):
                self.assertEqual(self.count(f"#chart-date-{kind} circle"), 1 + 2 * models)
                self.assertEqual(self.count(f"#chart-date-{kind} polygon"), 2 + 2 * models)
            head = 'document.querySelectorAll("#speed-table thead th")[2]'
            self.browser.run(f"{head}.querySelector('button').click()")
            cells = self.browser.run(
                'return [...document.querySelectorAll("#speed-table tbody tr")].map((r) => Number(r.cells[2].dataset.sort))')
            self.assertEqual(cells, sorted(cells))

    def test_a_hostile_record_is_inert(self):
        for name in self.each("hostile", "several"):
            self.assertIsNone(self.browser.run("return window.owned ?? null"))
            # The record, the ballot, and the one that runs.
            self.assertEqual(self.count("script"), 3 if name == "hostile" else 1)
            self.assertEqual(self.count("img, iframe, object, embed, form, link:not([rel=icon])"), 0)
            shown = self.browser.run("return document.body.innerText")
            self.assertTrue("{{7*7}}" in shown, name)
            # Not assertNotIn, which would print the page.
            self.assertEqual([sign for sign in "\x1b\u202e" if sign in shown], [])


if __name__ == "__main__":
    unittest.main()
