"""Checks this program on a GPU and prints one table to paste.

    make gpu-check                                        builds with the feature of the GPU that is found
    GGUF_BENCH=./gguf-bench python3 vendor/gpu_check.py MODEL... [--device cuda]

Models: the first is the original of the comparison; the largest one's memory, speed and energy are measured. Without any, SmolLM2 of
`make models` is made into F16 and Q4_K_M. LLAMA_BENCH names a llama-bench of the same llama.cpp with the same backend.
Exit code: 0 all passed, 1 something is missing and nothing was checked, 2 a check failed.
"""

import argparse
import ctypes
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMOLLM2 = ROOT / "vendor/cache/models/SmolLM2-135M-Instruct-Q4_1.gguf"
MADE = ROOT / "vendor/cache/gpu-check"

# Mean KLD of a file on the device against the same file on the CPU, nats. Weights of 16 bits are only rounded at other places; those of
# fewer are multiplied with activations that each backend quantizes in its own way.
KLD_16_BIT = 1e-3
KLD_QUANTIZED = 1e-2
# A device's free memory must shrink by what llama.cpp says it took there, within this, and by what the backend keeps there for itself.
MEMORY_TOLERANCE = 0.05
# Kernels and handles: 172 MiB on an H200, the same for every model. As src/thresholds.rs has it.
CONTEXT_BYTES = 512 * 2**20
# What that may differ by between two models.
CONTEXT_TOLERANCE_BYTES = 16 * 2**20
# What comparing may add to evaluating.
OVERLAP = 1.05
# A ratio of speeds to llama-bench's: pairs of processes are few here.
SPEED_TOLERANCE = 0.05
IDLE_S = 2.0
# Of one program: loading from a slow disk included.
TIMEOUT_S = 600


class Missing(Exception):
    """What this machine lacks, so that nothing can be checked."""


class Failed(Exception):
    """A program that did not do what it was asked."""


# What there is.


