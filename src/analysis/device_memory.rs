//! Memory that a model takes on devices, by two accounts: what their drivers say is no longer free, and what llama.cpp allocated there.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    record::{Buffer, DeviceInfo, DeviceMemory, Run},
    thresholds::{DEVICE_CONTEXT_BYTES, DEVICE_MEMORY_TOLERANCE},
};

/// What a model takes of a device, read once with no other model loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct DeviceUse {
    /// ggml's name of the device.
    pub name: String,
    /// By how much its free memory fell; `None` where its driver does not say how much is free.
    pub fell_bytes: Option<u64>,
    /// llama.cpp's own account: weights, KV cache and compute buffers.
    pub account_bytes: u64,
    /// Free before the load.
    pub free_before_bytes: u64,
    /// Total.
    pub total_bytes: u64,
    /// Whether it computes in the machine's memory, so that what it takes is missing there.
    pub is_unified: bool,
}

impl DeviceUse {
    /// What the driver says, or else llama.cpp.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.fell_bytes.unwrap_or(self.account_bytes)
    }

    /// By how much more the free memory fell than llama.cpp accounts for: what the backend keeps there for itself, or another program's.
    pub(crate) fn beyond_bytes(&self) -> Option<i64> {
        let signed = |bytes: u64| i64::try_from(bytes).ok();
        Some(signed(self.fell_bytes?)? - signed(self.account_bytes)?)
    }

    /// Whether the two accounts are of the same model: a backend keeps kernels and handles on the device as well, but not without end.
    pub(crate) fn agrees(&self) -> bool {
        let account = self.account_bytes as f64;
        self.beyond_bytes().is_none_or(|beyond| {
            let tolerated = account * DEVICE_MEMORY_TOLERANCE;
            let most = tolerated + if self.account_bytes > 0 { DEVICE_CONTEXT_BYTES as f64 } else { 0.0 };
            -tolerated <= beyond as f64 && beyond as f64 <= most
        })
    }
}

/// The devices of a model, from its first look; older records have readings beside other models, which say nothing of one.
pub(super) fn of_model(run: &Run, model: usize) -> Vec<DeviceUse> {
    let Some(probe) = run.probes.iter().find(|probe| probe.model == model) else { return Vec::new() };
    let devices = &run.machine.devices;
    probe.devices.iter().map(|memory| device_use(memory, &probe.buffers, devices)).collect()
}

fn device_use(memory: &DeviceMemory, buffers: &[Buffer], devices: &[DeviceInfo]) -> DeviceUse {
    let DeviceMemory { name, free_before_bytes, free_after_bytes, total_bytes } = memory;
    let own = buffers.iter().filter(|buffer| !buffer.host && lies_on(buffer, name, devices));
    let account_bytes = own.map(|b| b.weights_bytes + b.context_bytes + b.compute_bytes).sum();
    // Where nothing became less although llama.cpp allocated, the driver tells the whole of its memory whatever is free.
    let fell = free_before_bytes.checked_sub(*free_after_bytes).filter(|fell| *fell > 0 || account_bytes == 0);
    DeviceUse {
        name: name.clone(),
        fell_bytes: fell,
        account_bytes,
        free_before_bytes: *free_before_bytes,
        total_bytes: *total_bytes,
        is_unified: devices.iter().any(|d| d.name == *name && lies_in_the_machine(d)),
    }
}

/// Whether a device computes in the machine's memory. Mesa's software driver of Vulkan calls itself a graphics card and is none.
fn lies_in_the_machine(device: &DeviceInfo) -> bool {
    device.kind.is_gpu() && (!device.kind.has_own_memory() || device.description.starts_with("llvmpipe"))
}

