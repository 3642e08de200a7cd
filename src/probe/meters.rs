//! Every source of energy of this machine, put together.

use std::path::Path;

use super::{
    apple,
    energy::{EnergyCounter, EnergyMeter, Unreadable},
    nvml::Gpus,
    power,
};

/// Counters of the CPU and of graphics cards, and the power of what counts nothing.
pub(crate) fn energy_meter(nvidia: &Result<Gpus, Unreadable>) -> EnergyMeter {
    let sysfs = Path::new("/sys");
    let mut more = nvidia.as_ref().map_or_else(|_| Vec::new(), Gpus::energy_counters);
    let sampled = power::amd(sysfs).into_iter().chain(cfg!(target_os = "macos").then(apple::chip));
    more.extend(sampled.map(|power| power.map(|power| Box::new(power) as Box<dyn EnergyCounter>)));
    EnergyMeter::find(sysfs, more)
}
