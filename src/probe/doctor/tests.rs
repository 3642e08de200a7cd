//! Fixed machines, judged.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::probe::energy::{EnergyDomain, EnergyUsed, Unreadable};
use crate::record::{DeviceInfo, DeviceKind, ThreadsReason};

const FULL: &str = "CPU : SSE3 = 1 | SSSE3 = 1 | AVX = 1 | AVX2 = 1 | F16C = 1 | FMA = 1 | BMI2 = 1 | AVX512 = 1 | \
    AVX512_VNNI = 1 | LLAMAFILE = 1 | OPENMP = 1 | REPACK = 1 | ";

fn device(name: &str, backend: &str) -> DeviceInfo {
    DeviceInfo {
        name: name.into(),
        description: "a device".into(),
        kind: DeviceKind::Gpu,
        backend: backend.into(),
        memory_total_bytes: 0,
        memory_free_bytes: 0,
        pci_id: None,
    }
}

/// A workstation on which nothing is wrong.
fn machine() -> Machine {
    let features = ["avx", "avx2", "avx512_vnni", "avx512bw", "avx512f", "bmi2", "f16c", "fma"];
    Machine {
        os: "Debian".into(),
        kernel: None,
        cpu: "a CPU".into(),
        cpu_features: features.map(String::from).to_vec(),
        physical_cores: Some(8),
        logical_cpus: 16,
        allowed_cpus: 16,
        ram_bytes: 32 << 30,
        memory_limit_bytes: None,
        available_bytes: 28 << 30,
        governor: Some("performance".into()),
        on_battery: Some(false),
        devices: vec![device("CPU", "CPU")],
        memory_bandwidth: None,
        openmp_variables: None,
        rpc_servers: Vec::new(),
        energy: None,
    }
}

fn build() -> Build {
    Build {
        version: String::new(),
        git_revision: String::new(),
        target: String::new(),
        profile: "release".into(),
        features: Vec::new(),
        llama_cpp_2: String::new(),
        llama_cpp_sys_2: String::new(),
        ggml: String::new(),
        options: [("GGML_NATIVE".into(), "ON".into())].into(),
        system_info: FULL.into(),
    }
}

fn live() -> LiveState {
    LiveState {
        conditions: Conditions {
            load_average_1m: Some(0.3),
            cpu_mhz: Some(3000.0),
            cpu_celsius: Some(45.0),
            other_cpu_share: Some(0.004),
            steal_share: Some(0.0),
            swap_in_bytes: Some(0),
            involuntary_switches: None,
            memory_pressure: Some(0.0),
        },
        timer_ns: Some(30),
        host: Host::default(),
        threads: Some(DefaultThreads { n_threads: 8, reason: ThreadsReason::PhysicalCores }),
        scatter: Some(Scatter { times: 50, median_ns: 1e7, deviation: 0.004, slowest: 0.02 }),
        energy: EnergyAtRest {
            used: vec![EnergyUsed {
                domain: EnergyDomain::Package { name: "package-0".into() },
                used_uj: 12_340_000,
                elapsed_ns: 1_000_000_000,
            }],
            absent: Vec::new(),
        },
        gpus: Vec::new(),
        readings: Readable { read: 20, absent: vec!["frequency governor"], ..Readable::default() },
    }
}

#[test]
fn what_is_not_read_is_named_and_a_fault_where_the_system_tells_it() {
    let row = |readings| one("readings", &machine(), &build(), &LiveState { readings, ..live() });
    let absent = row(live().readings);
    assert_eq!(
        (absent.level, absent.finding.as_str()),
        (Level::Good, "20 of 21 are to be had; not on this machine: frequency governor")
    );
    let other =
        row(Readable { read: 9, not_told_here: vec!["its exact peak", "mains or battery"], ..Readable::default() });
    assert_eq!(other.level, Level::Good);
    assert_eq!(other.finding, "9 of 11 are to be had; not told by this system: its exact peak, mains or battery");
    let hidden = row(Readable { read: 22, amiss: vec!["its exact peak"], ..Readable::default() });
    assert_eq!(hidden.level, Level::Warning);
    assert!(hidden.finding.contains("missing") && hidden.remedy.is_some_and(|remedy| remedy.contains("/proc")));
}

