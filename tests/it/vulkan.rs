//! Devices: every path that a GPU takes, but its speed, on Mesa's software driver of Vulkan, lavapipe, as one device and as two.
//!
//! `make test-vulkan` builds the backend, installs the driver and runs these; a build without the backend names each as ignored.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "figures, for who runs them with --nocapture")]

use std::{fs, path::PathBuf, sync::OnceLock, time::Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Bench, killing_for_memory,
    processes::{busy_worker, send, wait_until, workers},
    quants,
};

const SHORT: &str = "--quick --pp 16 --tg 4 --prompts none --no-quality --out out --json out.json";
/// Bytes of a kind, by kind, in llama.cpp's account.
const PARTS: [&str; 3] = ["weights_bytes", "context_bytes", "compute_bytes"];
/// What device memory may differ by from llama.cpp's own account.
const MEMORY_TOLERANCE: f64 = 0.05;
/// Mean KLD of one file on two devices, nats. F32 on both sides: only the order of additions differs.
const SAME_FILE_NATS: f64 = 1e-5;
/// By how much a quantized candidate's KLD may differ between two devices, relatively: a CPU multiplies quantized weights with activations
/// of eight bits, this device with those of 32.
const FIGURE_TOLERANCE: f64 = 0.05;

/// Whose processes see lavapipe so many times, as that many devices.
fn on_lavapipe(bench: Bench, times: usize) -> Bench {
    let driver = fs::read_dir("/usr/share/vulkan/icd.d").unwrap().map(|entry| entry.unwrap().path());
    let driver =
        driver.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")));
    let driver = driver.last().expect("lavapipe is installed: make test-vulkan does it");
    let shaders = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vendor/cache/mesa");
    fs::create_dir_all(&shaders).unwrap();
    let variables = [
        format!("GGML_VK_VISIBLE_DEVICES={}", vec!["0"; times].join(",")),
        // Fewer shaders to compile, and figures nearer to the CPU's.
        "GGML_VK_DISABLE_F16=1".into(),
        "GGML_VK_DISABLE_COOPMAT=1".into(),
        // Mesa 22.3 crashes on a shader that llama.cpp fuses others into.
        "GGML_VK_DISABLE_FUSION=1".into(),
        format!("VK_DRIVER_FILES={}", driver.display()),
        format!("VK_ICD_FILENAMES={}", driver.display()),
        format!("MESA_SHADER_CACHE_DIR={}", shaders.display()),
    ];
    let words: Vec<&str> = std::iter::once("/usr/bin/env").chain(variables.iter().map(String::as_str)).collect();
    bench.through(&words)
}

