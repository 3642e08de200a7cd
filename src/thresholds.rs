//! The one table of thresholds for the state of a machine: above which values `doctor` and the report warn, and why.
//!
//! `doctor` looks for a second at a machine at rest, on which anything seen is a fault of its own. The report has medians and
//! extremes over the visits of a run that computes on every CPU, so most of its thresholds are higher: what is always there on
//! a busy but sound machine must not be told as news.

/// What `doctor` says of a value at rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtRest {
    /// Beyond this, numbers scatter or drift more than they need to.
    pub warning: f64,
    /// Beyond this, numbers are wrong for the machine.
    pub bad: f64,
}

/// A condition that is looked at before a run and during it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thresholds {
    pub at_rest: AtRest,
    /// Above this, or from this on for temperatures, the report warns.
    pub in_run: f64,
}

const fn thresholds(warning: f64, bad: f64, in_run: f64) -> Thresholds {
    Thresholds { at_rest: AtRest { warning, bad }, in_run }
}

/// Share of the machine's CPU time that other processes use. A desktop at rest uses about 1 %. A tenth of the machine taken away
/// is a tenth of the speed, ten times what a run is to resolve; under that, pairing takes care of it.
pub(crate) const OTHER_CPU_SHARE: Thresholds = thresholds(0.02, 0.10, 0.10);

/// Share of CPU time the hypervisor keeps for other machines. At rest there is little to keep, so 1 % is a sign already; under
/// load each percent is lost to a measurement, in bursts that pairing does not catch.
pub(crate) const STEAL_SHARE: Thresholds = thresholds(0.01, 0.05, 0.02);

/// Load average per CPU. It counts waiting for disks too and lags by a minute, so it is a coarse sign, from a quarter on; at 1
/// every CPU has work. The report asks it only where no CPU time can be read, and only before the first visit: after that the
/// load is our own.
pub(crate) const LOAD_PER_CPU: Thresholds = thresholds(0.25, 1.0, 0.5);

/// Share of time in which some task waited for memory (Linux' pressure stall information). At rest nothing should; during a run
/// the loading of a model makes for some.
pub(crate) const MEMORY_PRESSURE: Thresholds = thresholds(0.01, 0.10, 0.10);

/// The CPU's temperature, °C. At rest 75 means that cooling has nothing left for work; under load CPUs run at 80 to 90 by
/// design, and slow themselves from about 95 on (Intel's and AMD's limits are 95 to 105).
pub(crate) const CPU_CELSIUS: Thresholds = thresholds(75.0, 90.0, 95.0);

/// Share of the usable memory that is free at rest, in which it is less that is worse: a model, its KV cache and its compute
/// buffers have to fit, and under a tenth the system begins to swap.
pub(crate) const FREE_MEMORY: AtRest = AtRest { warning: 0.25, bad: 0.10 };

/// Share of the available memory that a model's peak took: the other side of [`FREE_MEMORY`], as little is left then.
pub(crate) const PEAK_OF_AVAILABLE: f64 = 0.9;

/// Times the bytes of the original's weights that a candidate may have before its order is asked about: padding and a few tensors kept
/// in another type make a hundredth, the nearest real type far more.
pub(crate) const LARGER_THAN_ORIGINAL: f64 = 1.01;

/// Standard deviation of the times of equal calculations of some ten milliseconds. A sample of a second averages over a hundred of them,
/// so 3 % is no harm yet where they scatter independently; what comes in bursts does not average, and then it is that much. At a quarter the
/// CPUs are not this program's.
pub(crate) const CALCULATION_SCATTER: AtRest = AtRest { warning: 0.03, bad: 0.25 };

/// Smallest step of the clock, ns. The shortest timed section is a token of some 100 µs, which steps of 1 µs resolve to 1 % and
/// steps of its own length not at all.
pub(crate) const CLOCK_STEP_NS: AtRest = AtRest { warning: 1_000.0, bad: 100_000.0 };

/// Involuntary context switches a second, of each thread. The kernel and our own reading of memory make for 10 to 90 on a quiet
/// machine; with other processes at work there are 200 and more.
pub(crate) const SWITCHES_PER_S: f64 = 200.0;

/// MiB that come back from swap during a run: what some other program may get without harm to a measurement.
pub(crate) const SWAPPED_IN_MIB: f64 = 1.0;

/// Share by which a device's free memory may fall otherwise than llama.cpp's account of it says: drivers allocate in pages of megabytes.
pub(crate) const DEVICE_MEMORY_TOLERANCE: f64 = 0.05;

/// What a backend may keep on a device besides. CUDA's kernels and handles took 172 MiB on an H200, whatever the model; other GPUs and
/// drivers may take some times that.
pub(crate) const DEVICE_CONTEXT_BYTES: u64 = 512 << 20;

/// Share by which the CPU's frequency may fall from the first visit to the last: a thermal or power limit takes more, the
/// governor's wandering less.
pub(crate) const FREQUENCY_FALL: f64 = 0.05;
