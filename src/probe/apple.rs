//! Apple's chips, which tell what they take to whoever asks, without root: read through macmon, on macOS alone.

use super::{energy::Unreadable, power::SummedPower};

#[cfg(target_os = "macos")]
pub(super) fn chip() -> Result<SummedPower, Unreadable> {
    use super::{
        energy::EnergyDomain,
        power::{WINDOW, Watts},
    };

    let unreadable =
        |error: Box<dyn std::error::Error>| Unreadable::Absent(format!("the chip's power is not shown: {error}"));
    SummedPower::start(EnergyDomain::Chip, move || {
        let mut sampler = macmon::Sampler::new().map_err(unreadable)?;
        let window_ms = u32::try_from(WINDOW.as_millis()).unwrap_or(u32::MAX);
        let read = move || {
            let read = sampler.get_metrics(window_ms).map_err(unreadable)?;
            Ok(f64::from(read.all_power) + f64::from(read.ram_power) + f64::from(read.gpu_ram_power))
        };
        Ok(Box::new(read) as Watts)
    })
}

#[cfg(not(target_os = "macos"))]
pub(super) fn chip() -> Result<SummedPower, Unreadable> {
    Err(Unreadable::Absent("Apple's chips are asked on macOS alone".into()))
}