/// A command line on lavapipe as one device; the first in this process waits until its shaders are compiled.
fn lavapipe(line: &str) -> Bench {
    static WARM: OnceLock<()> = OnceLock::new();
    WARM.get_or_init(|| {
        let began = Instant::now();
        on_lavapipe(Bench::new(&format!("compare {{pocket}} {{pocket}} --device vulkan {SHORT}")), 1).run().ok();
        println!("compiling shaders, or reading them from Mesa's cache: {:.1} s", began.elapsed().as_secs_f64());
    });
    on_lavapipe(Bench::new(line), 1)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

/// The first look at a subject.
fn probe(run: &Value, model: u64) -> &Value {
    rows(run, "probes").iter().find(|probe| probe["model"] == model).unwrap()
}

/// llama.cpp's account of what lies on a device of this name, in all.
fn account(probe: &Value, device: &str) -> f64 {
    let own = rows(probe, "buffers").iter().filter(|b| b["host"] == false && b["name"] == device);
    own.flat_map(|buffer| PARTS.map(|part| number(&buffer[part]))).sum()
}

/// Weights that lie on devices, and all of them.
fn weights(probe: &Value) -> (f64, f64) {
    let of = |device: bool| {
        let own = rows(probe, "buffers").iter().filter(|b| !device || b["host"] == false);
        own.map(|b| number(&b["weights_bytes"])).sum()
    };
    (of(true), of(false))
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn the_device_is_listed_with_its_memory_and_can_be_asked_for() {
    let rows = lavapipe("doctor --json").run().stdout_json();
    let finding = rows.as_array().unwrap().iter().find(|row| row["name"] == "devices").unwrap();
    assert_eq!(finding["level"], "good", "{finding}");
    assert!(finding["finding"].as_str().unwrap().contains("Vulkan0 (llvmpipe"), "{finding}");

    let ran = lavapipe(&format!("compare {{pocket}} {{pocket}} --device vulkan {SHORT}")).run().ok();
    let run = ran.json("out/run.json");
    let device = run["machine"]["devices"].as_array().unwrap().iter().find(|d| d["name"] == "Vulkan0").unwrap().clone();
    assert_eq!((&device["kind"], &device["backend"]), (&"gpu".into(), &"Vulkan".into()), "{device}");
    assert!(number(&device["memory_total_bytes"]) >= f64::from(1 << 30), "{device}");
    assert_eq!(run["subjects"][0]["settings"]["device"], "vulkan");

    let other = lavapipe(&format!("compare {{pocket}} {{pocket}} --device cuda {SHORT}")).run();
    assert_eq!(other.code, 1, "{}", other.stderr);
    assert!(other.tells("no CUDA device") && other.tells("Vulkan0"), "{}", other.stderr);
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn layers_lie_where_n_gpu_layers_says() {
    let on_device = |layers: &str| {
        let line = format!("compare {{pocket}} {{pocket}} --device vulkan -ngl {layers} {SHORT}");
        let ran = lavapipe(&line).run().ok();
        let (device, all) = weights(probe(&ran.json("out/run.json"), 0));
        device / all
    };
    let [all, half, none] = ["-1", "2", "0"].map(on_device);
    // Token embeddings stay on the CPU.
    assert!(all > 0.5 && all < 1.0, "{all}");
    assert!(half > 0.1 && half < 0.9 * all, "{half} of {all}");
    assert!(none.abs() < f64::EPSILON, "{none}");
}

/// The mean KLD and the share of equal first choices of the only candidate, over all tokens.
fn figures(run: &Value) -> (f64, f64) {
    let result = &run["quality"]["results"][0];
    assert_eq!(result["outcome"], "done");
    let texts: Vec<&Value> = rows(result, "texts").iter().map(|text| &text["summary"]).collect();
    let tokens: f64 = texts.iter().map(|t| number(&t["tokens"])).sum();
    let mean = |key: &str| texts.iter().map(|t| number(&t[key]["value"]) * number(&t["tokens"])).sum::<f64>() / tokens;
    (mean("kld_mean_nats"), mean("same_top_fraction"))
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn full_and_partial_offload_put_out_what_the_cpu_does() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/quality/pocket/satire.txt");
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("cpu.logits");
    let same = "--ctx 128 --max-windows 8 --quality-precision 0 --out out";
    Bench::new(&format!("quality {{pocket}} --device cpu --text {text} {same} --save-logits")).arg(&base).run().ok();
    for (layers, times) in [("-1", 1), ("2", 1), ("-1", 2)] {
        let line = format!("quality {{pocket}} --device vulkan -ngl {layers} {same} --logits");
        lavapipe("doctor").run();
        let ran = on_lavapipe(Bench::new(&line).arg(&base), times).run().ok();
        let (kld, same_top) = figures(&ran.json("out/run.json"));
        println!("-ngl {layers} on {times}: mean KLD {kld:.2e} nats from the CPU's, same top {same_top:.4}");
        // The file's 16 bits a logit alone make it 9e-7. That the device computes is shown by where the weights lie.
        assert!(kld < SAME_FILE_NATS, "-ngl {layers} on {times}: {kld}");
        assert!(same_top > 0.99, "-ngl {layers} on {times}: {same_top}");
    }
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn an_overlapped_comparison_gives_the_cpus_figures() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/quality/pocket/satire.txt");
    let line = |device: &str| {
        format!(
            "quality {{pocket}} --device {device} --text {text} --ctx 128 --max-windows 8 --quality-precision 0 --out out"
        )
    };
    for candidate in [&quants()[1], &quants()[2]] {
        let [(cpu, cpu_top), (device, device_top)] =
            [Bench::new(&line("cpu")).arg(candidate).run().ok(), lavapipe(&line("vulkan")).arg(candidate).run().ok()]
                .map(|ran| figures(&ran.json("out/run.json")));
        println!("{}: mean KLD {cpu:.5} on the CPU, {device:.5} overlapped on the device", candidate.display());
        assert!((device / cpu - 1.0).abs() < FIGURE_TOLERANCE, "{cpu} and {device}");
        assert!((device_top - cpu_top).abs() < FIGURE_TOLERANCE, "{cpu_top} and {device_top}");
    }
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn each_subjects_device_memory_is_its_own() {
    let [q8, q4, _] = quants();
    let line = format!("compare {{pocket}} --device vulkan {SHORT}");
    let ran = lavapipe(&line).arg(q8).arg(q4).run().ok();
    let (run, analysis) = (ran.json("out/run.json"), ran.json("out.json"));
    let taken: Vec<f64> = (0..3)
        .map(|model| {
            let own = number(&analysis["models"][model]["metrics"]["device_memory"]["value"]);
            let account = account(probe(&run, model as u64), "Vulkan0");
            println!("subject {model}: {own:.0} bytes of device memory, llama.cpp's account {account:.0}");
            assert!((own / account - 1.0).abs() < MEMORY_TOLERANCE, "{own} and {account}");
            own
        })
        .collect();
    assert!(taken[0] > taken[1] && taken[1] > taken[2], "each alone: {taken:?}");
    // Of one model the files differ in their weights alone, and so does what the device holds.
    let weights: Vec<f64> = (0..3).map(|model| weights(probe(&run, model)).0).collect();
    for other in [1, 2] {
        let (memory, files) = (taken[0] - taken[other], weights[0] - weights[other]);
        assert!((memory / files - 1.0).abs() < MEMORY_TOLERANCE, "{memory} and {files}");
    }
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn two_devices_share_the_layers() {
    lavapipe("doctor").run();
    let line = format!("compare {{pocket}} {{pocket}} --device vulkan {SHORT}");
    let run = on_lavapipe(Bench::new(&line), 2).run().ok().json("out/run.json");
    let names: Vec<&Value> = rows(&run["machine"], "devices").iter().map(|device| &device["name"]).collect();
    assert_eq!(names, ["Vulkan0", "Vulkan1", "CPU"]);
    let probe = probe(&run, 0);
    let share = ["Vulkan0", "Vulkan1"].map(|device| account(probe, device));
    assert!(share.iter().all(|bytes| *bytes > 1e6), "{share:?}");
    let looked_at: Vec<&Value> = rows(probe, "devices").iter().map(|device| &device["name"]).collect();
    assert_eq!(looked_at, ["Vulkan0", "Vulkan1"]);
}

/// Weights of a subject on each of the two devices, in per cent of what lies on both.
fn shares(run: &Value, subject: u64) -> [u64; 2] {
    let probe = probe(run, subject);
    let on = |device: &str| {
        let own = rows(probe, "buffers").iter().filter(|b| b["name"] == device);
        own.map(|b| b["weights_bytes"].as_u64().unwrap()).sum::<u64>()
    };
    let on = ["Vulkan0", "Vulkan1"].map(on);
    on.map(|bytes| 100 * bytes / (on[0] + on[1]))
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn weights_lie_on_the_devices_that_were_asked_for() {
    lavapipe("doctor").run();
    let lie = |options: &str, subjects: u64| {
        let line = format!("compare {{pocket}} {options} {SHORT}");
        let run = on_lavapipe(Bench::new(&line), 2).run().ok().json("out/run.json");
        (0..subjects).map(|subject| shares(&run, subject)).collect::<Vec<_>>()
    };
    let all_on = |device: usize| if device == 0 { [100, 0] } else { [0, 100] };
    assert_eq!(lie("--device vulkan -sm none -mg 0,1", 2), [all_on(0), all_on(1)]);

    let by_name = lie("-dev Vulkan1,Vulkan0/Vulkan1", 2);
    assert_eq!(by_name[0], all_on(1));
    assert!(by_name[1].iter().all(|share| *share > 20), "{by_name:?}");

    let split = lie("--device vulkan -sm layer -ts 1/0,3/1,1/3", 3);
    println!("shares of the first device by -ts 1/0, 3/1 and 1/3: {split:?}");
    assert_eq!(split[0], all_on(0));
    // Whole layers alone can be given, so the shares are near those asked for.
    assert!((55..95).contains(&split[1][0]) && (5..45).contains(&split[2][0]), "{split:?}");
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn work_larger_than_the_device_is_refused_and_running_out_is_a_row() {
    // A KV cache of 3.8 GiB, and lavapipe's heap is one of 2 GiB.
    let line = "compare {pocket} {pocket} --device vulkan --quick --tg 0 --prompts none --no-quality --out out";
    let refused = lavapipe(&format!("{line} --pp 2000000")).run();
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.tells("not enough memory") && refused.tells("2.00 GiB is available"));
    let failed = |options: &str, through: &[&str]| {
        lavapipe("doctor").run();
        let ran = on_lavapipe(Bench::new(&format!("{line} {options} --timeout 120")), 1).through(through).run();
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let failed = ran.json("out/run.json")["subjects"][0]["outcome"]["failed"].clone();
        println!("{options}: {failed}");
        assert_eq!(failed["stage"], "context");
        failed["reason"].as_str().unwrap().to_owned()
    };
    // Tried all the same, its tensors are larger than a buffer may be.
    let reason = failed("--pp 2000000 --force", &[]);
    assert!(reason.contains("aborted") && reason.contains("in a buffer (Vulkan0)"), "{reason}");
    // The driver's heap is not counted, so that what runs out is what the process may map.
    let reason = failed("--pp 450000", &["sh", "-c", "ulimit -v 1500000; exec \"$@\"", "sh"]);
    assert!(reason.contains("failed to allocate Vulkan0 buffer"), "{reason}");
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn a_lost_device_costs_an_attempt_and_then_a_row() {
    // Enough that a worker is found at it; what ends a process that holds a device is a signal.
    let line = "compare {pocket} {pocket} --device vulkan --rounds 2 --pp 2048 --tg 0 --inner 3 --prompts none --no-quality --out out";
    let _alone = killing_for_memory().read();
    let bench = lavapipe(line);
    let child = bench.spawn();
    let parent = child.id();
    for _ in 0..2 {
        let held = busy_worker(parent);
        let worker = held.pid;
        send(worker, Signal::KILL);
        wait_until("it is gone", || !workers(parent).contains(&worker));
    }
    let ran = bench.ran(child);
    let probe = probe(&ran.json("out/run.json"), 0).clone();
    let failed = &probe["outcome"]["failed"];
    let killed = "signal 9 (by a person or a program";
    assert_eq!(failed["reason"].as_str().unwrap().matches(killed).count(), 2, "both attempts: {probe}");
    assert_eq!(ran.code, 1, "the original has no row: {}", ran.stderr);
}

#[test]
#[cfg_attr(not(feature = "vulkan"), ignore = "needs the feature vulkan: make test-vulkan")]
fn the_report_shows_devices_and_their_memory() {
    let line = format!("compare {{pocket}} --device vulkan {SHORT}");
    let ran = lavapipe(&line).arg(&quants()[1]).run().ok();
    let page = ran.read("out/report.html");
    for part in ["Vulkan0 (llvmpipe", "Vulkan0 (device)", "device memory"] {
        assert!(page.contains(part), "{part} is not in the report");
    }
}