/// The one check of that name, with what every check must keep.
fn one(name: &str, machine: &Machine, build: &Build, live: &LiveState) -> Check {
    let checks = checks(machine, build, live);
    for check in &checks {
        assert_eq!(check.level == Level::Good, check.remedy.is_none(), "{check:?}");
        assert!(!check.finding.is_empty());
    }
    checks.into_iter().find(|check| check.name == name).unwrap()
}

#[test]
fn a_good_machine_is_good_throughout() {
    let checks = checks(&machine(), &build(), &live());
    assert_eq!(worst(&checks), Level::Good, "{checks:#?}");
    assert_eq!(checks.len(), 17);
}

#[test]
fn instructions_by_what_was_really_compiled() {
    let judge = |build: &Build| one("CPU instructions", &machine(), build, &live());
    let plain = Build { system_info: FULL.replace("AVX512 = 1 | AVX512_VNNI = 1 | ", ""), ..build() };
    let check = judge(&plain);
    assert_eq!(check.level, Level::Bad);
    assert!(
        check.finding.contains("avx512_vnni, avx512f") || check.finding.contains("avx512f, avx512_vnni"),
        "{check:?}"
    );
    assert!(check.remedy.unwrap().contains("target-cpu=native"));
    let zero = Build { system_info: FULL.replace("AVX2 = 1", "AVX2 = 0"), ..build() };
    assert!(judge(&zero).finding.contains("has avx2,"));
    let scalar = Build { system_info: "CPU : SSE3 = 1 | OPENMP = 1 | ".into(), ..build() };
    assert_eq!(judge(&scalar).level, Level::Bad);
}

#[test]
fn instructions_by_the_options_when_nothing_is_said() {
    let judge = |options: &[(&str, &str)]| {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        one("CPU instructions", &machine(), &Build { system_info: String::new(), options, ..build() }, &live())
    };
    assert_eq!(judge(&[("GGML_NATIVE", "ON")]).level, Level::Unknown);
    assert_eq!(judge(&[]).level, Level::Unknown);
    let all = ["AVX", "AVX2", "FMA", "F16C", "BMI2", "AVX512", "AVX512_VNNI"].map(|name| format!("GGML_{name}"));
    let mut options: Vec<(&str, &str)> = all.iter().map(|name| (name.as_str(), "ON")).collect();
    options.push(("GGML_NATIVE", "OFF"));
    assert_eq!(judge(&options).level, Level::Good);
    options[5].1 = "OFF";
    assert!(judge(&options).finding.contains("has avx512f,"));
}

#[test]
fn arm_has_names_of_its_own() {
    let arm = Machine { cpu_features: ["dotprod", "i8mm", "neon"].map(String::from).to_vec(), ..machine() };
    let built = |info: &str| Build { system_info: info.into(), ..build() };
    let whole = built("CPU : NEON = 1 | ARM_FMA = 1 | MATMUL_INT8 = 1 | DOTPROD = 1 | ");
    assert_eq!(one("CPU instructions", &arm, &whole, &live()).level, Level::Good);
    let part = one("CPU instructions", &arm, &built("CPU : NEON = 1 | ARM_FMA = 1 | "), &live());
    assert!(part.finding.contains("dotprod, i8mm"));
}

#[test]
fn a_debug_build_is_bad() {
    let debug = Build { profile: "debug".into(), ..build() };
    assert_eq!(one("build profile", &machine(), &debug, &live()).level, Level::Bad);
    let mut cmake = build();
    cmake.options.insert("CMAKE_BUILD_TYPE".into(), "Debug".into());
    assert_eq!(one("build profile", &machine(), &cmake, &live()).level, Level::Bad);
}

#[test]
fn a_backend_without_its_device() {
    let cuda = Build { features: vec!["cuda".into()], ..build() };
    let check = one("devices", &machine(), &cuda, &live());
    assert_eq!(check.level, Level::Warning);
    assert!(check.finding.contains("built with cuda") && check.finding.contains("CPU (a device)"));
    let there = Machine { devices: vec![device("CPU", "CPU"), device("CUDA0", "CUDA")], ..machine() };
    assert_eq!(one("devices", &there, &cuda, &live()).level, Level::Good);
    let apple = Build { features: vec!["metal".into()], ..build() };
    let mtl = Machine { devices: vec![device("MTL0", "MTL")], ..machine() };
    assert_eq!(one("devices", &mtl, &apple, &live()).level, Level::Good);
    assert_eq!(one("devices", &Machine { devices: Vec::new(), ..machine() }, &build(), &live()).level, Level::Bad);
}

