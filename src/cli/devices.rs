//! --list-devices: what llama.cpp could compute on besides the CPU, as llama-bench lists it, and the end of the program.

use std::fmt::Write;

use anyhow::Result;

use super::{
    console::{Exit, print_text},
    machine::Environment,
};
use crate::{record::DeviceInfo, units::MIB};

pub(super) fn list() -> Result<Exit> {
    print_text(&text(&Environment::read()?.machine.devices))
}

fn text(devices: &[DeviceInfo]) -> String {
    let mut text = String::from("Available devices:\n");
    let others: Vec<&DeviceInfo> = devices.iter().filter(|device| !device.kind.is_cpu()).collect();
    if others.is_empty() {
        text.push_str("  (none but the CPU)\n");
    }
    for DeviceInfo { name, description, memory_total_bytes, memory_free_bytes, .. } in others {
        let mib = |bytes: u64| bytes as f64 / MIB;
        let (total, free) = (mib(*memory_total_bytes), mib(*memory_free_bytes));
        let _ = writeln!(text, "  {name}: {description} ({total:.0} MiB, {free:.0} MiB free)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::DeviceKind;

    #[test]
    fn devices_are_told_with_their_memory() {
        assert!(text(&[]).ends_with("(none but the CPU)\n"));
        let device = |name: &str, kind| DeviceInfo {
            name: name.into(),
            description: "A card".into(),
            kind,
            backend: "CUDA".into(),
            memory_total_bytes: 24 << 30,
            memory_free_bytes: 23 << 30,
            pci_id: None,
        };
        let all = [device("CUDA0", DeviceKind::Gpu), device("CPU", DeviceKind::Cpu)];
        assert_eq!(text(&all), "Available devices:\n  CUDA0: A card (24576 MiB, 23552 MiB free)\n");
    }
}
