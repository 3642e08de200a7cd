//! How a model can be run on this machine: whole, with some of its layers or experts on the CPU, or not at all.

use super::memory_budget::{HEAD_ROOM, MemoryBudget};
use crate::{
    gguf::LayerBytes,
    record::{Machine, ModelFacts},
};

/// Where a model's parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// All of it in the machine's memory: no device has memory of its own.
    Host,
    /// All of it on the devices.
    Devices,
    /// On the devices, but for the experts of so many layers (`-ncmoe`).
    CpuExperts(u32),
    /// So many layers on the devices, the last ones, the output counted first (`-ngl`).
    Layers(u32),
    /// It does not, whatever is left on the CPU.
    No,
}

/// What lies where, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) host: u64,
    pub(crate) devices: u64,
}

/// A model as it would be split.
pub(crate) struct Split<'a> {
    pub(crate) facts: &'a ModelFacts,
    pub(crate) layers: &'a [LayerBytes],
    pub(crate) budget: MemoryBudget,
}

/// Memory that may be used, a little kept free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) host: u64,
    /// Of all devices with memory of their own together; `None` without one.
    pub(crate) devices: Option<u64>,
}

impl Free {
    pub(crate) fn of(machine: &Machine) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number of bytes")]
        let usable = |bytes: u64| (bytes as f64 * (1.0 - HEAD_ROOM)) as u64;
        let own: Vec<u64> =
            machine.devices.iter().filter(|d| d.kind.has_own_memory()).map(|d| usable(d.memory_free_bytes)).collect();
        let devices = (!own.is_empty()).then(|| own.into_iter().fold(0, u64::saturating_add));
        Self { host: usable(machine.available_bytes), devices }
    }

    fn holds(self, share: Share) -> bool {
        share.host <= self.host && share.devices <= self.devices.unwrap_or(0)
    }
}

/// The best way that fits: the most on the devices, and of a mixture of experts its experts first on the CPU.
pub(crate) fn fit(split: &Split<'_>, free: Free) -> (Fit, Share) {
    let whole = Share { host: split.budget.total(), devices: 0 };
    if free.devices.is_none() {
        return if free.holds(whole) { (Fit::Host, whole) } else { (Fit::No, whole) };
    }
    let layers = u32::try_from(split.layers.len()).unwrap_or(u32::MAX);
    let mut ways = vec![(Fit::Devices, split.offloaded(layers + 1, 0))];
    if split.layers.iter().any(|layer| layer.expert_bytes > 0) {
        ways.extend((1..=layers).map(|n| (Fit::CpuExperts(n), split.offloaded(layers + 1, n))));
    }
    ways.extend((1..=layers).rev().map(|n| (Fit::Layers(n), split.offloaded(n, 0))));
    ways.push((Fit::Layers(0), whole));
    let found = ways.iter().find(|(_, share)| free.holds(*share));
    found.copied().unwrap_or((Fit::No, ways[0].1))
}

impl Split<'_> {
    /// With `-ngl n_layers`, of which the output is the first and the last layer the next, and the experts of the first `n_cpu_moe` layers
    /// on the CPU.
    fn offloaded(&self, n_layers: u32, n_cpu_moe: u32) -> Share {
        if n_layers == 0 {
            return Share { host: self.budget.total(), devices: 0 };
        }
        let all = self.layers.len();
        let moved = (n_layers as usize - 1).min(all);
        let of_class = |class: &str| {
            let groups = self.facts.tensors.iter().filter(|group| group.class == class);
            groups.map(|group| group.bytes).fold(0, u64::saturating_add)
        };
        // Where no matrix of its own gives the output, the embedding is loaded once more for that.
        let embedding = of_class("token_embd");
        let output = Some(of_class("output")).filter(|bytes| *bytes > 0).unwrap_or(embedding);
        let sum = |bytes: &mut dyn Iterator<Item = u64>| bytes.fold(0_u64, u64::saturating_add);
        let on_cpu = sum(&mut self
            .layers
            .iter()
            .enumerate()
            .skip(all - moved)
            .map(|(index, layer)| if index < n_cpu_moe as usize { layer.expert_bytes } else { 0 }));
        let in_layers = sum(&mut self.layers.iter().skip(all - moved).map(|layer| layer.bytes));
        let MemoryBudget { weights, kv, compute, .. } = self.budget;
        let kv = kv.unwrap_or(0);
        let kv_moved = if all == 0 { 0 } else { kv / all as u64 * moved as u64 };
        let tied = of_class("output") == 0;
        let weights_moved = in_layers.saturating_sub(on_cpu).saturating_add(output);
        // What is tied lies on both sides.
        let stays = weights.saturating_sub(weights_moved).saturating_add(if tied { embedding } else { 0 });
        Share {
            host: stays.saturating_add(kv - kv_moved).saturating_add(if moved < all { compute } else { 0 }),
            devices: weights_moved.saturating_add(kv_moved).saturating_add(compute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TensorGroup, read_run};

    /// Ten layers of 100 bytes, 60 of them experts if so wished, an embedding of 50 and an output of 50; 10 bytes of KV cache a layer, 20 to
    /// compute.
    fn share_of(experts: u64, free: Free) -> (Fit, Share) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let mut facts = run.subjects[0].model.facts.clone().expect("it has facts");
        let group = |class: &str, bytes| TensorGroup {
            class: class.into(),
            ggml_type: "F16".into(),
            count: 1,
            n_params: 1,
            bytes,
        };
        facts.tensors = vec![group("token_embd", 50), group("output", 50), group("ffn_up", 1000)];
        let layers = [LayerBytes { bytes: 100, expert_bytes: experts }; 10];
        let budget = MemoryBudget { weights: 1100, kv: Some(100), compute: 20, ..MemoryBudget::default() };
        fit(&Split { facts: &facts, layers: &layers, budget }, free)
    }

    #[test]
    fn without_a_device_it_fits_or_does_not() {
        let of = |host| share_of(0, Free { host, devices: None }).0;
        assert_eq!([of(1220), of(1219)], [Fit::Host, Fit::No]);
    }

    #[test]
    fn the_most_that_a_device_holds_goes_there() {
        let of = |devices| share_of(0, Free { host: 10_000, devices: Some(devices) });
        // Everything but the embedding, which is looked up on the CPU.
        assert_eq!(of(1170), (Fit::Devices, Share { host: 50, devices: 1170 }));
        // A layer less: its weights, its KV cache and what computes it stay.
        assert_eq!(of(1169), (Fit::Layers(10), Share { host: 50 + 100 + 10 + 20, devices: 1060 }));
        assert_eq!(of(180).0, Fit::Layers(2), "the output and a layer");
        assert_eq!(of(70).0, Fit::Layers(1), "the output alone");
        assert_eq!(of(69), (Fit::Layers(0), Share { host: 1220, devices: 0 }));
        assert_eq!(share_of(0, Free { host: 100, devices: Some(100) }).0, Fit::No);
    }

    #[test]
    fn experts_stay_on_the_cpu_before_layers_do() {
        let of = |devices| share_of(60, Free { host: 10_000, devices: Some(devices) });
        assert_eq!(of(1169), (Fit::CpuExperts(1), Share { host: 110, devices: 1110 }));
        assert_eq!(of(570), (Fit::CpuExperts(10), Share { host: 650, devices: 570 }));
        assert_eq!(of(569).0, Fit::Layers(5), "without any of their experts the layers do not fit either");
    }
}