/// Whether a buffer type is this device's: named as the device is (`CUDA0`, `MTL0_Private`), or, over RPC, by its server and its number
/// there (`RPC0[host:port]` of the device `RPC1`, whose description names the server).
fn lies_on(buffer: &Buffer, device: &str, devices: &[DeviceInfo]) -> bool {
    if let Some((_, server)) = buffer.name.split_once('[') {
        let of_server =
            |d: &&DeviceInfo| d.name.starts_with("RPC") && d.description.contains(server.trim_end_matches(']'));
        let number = devices.iter().filter(of_server).position(|d| d.name == device);
        return number.is_some_and(|number| buffer.name.starts_with(&format!("RPC{number}[")));
    }
    buffer.name.strip_prefix(device).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::analyse,
        metric::{MetricId, memory_of_weights},
        record::{Device, DeviceKind, Outcome, Probe, Settings, read_run},
    };

    const MIB: u64 = 1 << 20;

    fn device(name: &str, description: &str, kind: DeviceKind) -> DeviceInfo {
        DeviceInfo {
            name: name.into(),
            description: description.into(),
            kind,
            backend: String::new(),
            memory_total_bytes: 8192 * MIB,
            memory_free_bytes: 8000 * MIB,
            pci_id: None,
        }
    }

    fn buffer(name: &str, weights_mib: u64) -> Buffer {
        let host = name.starts_with("CPU");
        Buffer { name: name.into(), host, weights_bytes: weights_mib * MIB, context_bytes: 20 * MIB, compute_bytes: 0 }
    }

    fn memory(name: &str, fell_mib: i64) -> DeviceMemory {
        let free_after_bytes = (8000 * MIB).checked_add_signed(-fell_mib * (1 << 20)).expect("small");
        DeviceMemory { name: name.into(), free_before_bytes: 8000 * MIB, free_after_bytes, total_bytes: 8192 * MIB }
    }

    fn used(fell_mib: i64, weights_mib: u64) -> DeviceUse {
        let devices = [device("CUDA0", "a GPU", DeviceKind::Gpu)];
        device_use(&memory("CUDA0", fell_mib), &[buffer("CUDA0", weights_mib), buffer("CPU", 500)], &devices)
    }

    #[test]
    fn the_drivers_account_counts_and_llama_cpps_where_there_is_none() {
        let told = used(452, 260);
        assert_eq!((told.taken_bytes(), told.account_bytes), (452 * MIB, 280 * MIB));
        assert_eq!(told.beyond_bytes(), Some(172 << 20));
        for silent in [used(0, 260), used(-50, 260)] {
            assert_eq!((silent.fell_bytes, silent.taken_bytes()), (None, 280 * MIB), "{silent:?}");
            assert_eq!(silent.beyond_bytes(), None);
        }
        let devices = [device("CUDA0", "a GPU", DeviceKind::Gpu)];
        let untouched = device_use(&memory("CUDA0", 0), &[buffer("CPU", 500)], &devices);
        assert_eq!((untouched.fell_bytes, untouched.taken_bytes()), (Some(0), 0), "nothing lies there");
    }

    #[test]
    fn a_software_drivers_memory_is_the_machines() {
        let is_unified = |description: &str, kind| {
            let devices = [device("Vulkan0", description, kind)];
            device_use(&memory("Vulkan0", 280), &[buffer("Vulkan0", 260)], &devices).is_unified
        };
        assert!(is_unified("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceKind::Gpu));
        assert!(is_unified("a GPU", DeviceKind::IntegratedGpu) && !is_unified("a GPU", DeviceKind::Gpu));
    }

    #[test]
    fn a_backends_own_memory_is_no_disagreement_and_another_programs_is() {
        assert!(used(280, 260).agrees() && used(452, 260).agrees() && used(0, 260).agrees());
        assert!(!used(2000, 260).agrees(), "as much again, several times");
        assert!(!used(200, 260).agrees(), "less than was allocated: another program gave back");
        let devices = [device("CUDA0", "a GPU", DeviceKind::Gpu)];
        assert!(!device_use(&memory("CUDA0", 900), &[], &devices).agrees(), "nothing of ours lies there");
    }

    #[test]
    fn buffers_belong_to_the_device_they_are_named_after() {
        let devices = [
            device("RPC0", "127.0.0.1:50052", DeviceKind::Gpu),
            device("RPC1", "127.0.0.1:50053", DeviceKind::Gpu),
            device("RPC2", "127.0.0.1:50053", DeviceKind::Gpu),
        ];
        for (name, own) in [
            ("CUDA1", "CUDA1"),
            ("CUDA10", "CUDA10"),
            ("MTL0_Private", "MTL0"),
            ("RPC0[127.0.0.1:50052]", "RPC0"),
            ("RPC0[127.0.0.1:50053]", "RPC1"),
            ("RPC1[127.0.0.1:50053]", "RPC2"),
        ] {
            let all = ["CUDA1", "CUDA10", "MTL0", "RPC0", "RPC1", "RPC2"];
            let found: Vec<&str> = all.into_iter().filter(|d| lies_on(&buffer(name, 1), d, &devices)).collect();
            assert_eq!(found, [own], "{name}");
        }
    }

    #[test]
    fn the_metric_of_a_model_on_a_device_is_what_it_takes_there_alone() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let mut run = read_run(&path).expect("the fixture is a record");
        run.machine.devices = vec![device("CUDA0", "a GPU", DeviceKind::Gpu)];
        let probe = |model, fell_mib, weights_mib| Probe {
            model,
            started_ns: 0,
            duration_ns: 1,
            outcome: Outcome::Done,
            load: None,
            peak_rss_bytes: None,
            devices: vec![memory("CUDA0", fell_mib)],
            buffers: vec![buffer("CUDA0", weights_mib)],
            prefill: None,
            decode: None,
            retried: None,
            warnings: Vec::new(),
        };
        run.probes = vec![probe(0, 452, 260), probe(1, 0, 130)];
        let analysis = analyse(&run);
        let value = |model: usize| analysis.models[model].metric(&MetricId::DeviceMemory).and_then(|m| m.value);
        assert_eq!([value(0), value(1)], [452, 150].map(|mib| Some((mib * MIB) as f64)));
        let against = analysis.models[1].comparison(&MetricId::DeviceMemory).expect("both were read");
        assert!(against.verdict.is_none() && against.low.is_none(), "read once: no interval, no verdict");
        let settings = |n_gpu_layers| Settings { device: Device::Auto, n_gpu_layers, ..run.base_settings().clone() };
        assert_eq!(memory_of_weights(&run.machine, &settings(-1)), MetricId::DeviceMemory);
        assert_eq!(memory_of_weights(&run.machine, &settings(0)), MetricId::PeakMemory);
    }
}
