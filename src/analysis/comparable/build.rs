//! What differs between the programs that measured, and between the machines.

use std::collections::BTreeSet;

use super::difference::{Found, Weight, or_unknown};
use crate::{
    record::{Build, Device, Machine, Run},
    units::in_gib,
};

/// `CMake` options that say how or from what llama.cpp was built, and change no instruction of it.
const OF_THE_BUILD: [&str; 11] = [
    "GGML_ALL_WARNINGS",
    "GGML_AVAILABLE_BACKENDS",
    "GGML_BUILD_",
    "GGML_CCACHE",
    "GGML_FATAL_WARNINGS",
    "GGML_GIT_",
    "GGML_METAL_TARGET_OS",
    "GGML_PUBLIC_HEADERS",
    "GGML_SCCACHE",
    "GGML_STANDALONE",
    "GGML_VERSION",
];
/// Backends whose many options mean nothing while the backend itself is off.
const BACKENDS: [&str; 12] =
    ["BLAS", "CUDA", "HEXAGON", "HIP", "METAL", "MUSA", "OPENCL", "OPENVINO", "SYCL", "VIRTGPU", "VULKAN", "WEBGPU"];

pub(super) fn compare(found: &mut Found, old: &Run, new: &Run) {
    program(found, &old.build, &new.build);
    options(found, old, new);
    machine(found, &old.machine, &new.machine);
    devices(found, old, new);
}

fn program(found: &mut Found, old: &Build, new: &Build) {
    use Weight::{Meaningless, Noteworthy};
    found.compare(Meaningless, "build profile", &old.profile, &new.profile);
    found.compare(Meaningless, "backends built in", features(old), features(new));
    found.compare(Noteworthy, "gguf-bench", &old.version, &new.version);
    found.compare(Noteworthy, "revision of gguf-bench", &old.git_revision, &new.git_revision);
    found.compare(Noteworthy, "llama.cpp (llama-cpp-sys-2)", &old.llama_cpp_sys_2, &new.llama_cpp_sys_2);
    found.compare(Noteworthy, "ggml", &old.ggml, &new.ggml);
    found.compare(Noteworthy, "target", &old.target, &new.target);
}

fn features(build: &Build) -> String {
    if build.features.is_empty() { "CPU only".into() } else { build.features.join(", ") }
}

/// Options that both llama.cpps know must agree; what only one knows is a matter of its version. Another CPU is built for otherwise.
fn options(found: &mut Found, old: &Run, new: &Run) {
    let same_llama = old.build.llama_cpp_sys_2 == new.build.llama_cpp_sys_2;
    let same_cpu = cpu(&old.machine) == cpu(&new.machine);
    let (before, after) = (&old.build.options, &new.build.options);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| changes_code(name, &old.build, &new.build)) {
        let both = before.contains_key(name) && after.contains_key(name);
        // A record without any options is of a build that did not tell them.
        let told = !before.is_empty() && !after.is_empty();
        let weight = if both || (same_llama && told) { Weight::Meaningless } else { Weight::Noteworthy };
        let shown = |options: &std::collections::BTreeMap<String, String>| {
            options.get(name).map_or_else(|| "not set".into(), |value| format!("{value:?}"))
        };
        found.compare(weight, format!("build option {name}"), shown(before), shown(after));
    }
    let weight = if same_llama && same_cpu { Weight::Meaningless } else { Weight::Noteworthy };
    let (old, new) = (old.build.compiled_to_use(), new.build.compiled_to_use());
    let without = |of: &BTreeSet<&str>, other: &BTreeSet<&str>| {
        let only: Vec<&str> = of.difference(other).copied().collect();
        if only.is_empty() { "nothing more".to_owned() } else { only.join(", ") }
    };
    found.compare(weight, "compiled to use", without(&old, &new), without(&new, &old));
}

fn changes_code(name: &str, old: &Build, new: &Build) -> bool {
    let set = |build: &Build, name: &str| build.options.get(name).is_some_and(|value| value == "ON");
    let idle = |backend: &&str| {
        let switch = format!("GGML_{backend}");
        name.starts_with(&format!("{switch}_")) && !set(old, &switch) && !set(new, &switch)
    };
    let told = OF_THE_BUILD.iter().any(|prefix| name.starts_with(prefix))
        || name.ends_with("_DEFAULT")
        || name.contains("_FOUND")
        || name.ends_with("_FETCH");
    !told && !BACKENDS.iter().any(idle)
}

fn cpu(machine: &Machine) -> (&str, &[String]) {
    (&machine.cpu, &machine.cpu_features)
}

fn machine(found: &mut Found, old: &Machine, new: &Machine) {
    let mut note = |what: &str, of: &dyn Fn(&Machine) -> String| {
        found.compare(Weight::Noteworthy, what, of(old), of(new));
    };
    let gib = |bytes: u64| format!("{:.1} GiB", in_gib(bytes));
    note("CPU", &|m| m.cpu.clone());
    note("instruction sets of the CPU", &|m| m.cpu_features.join(", "));
    note("physical cores", &|m| or_unknown(m.physical_cores));
    note("logical CPUs", &|m| m.logical_cpus.to_string());
    note("CPUs this process may use", &|m| m.allowed_cpus.to_string());
    note("installed memory", &|m| gib(m.ram_bytes));
    note("memory limit", &|m| m.memory_limit_bytes.map_or_else(|| "none".into(), gib));
    note("operating system", &|m| m.os.clone());
    note("kernel", &|m| or_unknown(m.kernel.as_deref()));
    note("frequency governor", &|m| or_unknown(m.governor.as_deref()));
    // Older records do not say.
    if old.openmp_variables.is_some() && new.openmp_variables.is_some() {
        note("OpenMP's environment variables", &|m| {
            let set = m.openmp_variables.iter().flatten().map(|(name, value)| format!("{name}={value}"));
            let set: Vec<String> = set.collect();
            if set.is_empty() { "none set".into() } else { set.join(" ") }
        });
    }
    note("on battery", &|m| m.on_battery.map_or("unknown", |on| if on { "yes" } else { "no" }).into());
}

/// Where the plan leaves the choice, another kind of device is another kind of work.
fn devices(found: &mut Found, old: &Run, new: &Run) {
    let list = |run: &Run, of: &dyn Fn(&crate::record::DeviceInfo) -> String| {
        let others: BTreeSet<String> = run.machine.devices.iter().filter(|d| !d.kind.is_cpu()).map(of).collect();
        if others.is_empty() { "the CPU".to_owned() } else { others.into_iter().collect::<Vec<_>>().join(", ") }
    };
    let chosen = [old, new].iter().any(|run| run.base_settings().device == Device::Auto);
    let kinds = [old, new].map(|run| list(run, &|d| d.backend.clone()));
    let what = if kinds[0] == kinds[1] { "devices" } else { "kinds of devices" };
    let weight = if kinds[0] != kinds[1] && chosen { Weight::Meaningless } else { Weight::Noteworthy };
    let [old, new] = [old, new].map(|run| list(run, &|d| format!("{} ({})", d.name, d.description)));
    found.compare(weight, what, old, new);
}
