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
        cls.program = program = os.environ.get("GGUF_BENCH", str(pages.ROOT / "target" / "release" / "gguf-bench"))
        held = contextlib.ExitStack()
        cls.addClassCleanup(held.close)
        cls.folder = folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
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
                self.assertEqual(self.count(f"#chart-speed-{at} .wide rect"), models)
                kind = next(iter(workload["kind"]))
                self.assertEqual(self.count(f"#chart-time-{kind} .wide circle"), samples)
            planned = record["plan"]["quality"]["texts"]
            domains = [{planned[text["text"]]["domain"] for text in result["texts"]} for result in texts]
            for drawing in ("wide", "narrow"):
                shown = self.count(f"#chart-kld-domain .{drawing} circle")
                self.assertTrue(shown > 0 and shown == sum(len(names) for names in domains), shown)
                # Every model, and the ring around the recommended one.
                self.assertEqual(self.count(f"#chart-picture .{drawing} circle"), models + 1)
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

    def test_nothing_scrolls_sideways_where_a_page_is_read(self):
        wider = """
            document.querySelectorAll("main details").forEach((details) => { details.open = true; });
            return [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth)
              .map((box) => `${box.getAttribute("aria-label")}: ${box.scrollWidth} > ${box.clientWidth}`)"""
        for width in (320, 390, 768, 1280, 1920):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                                  mobile=width < 500)
            # Names and values of a hostile record are as long as they please.
            for name in self.each("real", "failures"):
                self.assertEqual(self.browser.run(wider), [], f"{name} at {width}")

    def test_figures_are_whole_and_legible_on_a_telephone(self):
        found = """
            const shown = [...document.querySelectorAll("figure svg")].filter((svg) => svg.getClientRects().length);
            const bad = (svg) => {
              const box = svg.getBoundingClientRect();
              const words = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
              const cut = words.filter(([, own]) => own.left < box.left - 1 || own.right > box.right + 1);
              const small = words.filter(([, own]) => own.height < arguments[0]);
              const at = svg.closest("figure").id;
              return [...cut.map(([text]) => `${at} cuts ${text}`), ...small.map(([text]) => `${at} has small ${text}`),
                      ...(box.right > innerWidth || box.left < 0 ? [`${at} is wider than the page`] : [])];
            };
            return [shown.length, shown.flatMap(bad)]"""
        for width, least in ((320, 8), (390, 10), (560, 10), (600, 10)):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                                  mobile=width < 500)
            for name in self.each(*ALL):
                figures, bad = self.browser.run(found, least)
                self.assertGreaterEqual(figures, 2)
                self.assertEqual(bad, [], f"{name} at {width}")

    def test_the_first_screen_has_the_verdict_and_the_whole_picture(self):
        for width, height in ((1280, 800), (390, 844)):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                                  mobile=width < 500)
            for _ in self.each("real"):
                seen = self.browser.run("""
                    const drawn = [...document.querySelectorAll("#chart-picture svg")].filter((svg) => svg.getClientRects().length);
                    const boxes = [document.querySelector(".lead"), ...drawn].map((node) => node.getBoundingClientRect());
                    return [drawn.length, ...boxes.map((box) => box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth)]""")
                self.assertEqual(seen, [1, True, True], width)
                letters = self.browser.run("""
                    const svg = [...document.querySelectorAll("#chart-picture svg")].find((svg) => svg.getClientRects().length);
                    return Math.min(...[...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect().height))""")
                self.assertGreater(letters, 10, width)
        # Three sentences at most, and they are in the first screen of a desk.
        self.browser.devtools("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
        for _ in self.each("real"):
            bottoms = self.browser.run("return [...document.querySelectorAll('[data-answer=because] li')].map((li) => li.getBoundingClientRect().bottom)")
            self.assertTrue(1 <= len(bottoms) <= 3 and max(bottoms) <= 800, bottoms)

    def choose(self, limits):
        """Types limits as a person does: into a field, which tells the page by its events."""
        self.browser.run("""
            for (const [id, value] of Object.entries(arguments[0])) {
              const field = document.getElementById(id);
              field.value = value;
              field.dispatchEvent(new Event("input", { bubbles: true }));
            }""", limits)

    def answer(self):
        return self.browser.run("""
            const text = (name) => [...document.querySelectorAll(`[data-answer=${name}]`)].map((node) => node.innerText.replaceAll(/\\s+/g, " ").trim())[0];
            const chosen = [...document.querySelectorAll(".card")].findIndex((card) => card.classList.contains("chosen"));
            const ring = document.querySelector('#chart-picture .wide circle[stroke*="--c-ring"]');
            const at = (ring && ring.getAttribute("visibility") !== "hidden") ? [ring.getAttribute("cx"), ring.getAttribute("cy")] : null;
            const dots = [...document.querySelectorAll("#chart-picture .wide circle")].filter((dot) => dot !== ring);
            return {said: `${text("verdict")} ${text("because")}`.trim(), command: text("command"), chosen,
                    ringed: at && dots.findIndex((dot) => dot.getAttribute("cx") === at[0] && dot.getAttribute("cy") === at[1]),
                    limit: document.querySelector('#chart-picture .wide text[fill*="--c-limit"]').textContent,
                    changed: !document.querySelector("[data-answer=changed]").hidden}""")

    def test_limits_chosen_on_the_page_give_what_the_program_gives(self):
        record = self.records["real"]
        for _ in self.each("real"):
            first = self.answer()
            self.assertFalse(first["changed"])
            said = set()
            for limits in (
                {"limit-0": "0.05"}, {"limit-0": "0.09"}, {"limit-0": "1"}, {"limit-0": "0.0001"}, {"limit-0": "0"},
                {"limit-0": "1", "prefer": "size"}, {"limit-0": "1", "prefer": "quality"}, {"limit-0": "1", "limit-1": "95"},
                {"limit-0": "1", "limit-1": "10000"}, {"limit-2": "230"}, {"limit-0": "1", "limit-2": "200.5"}, {"limit-2": "1"},
            ):
                options = []
                for field, option, unit in (("limit-0", "--max-kld", ""), ("limit-1", "--min-tg", ""), ("limit-2", "--max-memory", "MiB")):
                    options += [option, limits[field] + unit] if field in limits else []
                options += ["--prefer", limits["prefer"]] if "prefer" in limits else []
                self.choose({"limit-0": "0.05", "limit-1": "", "limit-2": "", "prefer": "speed", **limits})
                found = self.answer()
                program = pages.recommended(self.program, record, self.folder, options)
                self.assertEqual(" ".join(found["said"].split()), program, limits)
                # The command on the page is one that gives the same.
                words = found["command"].split()
                self.assertEqual(words[:4], ["gguf-bench", "report", "run.json", "--recommend"])
                self.assertEqual(pages.recommended(self.program, record, self.folder, words[4:]), program)
                # One mark on the cards, and the ring around the same.
                self.assertEqual(found["chosen"], -1 if found["ringed"] is None else found["ringed"], limits)
                self.assertEqual(program.startswith("No recommendation"), found["chosen"] == -1)
                self.assertEqual(found["limit"], f"limit {float(limits.get('limit-0', '0.05')):g}")
                said.add(program)
            self.assertGreater(len(said), 5)
            # What is no limit changes nothing and is marked.
            before = self.answer()["said"]
            self.choose({"limit-0": "-1"})
            self.assertEqual(self.answer()["said"], before)
            self.assertEqual(self.count("#limits [aria-invalid]"), 1)
            self.browser.run("document.querySelector('[data-answer=reset]').click()")
            self.assertEqual(self.answer(), first)

    def test_limits_are_chosen_by_keyboard(self):
        for _ in self.each("real"):
            self.browser.run("document.getElementById('limit-0').focus()")
            before = self.answer()["command"]
            for kind in ("keyDown", "keyUp"):
                self.browser.devtools("Input.dispatchKeyEvent", type=kind, key="ArrowUp", code="ArrowUp", windowsVirtualKeyCode=38)
            after = self.answer()
            self.assertTrue("--max-kld 0.06" in after["command"] and "--max-kld 0.05" in before, after)
            self.assertTrue(after["changed"])
            named = self.browser.run("return [...document.querySelectorAll('#limits input, #limits select')].map((field) => field.labels.length)")
            self.assertEqual(named, [1] * 4)

    def test_without_the_script_the_page_shows_the_programs_own_choice(self):
        self.browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
        try:
            self.browser.devtools("Page.navigate", url=self.paths["real"].resolve().as_uri())

            def boxes(selector):
                document = self.browser.devtools("DOM.getDocument")["root"]["nodeId"]
                return len(self.browser.devtools("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

            # With the script the limits are not hidden: it is this page when they are.
            webdriver.until(lambda: boxes("#limits[hidden]") == 1, "the page without its script")
            webdriver.until(lambda: boxes(".card.chosen") == 1, "the chosen card")
            webdriver.until(lambda: boxes("#chart-picture .wide circle[stroke*='--c-ring']") == 1, "the ring around it")
        finally:
            self.browser.devtools("Emulation.setScriptExecutionDisabled", value=False)

    def test_the_contents_stay(self):
        place = """
            window.scrollTo({top: document.body.scrollHeight / 2, behavior: "instant"});
            const box = document.querySelector(".contents").getBoundingClientRect();
            return [box.top >= 0 && box.top < 1, box.height > 0, document.querySelector(".contents details").open]"""
        for width, are_open in ((1280, True), (390, False)):
            self.browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                                  mobile=width < 500)
            for _ in self.each("real", "several"):
                self.assertEqual(self.browser.run(place), [True, True, are_open], width)
        # On a telephone they unfold, lead to a section that is not hidden behind them, and fold again.
        for _ in self.each("real"):
            self.browser.run("document.querySelector('.contents summary').click()")
            self.assertTrue(self.browser.run("return document.querySelector('.contents details').open"))
            self.browser.run("document.documentElement.style.scrollBehavior = 'auto'; document.querySelector('.contents a[href=\"#quality\"]').click()")
            self.assertFalse(self.browser.run("return document.querySelector('.contents details').open"))
            below = self.browser.run("""
                const head = document.getElementById("quality").getBoundingClientRect();
                return head.top - document.querySelector(".contents").getBoundingClientRect().bottom""")
            self.assertTrue(0 <= below < 100, below)
        self.browser.devtools("Emulation.setEmulatedMedia", media="print", features=[])
        self.assertEqual(self.browser.run("return document.querySelector('.contents').getClientRects().length"), 0)

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
                self.assertEqual(self.count(f"#chart-date-{kind} .wide circle"), 1 + 2 * models)
                self.assertEqual(self.count(f"#chart-date-{kind} .wide polygon"), 2 + 2 * models)
            head = 'document.querySelectorAll("#speed-table thead th")[2]'
            self.browser.run(f"{head}.querySelector('button').click()")
            cells = self.browser.run(
                'return [...document.querySelectorAll("#speed-table tbody tr")].map((r) => Number(r.cells[2].dataset.sort))')
            self.assertEqual(cells, sorted(cells))

    def test_a_hostile_record_is_inert(self):
        for name in self.each("hostile", "several"):
            self.assertIsNone(self.browser.run("return window.owned ?? null"))
            # The record, the ballot, the answers to limits, and the one that runs.
            self.assertEqual(self.count("script"), 4 if name == "hostile" else 1)
            self.assertEqual(self.count("img, iframe, object, embed, form, link:not([rel=icon])"), 0)
            shown = self.browser.run("return document.body.innerText")
            self.assertTrue("{{7*7}}" in shown, name)
            # Not assertNotIn, which would print the page.
            self.assertEqual([sign for sign in "\x1b\u202e" if sign in shown], [])


if __name__ == "__main__":
    unittest.main()
