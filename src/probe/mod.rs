//! What the machine and its processes say of themselves: clock, memory, storage, CPUs, energy, conditions, and `doctor`.
//!
//! Parsers are pure functions over the kernel's text; what cannot be read is `None`, never 0.

mod apple;
pub(crate) mod bandwidth;
mod calibration;
pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod conditions;
pub(crate) mod cpus;
pub(crate) mod doctor;
pub(crate) mod energy;
pub(crate) mod kernel;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod meters;
pub(crate) mod nvml;
pub(crate) mod oom;
mod power;
pub(crate) mod readings;
pub(crate) mod rpc;
pub(crate) mod sampler;
pub(crate) mod steadiness;
pub(crate) mod storage;
pub(crate) mod threads;

pub(crate) use bandwidth::bandwidth;
pub(crate) use calibration::calibration_ns;
pub(crate) use clock::{Clock, Continued, utc_now};
pub use clock::{Monotonic, Virtual};
pub(crate) use conditions::Watch;
pub(crate) use kernel::storage_read_bytes;
pub(crate) use machine::{host, machine};
pub(crate) use memory::{ProcessMemory, own_peak};
pub(crate) use oom::{Killer, OomKills};
pub(crate) use sampler::Sampler;
pub(crate) use steadiness::calculation_ns;
pub(crate) use storage::cache_state;
pub(crate) use threads::{DefaultThreads, default_threads};
