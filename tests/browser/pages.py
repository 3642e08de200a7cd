"""The pages under test, rendered by the program from records: a real one, one with failures, a hostile one."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>window.owned=1</script>\"'><img src=x onerror=window.owned=1>{{7*7}}{% raw %}\x1b[31m‮"


def real():
    """A real record, of format 1: four models, ten rounds, eight texts."""
    return json.loads((ROOT / "tests" / "fixtures" / "runs" / "smollm2.json").read_text(encoding="utf-8"))


def with_failures():
    """The tests' record of format 1, in which a model fails."""
    return json.loads((ROOT / "tests" / "fixtures" / "runs" / "v1.json").read_text(encoding="utf-8"))


def hostile():
    """The real record with every name, prompt and answer turned against the reader."""
    record = real()
    for model in record["models"]:
        model["name"] += HOSTILE
        model["file"] = HOSTILE + model["file"]
        model["facts"]["title"] = HOSTILE
        model["facts"]["architecture"] = HOSTILE
        for group in model["facts"]["tensors"]:
            group["class"] += HOSTILE
    for workload in record["plan"]["workloads"]:
        if "prompt" in workload["kind"]:
            workload["id"] += HOSTILE
            workload["kind"]["prompt"].update(text=HOSTILE * 50, category=HOSTILE)
    for text in record["plan"]["quality"]["texts"]:
        text["name"] += HOSTILE
    for visit in (visit for one in record["rounds"] for visit in one["visits"]):
        for answer in visit["generations"]:
            answer["text"] = "</script>" + HOSTILE + answer["text"]
    record["command"] += [HOSTILE]
    record["machine"]["cpu"] = HOSTILE
    record["build"]["version"] = HOSTILE
    return record


def recommended(program, record, folder, options):
    """What the program itself says to limits: the verdict and its reasons, without the rule."""
    source = folder / "asked.json"
    source.write_text(json.dumps(record), encoding="utf-8")
    command = [program, "report", str(source), "--recommend", *options]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    return " ".join(said.split()).split(" Rule: ")[0]


def render(program, record, folder, name):
    """The page of a record."""
    source, page = folder / f"{name}.json", folder / f"{name}.html"
    source.write_text(json.dumps(record), encoding="utf-8")
    subprocess.run([program, "report", str(source), "--out", str(page)], check=True)
    return page


def side_by_side(program, folder, name):
    """The page of several records: a day, another, another machine, and a hostile one."""
    another_day, elsewhere = real(), real()
    another_day["started_utc"] = "2027-01-02T03:04:05Z"
    elsewhere["machine"]["cpu"] = "Another CPU 16-Core Processor"
    elsewhere["plan"]["engine"]["n_threads"] += 1
    records = [real(), another_day, elsewhere, hostile()]
    sources = [folder / f"{name}-{at}.json" for at in range(len(records))]
    for source, record in zip(sources, records):
        source.write_text(json.dumps(record), encoding="utf-8")
    page = folder / f"{name}.html"
    subprocess.run([program, "report", *map(str, sources), "--out", str(page)], check=True)
    return page