def run(words, *, timeout=TIMEOUT_S, **more):
    """Runs a program and gives what it printed."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **more)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{Path(words[0]).name} {words[1]} took more than {timeout} s") from late
    if done.returncode != 0:
        last = " | ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-4:])
        raise Failed(f"{Path(words[0]).name} {' '.join(words[1:3])} ended with {done.returncode}: {last}")
    return done.stdout


def feature_of_this_machine():
    """The cargo feature for a GPU that a driver shows here, and what of it is missing, in words."""
    if platform.system() == "Darwin":
        return ("metal", []) if platform.machine() == "arm64" else (None, ["a Mac with Apple's processor"])
    wanting = []
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        if shutil.which("nvcc") or Path("/usr/local/cuda/bin/nvcc").exists():
            return "cuda", []
        wanting.append("an NVIDIA GPU is here, but nvcc of the CUDA toolkit is not on the PATH")
    else:
        wanting.append("no NVIDIA GPU: neither /dev/nvidia0 nor nvidia-smi")
    if Path("/dev/kfd").exists():
        if shutil.which("hipcc") or Path("/opt/rocm/bin/hipcc").exists():
            return "rocm", []
        wanting.append("an AMD GPU is here, but hipcc of ROCm is not on the PATH")
    else:
        wanting.append("no AMD GPU: no /dev/kfd")
    if list(Path("/dev/dri").glob("renderD*")):
        if shutil.which("glslc"):
            return "vulkan", []
        wanting.append("a GPU for Vulkan may be here, but glslc is not on the PATH")
    else:
        wanting.append("no GPU for Vulkan: no /dev/dri/renderD*")
    return None, wanting


def program(features):
    """The program to check: one that is named, or one that is built here."""
    if named := os.environ.get("GGUF_BENCH"):
        if not Path(named).is_file():
            raise Missing([f"GGUF_BENCH names {named}, which is no file"])
        return Path(named).resolve()
    feature, wanting = (features, []) if features else feature_of_this_machine()
    if feature is None:
        raise Missing(wanting)
    cargo = shutil.which(os.environ.get("CARGO", "cargo"))
    if cargo is None:
        raise Missing(["cargo, or GGUF_BENCH with the path of a program built for this GPU"])
    # A folder of its own: the build without a GPU stays.
    target = ROOT / "target" / f"gpu-{feature}"
    print(f"building with --features {feature} into {target}: minutes", file=sys.stderr)
    built = subprocess.run(
        [cargo, "build", "--release", "--locked", "--features", feature, "--bin", "gguf-bench", "--target-dir", target],
        cwd=ROOT, check=False,
    )
    if built.returncode != 0:
        raise Missing([f"cargo build --features {feature} failed: see above"])
    return target / "release/gguf-bench"


def gpus(checks):
    """Names of the devices besides the CPU in the rows of `doctor --json`."""
    finding = next((check["finding"] for check in checks if check["name"] == "devices"), "")
    names = [entry.split(" (", 1)[0].strip() for entry in finding.rsplit("found: ", 1)[-1].split("), ")]
    return [name for name in names if name and name != "none" and not name.startswith(("CPU", "BLAS", "AMX"))]


def option_of(device):
    """The value of --device that chooses devices of this kind."""
    for prefix, option in (("CUDA", "cuda"), ("Vulkan", "vulkan"), ("Metal", "metal"), ("MTL", "metal"), ("CPU", "cpu")):
        if device.startswith(prefix):
            return option
    return "auto"


def make_models(bench):
    """SmolLM2 as F16 and Q4_K_M."""
    made = [MADE / f"SmolLM2-135M-Instruct-{kind}.gguf" for kind in ("F16", "Q4_K_M")]
    if all(path.is_file() for path in made):
        return made
    if not SMOLLM2.is_file():
        run([sys.executable, "-B", ROOT / "vendor/models.py"])
    with tempfile.TemporaryDirectory() as folder:
        run([bench, "sweep", SMOLLM2, "--allow-requantize", "--types", "F16,Q4_K_M", "--keep", MADE, "--out", folder,
             "--quick", "--pp", "16", "--tg", "0", "--prompts", "none", "--no-quality", "--quiet", "--device", "cpu"])
    return made


# What a record says.


def lies_on(buffer, device):
    """Whether a buffer of llama.cpp's account lies in this device's own memory."""
    return not buffer["host"] and buffer["name"].startswith(device)


def device_memory(probe, device):
    """Bytes that a subject took of a device's free memory, and bytes that llama.cpp says it allocated there."""
    if probe["outcome"] != "done":
        raise Failed(f"the first look at a model failed: {probe['outcome']}")
    drop = [d["free_before_bytes"] - d["free_after_bytes"] for d in probe["devices"] if d["name"] == device]
    parts = ("weights_bytes", "context_bytes", "compute_bytes")
    own = sum(buffer[part] for buffer in probe["buffers"] if lies_on(buffer, device) for part in parts)
    return (drop[0] if drop else None), own


def memory_agrees(subjects):
    """Whether drops of free memory are llama.cpp's accounts and one constant: what a backend keeps for itself. None where none was told."""
    told = [(drop, own) for drop, own in subjects if drop]
    if not told:
        return None
    beyond = [drop - own for drop, own in told]
    tolerated = [MEMORY_TOLERANCE * own for _, own in told]
    return all(-slack <= more <= CONTEXT_BYTES + slack for more, slack in zip(beyond, tolerated)) and (
        max(beyond) - min(beyond) <= max(CONTEXT_TOLERANCE_BYTES, *tolerated, 0))


def rate(record, model, phase):
    """Tokens a second of a model's samples in a record: total tokens over total time."""
    samples = [s for r in record["rounds"] for v in r["visits"] if v["model"] == model for s in v["samples"] if s["phase"] == phase]
    if not samples:
        raise Failed(f"the record holds no samples of {phase}: {outcomes(record)}")
    return sum(s["n_tokens"] for s in samples) / sum(s["wall_ns"] for s in samples) * 1e9


def outcomes(record):
    return [v["outcome"] for r in record["rounds"] for v in r["visits"] if v["outcome"] != "done"] or "every visit was done"


