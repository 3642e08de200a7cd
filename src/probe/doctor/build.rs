//! Whether this binary was built for this machine.

use super::{Check, Level, good, not_good};
use crate::record::{Build, Machine};

/// Instruction sets the CPU has and llama.cpp was not compiled for.
pub(super) fn instructions(machine: &Machine, build: &Build) -> Check {
    const NAME: &str = "CPU instructions";
    let Some(missing) = build.unused_instructions(&machine.cpu_features) else {
        let finding = "llama.cpp does not say what it was compiled for";
        return not_good(NAME, Level::Unknown, finding, "build on this machine with `make`");
    };
    if machine.cpu_features.is_empty() {
        let finding = "the CPU's instruction sets are not readable";
        return not_good(NAME, Level::Unknown, finding, "build on the machine that measures, with target-cpu=native");
    }
    if missing.is_empty() {
        return good(NAME, format!("llama.cpp uses all of this CPU's: {}", machine.cpu_features.join(", ")));
    }
    not_good(
        NAME,
        Level::Bad,
        format!("this CPU has {}, llama.cpp was built without", missing.join(", ")),
        "build on this machine with RUSTFLAGS=\"-C target-cpu=native\", which `make` does",
    )
}

/// A debug build times itself.
pub(super) fn profile(build: &Build) -> Check {
    const NAME: &str = "build profile";
    if build.is_debug() {
        return not_good(NAME, Level::Bad, "this is a debug build", "build with `cargo build --release`");
    }
    good(NAME, build.profile.clone())
}

/// Devices that were built in against those that are there.
pub(super) fn devices(machine: &Machine, build: &Build) -> Check {
    const NAME: &str = "devices";
    let is_of = |feature: &str, backend: &str| {
        let names: &[&str] = match feature {
            "metal" => &["metal", "mtl"],
            "rocm" => &["rocm", "hip"],
            other => &[other],
        };
        names.iter().any(|name| backend.eq_ignore_ascii_case(name))
    };
    let absent: Vec<&str> = build
        .features
        .iter()
        .filter(|feature| matches!(feature.as_str(), "cuda" | "metal" | "vulkan" | "rocm"))
        .filter(|feature| !machine.devices.iter().any(|device| is_of(feature, &device.backend)))
        .map(String::as_str)
        .collect();
    let found: Vec<String> = machine.devices.iter().map(|d| format!("{} ({})", d.name, d.description)).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    if !absent.is_empty() {
        let finding = format!("built with {}, but no such device is there; found: {found}", absent.join(", "));
        let remedy = "check the device's driver (nvidia-smi, vulkaninfo, rocminfo) and that this user may open it";
        return not_good(NAME, Level::Warning, finding, remedy);
    }
    if machine.devices.is_empty() {
        let finding = "llama.cpp names no device to compute on";
        return not_good(NAME, Level::Bad, finding, "build again with `make`: not even the CPU backend is there");
    }
    good(NAME, found)
}
