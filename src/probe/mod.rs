//! What the machine and its processes say of themselves: clock, memory, storage, CPUs, conditions, and `doctor`.
//!
//! Parsers are pure functions over the kernel's text; what cannot be read is `None`, never 0.

pub mod bandwidth;
pub mod cgroup;
pub mod clock;
pub mod conditions;
pub mod cpus;
pub mod doctor;
pub mod features;
pub mod host;
pub mod machine;
pub mod memory;
pub mod process;
pub mod sampler;
pub mod storage;

pub use bandwidth::bandwidth;
pub use clock::{Clock, Monotonic, UtcTime, Virtual, utc_now};
pub use conditions::Watch;
pub use host::{Host, host};
pub use machine::machine;
pub use memory::{ProcessMemory, own_memory, own_peak};
pub use sampler::{Sampled, Sampler};
pub use storage::{StorageRead, cache_state, evict};