def divergence(record):
    """Mean KLD, nats, and share of equal first choices over all scored tokens of the only candidate."""
    quality = record.get("quality") or {}
    results = quality.get("results") or []
    if not results or results[0]["outcome"] != "done":
        raise Failed(f"nothing was compared: {results[0]['outcome'] if results else 'no result'}")
    texts = [text["summary"] for text in results[0]["texts"]]
    tokens = sum(text["tokens"] for text in texts)
    mean = lambda value: sum(value(text) * text["tokens"] for text in texts) / tokens
    return mean(lambda t: t["kld_mean_nats"]["value"]), mean(lambda t: t["same_top_fraction"]["value"])


def over_evaluation(record):
    """Time of comparing over that of its evaluations alone."""
    workers = (record.get("quality") or {}).get("workers") or []
    if not workers:
        raise Failed("no worker compared anything")
    return sum(w["wall_ns"] for w in workers) / sum(w["evaluate_ns"] for w in workers)


# Energy: NVIDIA's counter, read here and not by the program that is checked.


class Nvml:
    """The energy counter of the GPUs, added up; None where the driver gives none."""

    def __init__(self):
        self.library = None
        for name in ("libnvidia-ml.so.1", "nvml.dll"):
            try:
                library = ctypes.CDLL(name)
            except OSError:
                continue
            if library.nvmlInit_v2() == 0:
                self.library = library
                return

    def joules(self):
        if self.library is None:
            return None
        count = ctypes.c_uint()
        if self.library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return None
        total = 0.0
        for index in range(count.value):
            device, energy = ctypes.c_void_p(), ctypes.c_ulonglong()
            if self.library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
                return None
            if self.library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(energy)) != 0:
                return None
            total += energy.value / 1e3
        return total


# The checks: each gives rows (check, measured, expected, passed); passed is None where nothing can be said.


