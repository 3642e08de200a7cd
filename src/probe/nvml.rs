//! NVIDIA's management library, loaded at run time where a driver brings it: a GPU's energy, power, clocks, temperature, what slows it, and
//! who holds its memory.

use super::energy::{EnergyCounter, Unreadable};

/// A GPU as its driver sees it now. What the driver does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GpuState {
    /// As ggml writes it: `0000:01:00.0`.
    pub(crate) pci_id: String,
    pub(crate) watts: Option<f64>,
    /// The power at which it slows itself down.
    pub(crate) power_limit_watts: Option<f64>,
    pub(crate) graphics_mhz: Option<u32>,
    pub(crate) memory_mhz: Option<u32>,
    pub(crate) celsius: Option<u32>,
    /// What keeps its clocks down now, in words; none when it is merely idle.
    pub(crate) slowed_by: Option<Vec<&'static str>>,
    /// Processes that compute on it, by number, with the memory they hold there.
    pub(crate) processes: Option<Vec<(u32, Option<u64>)>>,
}

/// The PCI id as ggml writes it, from NVIDIA's, which gives the domain eight digits and may use capitals: `00000000:C1:00.0`.
#[cfg(any(test, target_os = "linux", target_os = "windows"))]
fn pci_id_of(bus_id: &str) -> Option<String> {
    let lower = bus_id.trim().trim_end_matches('\0').to_ascii_lowercase();
    let (domain, rest) = lower.split_once(':')?;
    let domain = u32::from_str_radix(domain, 16).ok()?;
    let [bus, device, function] = rest.split([':', '.']).collect::<Vec<_>>()[..] else { return None };
    [bus, device, function]
        .iter()
        .all(|part| u8::from_str_radix(part, 16).is_ok())
        .then(|| format!("{domain:04x}:{rest}"))
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
mod library {
    use std::{sync::Arc, thread};

    use nvml_wrapper::{
        Device, Nvml,
        bitmasks::device::ThrottleReasons,
        enum_wrappers::device::{Clock, TemperatureSensor},
        enums::device::UsedGpuMemory,
        error::NvmlError,
    };

    use super::{EnergyCounter, GpuState, Unreadable, pci_id_of};
    use crate::probe::{
        energy::EnergyDomain,
        power::{SummedPower, WINDOW, Watts},
    };

    /// The library, when a driver brought it.
    pub(crate) struct Gpus(Arc<Nvml>);

    impl Gpus {
        /// Loads it.
        pub(crate) fn load() -> Result<Self, Unreadable> {
            let loaded = Nvml::init().or_else(|error| {
                // Only packages for developers bring the file without a version.
                let versioned = "libnvidia-ml.so.1".as_ref();
                if cfg!(target_os = "linux") { Nvml::builder().lib_path(versioned).init() } else { Err(error) }
            });
            match loaded {
                Ok(library) => Ok(Self(Arc::new(library))),
                Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::DriverNotLoaded) => {
                    Err(Unreadable::Absent("no driver of NVIDIA's".into()))
                }
                Err(error) => Err(Unreadable::Unexpected(format!("NVIDIA's driver: {error}"))),
            }
        }

        fn devices(&self) -> impl Iterator<Item = (u32, Device<'_>, String)> {
            let count = self.0.device_count().unwrap_or(0);
            (0..count).filter_map(|index| {
                let device = self.0.device_by_index(index).ok()?;
                let pci_id = pci_id_of(&device.pci_info().ok()?.bus_id)?;
                Some((index, device, pci_id))
            })
        }

        /// Every GPU as it is now.
        pub(crate) fn states(&self) -> Vec<GpuState> {
            self.devices().map(|(_, device, pci_id)| state(&device, pci_id)).collect()
        }

        /// The energy of every GPU: counted since Volta, before it the sum of its power.
        pub(crate) fn energy_counters(&self) -> Vec<Result<Box<dyn EnergyCounter>, Unreadable>> {
            let counter = |(index, device, id): (u32, Device<'_>, String)| {
                let domain = EnergyDomain::Gpu { id };
                let library = Arc::clone(&self.0);
                if matches!(device.total_energy_consumption(), Err(NvmlError::NotSupported)) {
                    let power = SummedPower::start(domain.clone(), move || Ok(power(library, index, domain)));
                    return power.map(|power| Box::new(power) as Box<dyn EnergyCounter>);
                }
                Ok(Box::new(Counter { library, index, domain }) as Box<dyn EnergyCounter>)
            };
            self.devices().map(counter).collect()
        }
    }

    fn state(device: &Device<'_>, pci_id: String) -> GpuState {
        let watts = |milliwatts: u32| f64::from(milliwatts) / 1e3;
        let used = |memory| match memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        GpuState {
            pci_id,
            watts: device.power_usage().ok().map(watts),
            power_limit_watts: device.enforced_power_limit().ok().map(watts),
            graphics_mhz: device.clock_info(Clock::Graphics).ok(),
            memory_mhz: device.clock_info(Clock::Memory).ok(),
            celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            slowed_by: device.current_throttle_reasons().ok().map(slowed_by),
            processes: device
                .running_compute_processes()
                .ok()
                .map(|found| found.into_iter().map(|process| (process.pid, used(process.used_gpu_memory))).collect()),
        }
    }

    /// Reasons that keep a card that works below its clocks. To be idle is none, and clocks that a person set are a choice.
    fn slowed_by(reasons: ThrottleReasons) -> Vec<&'static str> {
        [
            (ThrottleReasons::SW_POWER_CAP, "its power limit"),
            (ThrottleReasons::HW_SLOWDOWN, "a slowdown by its hardware"),
            (ThrottleReasons::SW_THERMAL_SLOWDOWN, "its temperature"),
            (ThrottleReasons::HW_THERMAL_SLOWDOWN, "its temperature, by its hardware"),
            (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "the power supply"),
            (ThrottleReasons::SYNC_BOOST, "another card of its group"),
        ]
        .into_iter()
        .filter(|(reason, _)| reasons.contains(*reason))
        .map(|(_, words)| words)
        .collect()
    }

    /// What a card takes now, by its driver.
    fn power(library: Arc<Nvml>, index: u32, domain: EnergyDomain) -> Watts {
        Box::new(move || {
            thread::sleep(WINDOW);
            let milliwatts = library.device_by_index(index).and_then(|device| device.power_usage());
            match milliwatts {
                Ok(milliwatts) => Ok(f64::from(milliwatts) / 1e3),
                Err(NvmlError::NotSupported) => Err(Unreadable::Absent(format!("{domain} shows no power"))),
                Err(error) => Err(Unreadable::Unexpected(format!("{domain}: {error}"))),
            }
        })
    }

    struct Counter {
        library: Arc<Nvml>,
        index: u32,
        domain: EnergyDomain,
    }

    impl EnergyCounter for Counter {
        fn domain(&self) -> &EnergyDomain {
            &self.domain
        }

        fn now_uj(&self) -> Result<u64, Unreadable> {
            let counted = self.library.device_by_index(self.index).and_then(|device| device.total_energy_consumption());
            // Millijoules since the driver was loaded.
            match counted {
                Ok(millijoules) => Ok(millijoules.saturating_mul(1000)),
                Err(NvmlError::NotSupported) => Err(Unreadable::Absent(format!("{} counts no energy", self.domain))),
                Err(error) => Err(Unreadable::Unexpected(format!("{}: {error}", self.domain))),
            }
        }

        fn largest_uj(&self) -> Option<u64> {
            None
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_idle_card_is_not_slowed() {
            let idle = ThrottleReasons::GPU_IDLE | ThrottleReasons::APPLICATIONS_CLOCKS_SETTING;
            assert!(slowed_by(idle).is_empty());
            let hot = ThrottleReasons::SW_POWER_CAP | ThrottleReasons::HW_THERMAL_SLOWDOWN;
            assert_eq!(slowed_by(hot), ["its power limit", "its temperature, by its hardware"]);
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
mod library {
    use super::{EnergyCounter, GpuState, Unreadable};

    /// NVIDIA's library is not asked for on this system.
    pub(crate) struct Gpus(());

    impl Gpus {
        pub(crate) fn load() -> Result<Self, Unreadable> {
            Err(Unreadable::Absent("NVIDIA's driver is asked on Linux and Windows alone".into()))
        }

        pub(crate) fn states(&self) -> Vec<GpuState> {
            Vec::new()
        }

        pub(crate) fn energy_counters(&self) -> Vec<Result<Box<dyn EnergyCounter>, Unreadable>> {
            Vec::new()
        }
    }
}

pub(crate) use library::Gpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_again_by_its_place_on_the_bus() {
        assert_eq!(pci_id_of("00000000:C1:00.0").as_deref(), Some("0000:c1:00.0"));
        assert_eq!(pci_id_of("00010000:01:1F.0\0").as_deref(), Some("10000:01:1f.0"));
        assert_eq!(pci_id_of("0000:01:00.0").as_deref(), Some("0000:01:00.0"));
        assert_eq!(pci_id_of("C1:00.0"), None);
        assert_eq!(pci_id_of("nonsense"), None);
    }
}