#[test]
fn what_lasts() {
    let level = |name, machine: &Machine| one(name, machine, &build(), &live()).level;
    let bound = Machine { allowed_cpus: 2, ..machine() };
    assert_eq!(level("cores", &bound), Level::Warning);
    assert!(one("cores", &bound, &build(), &live()).finding.starts_with("2 of 16 CPUs"));
    let whole = one("cores", &machine(), &build(), &live()).finding;
    assert!(whole.ends_with("8 physical cores; threads default to 8: one for each physical core"), "{whole}");
    assert_eq!(level("memory", &Machine { available_bytes: 7 << 30, ..machine() }), Level::Warning);
    assert_eq!(level("memory", &Machine { available_bytes: 1 << 30, ..machine() }), Level::Bad);
    let limited = Machine { available_bytes: 3 << 30, memory_limit_bytes: Some(4 << 30), ..machine() };
    assert_eq!(level("memory", &limited), Level::Good);
    assert!(one("memory", &limited, &build(), &live()).finding.ends_with("limited to 4.0 GiB"));
    assert_eq!(level("memory", &Machine { ram_bytes: 0, ..machine() }), Level::Unknown);
    assert_eq!(level("governor", &Machine { governor: Some("powersave".into()), ..machine() }), Level::Warning);
    assert_eq!(level("governor", &Machine { governor: None, ..machine() }), Level::Unknown);
    assert_eq!(level("power", &Machine { on_battery: Some(true), ..machine() }), Level::Warning);
    assert_eq!(level("power", &Machine { on_battery: None, ..machine() }), Level::Unknown);
}

#[test]
fn what_is_so_now() {
    let level = |name, change: &dyn Fn(&mut Conditions)| {
        let mut live = live();
        change(&mut live.conditions);
        one(name, &machine(), &build(), &live).level
    };
    assert_eq!(level("load", &|c| c.load_average_1m = Some(6.0)), Level::Warning);
    assert_eq!(level("load", &|c| c.load_average_1m = Some(17.0)), Level::Bad);
    assert_eq!(level("other processes", &|c| c.other_cpu_share = Some(0.05)), Level::Warning);
    assert_eq!(level("other processes", &|c| c.other_cpu_share = Some(0.5)), Level::Bad);
    assert_eq!(level("steal time", &|c| c.steal_share = Some(0.02)), Level::Warning);
    assert_eq!(level("swapping", &|c| c.swap_in_bytes = Some(4096)), Level::Bad);
    assert_eq!(level("swapping", &|c| c.memory_pressure = Some(0.05)), Level::Warning);
    assert_eq!(level("swapping", &|c| c.memory_pressure = None), Level::Good);
    assert_eq!(level("temperature", &|c| c.cpu_celsius = Some(96.0)), Level::Bad);
}

#[test]
fn what_cannot_be_read_is_unknown_not_good() {
    let nothing = LiveState { timer_ns: Some(30), ..LiveState::default() };
    for name in ["load", "other processes", "steal time", "swapping", "temperature", "steadiness"] {
        assert_eq!(one(name, &machine(), &build(), &nothing).level, Level::Unknown, "{name}");
    }
    assert_eq!(one("clock", &machine(), &build(), &LiveState::default()).level, Level::Unknown);
    let bare = Machine { cpu_features: Vec::new(), ..machine() };
    assert_eq!(one("CPU instructions", &bare, &build(), &live()).level, Level::Unknown);
}

#[test]
fn clock_and_host() {
    let with = |timer_ns| LiveState { timer_ns: Some(timer_ns), ..live() };
    assert_eq!(one("clock", &machine(), &build(), &with(15_600_000)).level, Level::Bad);
    let vm = Host { virtual_machine: Some("KVM".into()), container: Some("docker".into()) };
    let check = one("host", &machine(), &build(), &LiveState { host: vm, ..live() });
    assert_eq!((check.level, check.finding.as_str()), (Level::Warning, "virtual machine (KVM), container (docker)"));
    let docker = Host { virtual_machine: None, container: Some("docker".into()) };
    assert_eq!(one("host", &machine(), &build(), &LiveState { host: docker, ..live() }).level, Level::Good);
}