class Checks:
    def __init__(self, bench, device, models, llama_bench, pairs, windows, folder):
        self.bench, self.device, self.models = bench, device, models
        self.llama_bench, self.pairs, self.windows, self.folder = llama_bench, pairs, windows, folder
        self.largest = max(models, key=lambda path: path.stat().st_size)
        self.companion = min(models, key=lambda path: path.stat().st_size)
        self.option = option_of(device)
        self.runs = 0

    def record(self, words):
        self.runs += 1
        out = self.folder / str(self.runs)
        run([self.bench, *words, "--quiet", "--out", out])
        return json.loads((out / "run.json").read_text())

    def compare(self, models, *words):
        return self.record(["compare", *models, "--device", self.option, "--prompts", "none", "--no-quality", *words])

    def layers(self, model):
        facts = json.loads(run([self.bench, "inspect", model, "--json"]))
        found = find(facts, "n_layer")
        if not isinstance(found, int):
            raise Failed(f"inspect does not say how many layers {model.name} has")
        return found

    def divergence(self):
        """A file against itself: logits of the CPU against those of the device, all layers there and half of them."""
        text = ROOT / "README.md"
        for model in self.models:
            base = self.folder / f"{model.stem}.logits"
            same = ["--max-windows", self.windows, "--quality-precision", "0"]
            self.record(["quality", model, "--save-logits", base, "--text", text, "--device", "cpu", *same])
            limit = KLD_16_BIT if any(kind in model.name.upper() for kind in ("F16", "F32")) else KLD_QUANTIZED
            half = max(1, self.layers(model) // 2)
            for what, layers in (("all layers", "-1"), (f"{half} layers", str(half))):
                record = self.record(
                    ["quality", model, "--logits", base, "--device", self.option, "--n-gpu-layers", layers, *same])
                kld, same_top = divergence(record)
                yield (f"{model.name}, {what} on {self.device}, against the CPU", f"mean KLD {kld:.2e} nats, same top {same_top:.2%}",
                       f"at most {limit:g}", kld <= limit)
            base.unlink()

    def overlap(self):
        """Original and candidate compared on the device: what comparing adds to evaluating."""
        if len(self.models) < 2:
            yield ("overlapped comparison", "not checked: one model", f"at most {OVERLAP}", None)
            return
        largest = sorted(self.models, key=lambda path: path.stat().st_size)[-2:][::-1]
        record = self.record(["quality", *largest, "--device", self.option, "--text", ROOT / "README.md",
                              "--max-windows", max(16, self.windows), "--quality-precision", "0"])
        kld, _ = divergence(record)
        ratio = over_evaluation(record)
        yield (f"comparing {largest[1].name} with {largest[0].name}, over its evaluations", f"{ratio:.3f} (mean KLD {kld:.4f} nats)",
               f"at most {OVERLAP}", ratio <= OVERLAP)

    def memory(self):
        """Each subject alone: what its device lost of free memory against llama.cpp's account, all layers there and half. What it lost
        beyond that must be the same for both."""
        half = max(1, self.layers(self.largest) // 2)
        for what, layers in (("all layers", "-1"), (f"{half} layers", str(half))):
            record = self.compare([self.largest, self.companion], "--rounds", "1", "--inner", "1", "--n-gpu-layers", layers)
            probes = record.get("probes") or []
            if not probes:
                raise Failed("the record holds no probe")
            subjects = [device_memory(probe, self.device) for probe in sorted(probes, key=lambda probe: probe["model"])]
            names = [self.largest.name, self.companion.name]
            agrees = memory_agrees(subjects)
            if agrees is None:
                yield (f"memory of {' and '.join(names)}, {what}", "the driver does not say how much of its memory is free", "", None)
                continue
            mib = lambda number: f"{number / 2**20:.1f}"
            said = "; ".join(f"{name} {mib(drop or 0)} MiB, llama.cpp's account {mib(own)}, {mib((drop or 0) - own)} beyond it"
                             for name, (drop, own) in zip(names, subjects))
            yield (f"memory, {what}, on {self.device}", said,
                   f"within {MEMORY_TOLERANCE:.0%}, and the same beyond it, at most {CONTEXT_BYTES / 2**20:.0f} MiB", agrees)

    def speed(self):
        """Alternating processes of this program and of llama-bench on the same file with the same flags."""
        if self.llama_bench is None:
            yield ("speed against llama-bench", "not checked: LLAMA_BENCH does not name one", f"within {SPEED_TOLERANCE:.0%}", None)
            return
        ours, theirs = {"pp512": [], "tg128": []}, {"pp512": [], "tg128": []}
        threads = str(os.cpu_count() or 1)

        def one_of_ours():
            record = self.compare([self.largest, self.companion], "--rounds", "1", "--inner", "3", "-p", "512", "-n", "128", "-t", threads)
            ours["pp512"].append(rate(record, 0, "prefill"))
            ours["tg128"].append(rate(record, 0, "decode"))

        def one_of_theirs():
            for name, words in (("pp512", ["-p", "512", "-n", "0"]), ("tg128", ["-p", "0", "-n", "128"])):
                printed = run([self.llama_bench, "-m", self.largest, *words, "-r", "3", "-t", threads, "-o", "jsonl"])
                row = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
                # As ours: all tokens over all time.
                theirs[name].append((512 if name == "pp512" else 128) * 3 / sum(row["samples_ns"]) * 1e9)

        for pair in range(self.pairs):
            turn = (one_of_ours, one_of_theirs)
            for one in turn if pair % 2 == 0 else reversed(turn):
                one()
        for name in ours:
            ratios = [a / b for a, b in zip(ours[name], theirs[name])]
            middle = statistics.median(ratios)
            yield (f"{name} of {self.largest.name} over llama-bench's",
                   f"{statistics.median(ours[name]):.1f} and {statistics.median(theirs[name]):.1f} t/s; median ratio {middle:.3f} "
                   f"of {', '.join(f'{ratio:.3f}' for ratio in sorted(ratios))}",
                   f"within {SPEED_TOLERANCE:.0%}", abs(middle - 1) <= SPEED_TOLERANCE)

    def energy(self):
        """What the GPU took at rest, and during a run that mostly generates."""
        nvml = Nvml()
        if nvml.joules() is None:
            yield ("energy", "no counter of NVIDIA's driver", "", None)
            return
        before, began = nvml.joules(), time.monotonic()
        time.sleep(IDLE_S)
        idle = (nvml.joules() - before) / (time.monotonic() - began)
        before, began = nvml.joules(), time.monotonic()
        record = self.compare([self.largest, self.companion], "--rounds", "1", "--inner", "5", "-p", "0", "-n", "256")
        took, lasted = nvml.joules() - before, time.monotonic() - began
        tokens = sum(s["n_tokens"] for r in record["rounds"] for v in r["visits"] for s in v["samples"])
        yield ("energy of the GPU, NVIDIA's counter",
               f"idle {idle:.0f} W; a whole run of {lasted:.1f} s that timed {tokens} generated tokens: {took:.0f} J, {took / lasted:.0f} W",
               "the counter moves", took > 0)


def find(value, key):
    """The first value of a key, wherever it stands."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            found = find(each, key)
            if found is not None:
                return found
    return None


def table(rows):
    """Rows as Markdown."""
    mark = {True: "passed", False: "**failed**", None: "n/a"}
    lines = ["| check | measured | expected | |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {measured} | {expected} | {mark[passed]} |" for what, measured, expected, passed in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="the original first (default: SmolLM2, made here)")
    parser.add_argument("--features", help="cargo feature to build with (default: that of the GPU that is found)")
    parser.add_argument("--device", help="device to check by ggml's name, such as CUDA0 (default: the first GPU; CPU tries this script)")
    parser.add_argument("--pairs", type=int, default=4, help="pairs of processes for the speed (default: %(default)s)")
    parser.add_argument("--windows", type=int, default=8, help="windows of text for the logits (default: %(default)s)")
    parser.add_argument("--only", help="names of checks, separated by commas: memory, divergence, overlap, speed, energy")
    asked = parser.parse_args()
    try:
        bench = program(asked.features)
        listed = json.loads(run([bench, "doctor", "--json"]))
        found = gpus(listed)
        if asked.device is None and not found:
            finding = next((check["finding"] for check in listed if check["name"] == "devices"), "no row of devices")
            raise Missing([f"llama.cpp in {bench} names no GPU ({finding}): build with the GPU's feature, and see to its driver"])
        device = asked.device or found[0]
        models = [path.resolve() for path in asked.models] or make_models(bench)
        if absent := [str(path) for path in models if not path.is_file()]:
            raise Missing([f"no such file: {', '.join(absent)}"])
    except Missing as missing:
        print("gpu-check: nothing was checked. Missing:", file=sys.stderr)
        for line in missing.args[0]:
            print(f"  - {line}", file=sys.stderr)
        return 1
    named = os.environ.get("LLAMA_BENCH") or shutil.which("llama-bench")
    description = next(check["finding"] for check in listed if check["name"] == "devices")
    version = run([bench, "--version"]).strip()
    rows = [("devices", description, "a device besides the CPU", bool(found) or (None if asked.device else False))]
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(bench, device, models, Path(named) if named else None, asked.pairs, asked.windows, Path(folder))
        everything = ("memory", "divergence", "overlap", "speed", "energy")
        for name in asked.only.split(",") if asked.only else everything:
            began = time.monotonic()
            try:
                for row in getattr(checks, name)():
                    rows.append(row)
                    print(table([row]).splitlines()[-1], file=sys.stderr, flush=True)
            except KeyboardInterrupt:
                # What was found until then is worth its table.
                rows.append((name, "stopped", "", None))
                break
            except (Failed, KeyError, OSError, json.JSONDecodeError) as error:
                rows.append((name, f"{type(error).__name__}: {error}".replace("|", "/").replace("\n", " "), "", False))
                print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
            print(f"  {name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    print(f"{version}, {device}, {platform.platform()}\n\n{table(rows)}")
    return 2 if any(passed is False for *_, passed in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