#[test]
fn equal_work_that_takes_unequal_times() {
    let scatter = |deviation| Some(Scatter { times: 50, median_ns: 8_200_000.0, deviation, slowest: 0.41 });
    let check =
        |deviation| one("steadiness", &machine(), &build(), &LiveState { scatter: scatter(deviation), ..live() });
    assert_eq!((check(0.01).level, check(0.3).level), (Level::Good, Level::Bad));
    assert_eq!(check(0.05).level, Level::Warning);
    let said = "50 equal calculations of 8.2 ms scatter by 5.0 % (standard deviation), the slowest took 41.0 % longer";
    assert_eq!(check(0.05).finding, said);
}

#[test]
fn levels_are_written_small() {
    let json = serde_json::to_value(&checks(&machine(), &build(), &live())[0]).unwrap();
    assert_eq!(json["level"], "good");
    assert!(json["remedy"].is_null());
}

#[test]
fn energy_says_what_is_counted_and_what_is_not() {
    let check = one("energy", &machine(), &build(), &live());
    assert_eq!((check.level, check.finding.as_str()), (Level::Good, "at rest CPU package-0 12.3 W"));
    let refused = Unreadable::NeedsReadAccess("/sys/class/powercap/intel-rapl:0/energy_uj".into());
    let EnergyAtRest { used, .. } = live().energy;
    let cores = EnergyUsed { domain: EnergyDomain::Cores { package: "package-0".into() }, ..used[0].clone() };
    let with = |used: &[EnergyUsed]| LiveState {
        energy: EnergyAtRest { used: used.to_vec(), absent: vec![refused.clone()] },
        ..live()
    };
    let said = "needs read access to /sys/class/powercap/intel-rapl:0/energy_uj";
    // The cores alone are no sum, and a part of the package is not told beside it.
    let alone = one("energy", &machine(), &build(), &with(std::slice::from_ref(&cores)));
    assert_eq!((alone.level, alone.finding.as_str()), (Level::Unknown, said));
    let both = one("energy", &machine(), &build(), &with(&[used[0].clone(), cores]));
    assert_eq!(both.finding, format!("at rest CPU package-0 12.3 W; not counted: {said}"));
}

#[test]
fn a_gpu_is_told_under_llama_cpps_name_and_warned_of_when_slowed() {
    let here = |device: DeviceInfo| DeviceInfo { pci_id: Some("0000:01:00.0".into()), ..device };
    let machine = Machine { devices: vec![device("CPU", "CPU"), here(device("CUDA0", "CUDA"))], ..machine() };
    let gpu = GpuState {
        pci_id: "0000:01:00.0".into(),
        watts: Some(71.4),
        power_limit_watts: Some(700.0),
        graphics_mhz: Some(345),
        memory_mhz: Some(3201),
        celsius: Some(31),
        slowed_by: Some(Vec::new()),
        processes: Some(vec![(7, Some(1 << 30)), (8, Some(1 << 29))]),
    };
    let check = |gpu: &GpuState| one("GPU state", &machine, &build(), &LiveState { gpus: vec![gpu.clone()], ..live() });
    let said = "CUDA0: 71 of 700 W, 345 MHz, its memory 3201 MHz, 31 °C, 2 process(es) compute on it and hold 1.5 GiB";
    assert_eq!((check(&gpu).level, check(&gpu).finding), (Level::Good, format!("{said}; nothing slows it")));
    let hot = GpuState { slowed_by: Some(vec!["its power limit", "its temperature"]), ..gpu };
    assert_eq!(check(&hot).level, Level::Warning);
    assert_eq!(check(&hot).finding, format!("{said}; slowed by its power limit and its temperature"));
    // One that llama.cpp does not compute on, of which the driver says nothing.
    let unknown = GpuState { pci_id: "0000:02:00.0".into(), ..GpuState::default() };
    assert_eq!(check(&unknown).finding, "0000:02:00.0: its driver says nothing of it");
}
