//! Energy: counters of what the CPUs, their memory and the GPUs have used, read at two moments.
//!
//! A counter says what it counted whoever caused it: all else that ran is in it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::Clock;

/// Below the root of sysfs.
const POWERCAP: &str = "class/powercap";
pub(super) const HWMON: &str = "class/hwmon";
/// Drivers of GPUs whose hwmon `energy1_input` counts the whole card.
const HWMON_DRIVERS: [&str; 2] = ["i915", "xe"];

/// What a counter counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EnergyDomain {
    /// A CPU's package, its cores and caches and whatever lies on it.
    Package {
        /// As the kernel numbers it; a package of several dies has one for each.
        name: String,
    },
    /// The cores of a package: a part of it.
    Cores {
        /// Of which package.
        package: String,
    },
    /// The memory modules of a package, beside it.
    Dram {
        /// Of which package.
        package: String,
    },
    /// Apple's chip with its memory: CPU, GPU and neural engine.
    Chip,
    /// A GPU with its memory.
    Gpu {
        /// Its PCI id, as `0000:01:00.0`, or what else names it.
        id: String,
    },
}

impl EnergyDomain {
    /// Whether it is counted a second time in another domain, so that a sum leaves it out.
    pub(crate) fn is_part_of_another(&self) -> bool {
        matches!(self, Self::Cores { .. })
    }
}

impl fmt::Display for EnergyDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { name } => write!(f, "CPU {name}"),
            Self::Cores { package } => write!(f, "cores of {package}"),
            Self::Dram { package } => write!(f, "memory of {package}"),
            Self::Chip => f.write_str("the chip and its memory"),
            Self::Gpu { id } => write!(f, "GPU {id}"),
        }
    }
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Only another user may.
    NeedsReadAccess(PathBuf),
    /// The source is not there, in words.
    Absent(String),
    /// It is there and answers with something else than a count.
    Unexpected(String),
}

impl Unreadable {
    fn of(file: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NeedsReadAccess(file.into()),
            _ => Self::Absent(format!("{}: {error}", file.display())),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsReadAccess(path) => write!(f, "needs read access to {}", path.display()),
            Self::Absent(what) | Self::Unexpected(what) => f.write_str(what),
        }
    }
}

/// A counter that only grows, until it begins again.
pub(crate) trait EnergyCounter: Send + Sync {
    fn domain(&self) -> &EnergyDomain;
    /// Its count now, microjoules.
    fn now_uj(&self) -> Result<u64, Unreadable>;
    /// The largest count, after which it begins again at 0; `None` where that takes years.
    fn largest_uj(&self) -> Option<u64>;
    /// Whether it is a sum of samples of power, which miss what happens between them.
    fn is_sampled(&self) -> bool {
        false
    }
}

/// What a counter went through from one count to a later one, microjoules; `None` where it can't be told.
///
/// A counter that came round more than once can't be told from one that came round once: a section must be shorter than a turn, which is
/// 20 minutes of 200 W for the usual 262 kJ.
fn grown_uj(before: u64, after: u64, largest: Option<u64>) -> Option<u64> {
    match after.checked_sub(before) {
        Some(grown) => Some(grown),
        // The count after the largest is 0.
        None => largest?.checked_sub(before)?.checked_add(after)?.checked_add(1),
    }
}

/// A file of sysfs that holds a count of microjoules.
struct SysfsCounter {
    domain: EnergyDomain,
    file: PathBuf,
    largest_uj: Option<u64>,
}

impl EnergyCounter for SysfsCounter {
    fn domain(&self) -> &EnergyDomain {
        &self.domain
    }

    fn now_uj(&self) -> Result<u64, Unreadable> {
        count_in(&self.file)
    }

    fn largest_uj(&self) -> Option<u64> {
        self.largest_uj
    }
}

pub(super) fn count_in(file: &Path) -> Result<u64, Unreadable> {
    let text = fs::read_to_string(file).map_err(|error| Unreadable::of(file, &error))?;
    text.trim().parse().map_err(|_| Unreadable::Unexpected(format!("{} holds no count", file.display())))
}

/// The counters of this machine, and why others are not among them.
#[derive(Default)]
pub(crate) struct EnergyMeter {
    counters: Vec<Box<dyn EnergyCounter>>,
    absent: Vec<Unreadable>,
}

impl fmt::Debug for EnergyMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.counters.iter().map(|counter| counter.domain())).finish()
    }
}

impl EnergyMeter {
    /// Those that sysfs shows below its root (`/sys`), and more of the caller's, as of NVIDIA's library.
    pub(crate) fn find(sysfs: &Path, more: Vec<Result<Box<dyn EnergyCounter>, Unreadable>>) -> Self {
        let mut meter = Self::default();
        if !more.iter().flatten().any(|counter| *counter.domain() == EnergyDomain::Chip) {
            for counter in powercap(&sysfs.join(POWERCAP)) {
                meter.add(counter.map(boxed));
            }
        }
        for counter in hwmon(&sysfs.join(HWMON)) {
            meter.add(Ok(boxed(counter)));
        }
        for counter in more {
            meter.add(counter);
        }
        meter
    }

    /// A counter that can't be read is none: it is told once, here.
    fn add(&mut self, counter: Result<Box<dyn EnergyCounter>, Unreadable>) {
        match counter.and_then(|counter| counter.now_uj().map(|_| counter)) {
            Ok(counter) => self.counters.push(counter),
            Err(why) => self.absent.push(why),
        }
    }

    /// Whether nothing is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Why something is not counted.
    pub(crate) fn absent(&self) -> &[Unreadable] {
        &self.absent
    }

    /// The counts now.
    pub(crate) fn now(&self, clock: &dyn Clock) -> EnergyMoment {
        EnergyMoment {
            at_ns: clock.now_ns(),
            counts_uj: self.counters.iter().map(|counter| counter.now_uj().ok()).collect(),
        }
    }

    /// What is counted, each once: what is a part of another is left out.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &EnergyDomain> {
        self.whole().map(EnergyCounter::domain)
    }

    /// The same in words, with how it is counted where that is not by a counter.
    pub(crate) fn counted(&self) -> Vec<String> {
        let words = |counter: &dyn EnergyCounter| {
            let how = if counter.is_sampled() { " (its power is sampled and summed)" } else { "" };
            format!("{}{how}", counter.domain())
        };
        self.whole().map(words).collect()
    }

    fn whole(&self) -> impl Iterator<Item = &dyn EnergyCounter> {
        self.counters.iter().map(AsRef::as_ref).filter(|counter| !counter.domain().is_part_of_another())
    }

    /// What all of them counted since, microjoules, each once; `None` where one could not be read, and where there is none.
    pub(crate) fn used_uj(&self, before: &EnergyMoment, clock: &dyn Clock) -> Option<u64> {
        let used = self.between(before, &self.now(clock));
        let whole: Vec<u64> =
            used.iter().filter(|used| !used.domain.is_part_of_another()).map(|used| used.used_uj).collect();
        let all = self.domains().count();
        (all > 0 && whole.len() == all).then(|| whole.into_iter().fold(0, u64::saturating_add))
    }

    /// What each domain used between two moments of this meter; without those whose counter could not be read at both.
    pub(crate) fn between(&self, before: &EnergyMoment, after: &EnergyMoment) -> Vec<EnergyUsed> {
        let elapsed_ns = after.at_ns.saturating_sub(before.at_ns);
        let counts = before.counts_uj.iter().zip(&after.counts_uj);
        self.counters
            .iter()
            .zip(counts)
            .filter_map(|(counter, (before, after))| {
                let used_uj = grown_uj((*before)?, (*after)?, counter.largest_uj())?;
                Some(EnergyUsed { domain: counter.domain().clone(), used_uj, elapsed_ns })
            })
            .collect()
    }
}

fn boxed(counter: SysfsCounter) -> Box<dyn EnergyCounter> {
    Box::new(counter)
}

/// The counts of a meter at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnergyMoment {
    at_ns: u64,
    counts_uj: Vec<Option<u64>>,
}

/// What one domain used in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnergyUsed {
    pub(crate) domain: EnergyDomain,
    pub(crate) used_uj: u64,
    pub(crate) elapsed_ns: u64,
}

impl EnergyUsed {
    pub(crate) fn joules(&self) -> f64 {
        self.used_uj as f64 / 1e6
    }

    /// Mean power; `None` of no time.
    pub(crate) fn watts(&self) -> Option<f64> {
        (self.elapsed_ns > 0).then(|| self.joules() / (self.elapsed_ns as f64 / 1e9))
    }
}

/// What was used in a moment in which nothing of ours ran, and why other counters say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnergyAtRest {
    pub(crate) used: Vec<EnergyUsed>,
    pub(crate) absent: Vec<Unreadable>,
}

/// RAPL's zones as the kernel's powercap shows them, by number: `intel-rapl:0` is a package and `intel-rapl:0:1` a part of it or beside
/// it. `psys` holds all of them and `intel-rapl-mmio` repeats the package, so that neither is taken.
fn powercap(folder: &Path) -> Vec<Result<SysfsCounter, Unreadable>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![Err(Unreadable::Absent(if cfg!(target_os = "linux") {
            format!("the CPU's energy is not shown: there is no {}", folder.display())
        } else {
            "the CPU's energy is not read on this system".into()
        }))];
    };
    let mut zones: Vec<(Vec<u32>, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((zone(&entry.file_name())?, entry.path()))).collect();
    zones.sort();
    let name = |path: &Path| fs::read_to_string(path.join("name")).ok().map(|name| name.trim().to_owned());
    let mut found = Vec::new();
    for (numbers, path) in &zones {
        let Some(own) = name(path) else { continue };
        let package = || {
            let parent = zones.iter().find(|(other, _)| other[..] == numbers[..1])?;
            name(&parent.1).filter(|name| name.starts_with("package"))
        };
        let domain = match (numbers.len(), own.as_str()) {
            (1, own) if own.starts_with("package") => EnergyDomain::Package { name: own.to_owned() },
            (2, "core") => match package() {
                Some(package) => EnergyDomain::Cores { package },
                None => continue,
            },
            (2, "dram") => match package() {
                Some(package) => EnergyDomain::Dram { package },
                None => continue,
            },
            _ => continue,
        };
        // Without its range a counter can't be followed over a turn, which says `None` for that stretch and is right elsewhere.
        let largest_uj = count_in(&path.join("max_energy_range_uj")).ok();
        found.push(Ok(SysfsCounter { domain, file: path.join("energy_uj"), largest_uj }));
    }
    if found.is_empty() {
        found.push(Err(Unreadable::Absent(format!(
            "the CPU's energy is not shown: no package in {}",
            folder.display()
        ))));
    }
    found
}

/// The numbers of a RAPL zone, from `intel-rapl:0` or `intel-rapl:0:1`.
fn zone(name: &std::ffi::OsStr) -> Option<Vec<u32>> {
    name.to_str()?.strip_prefix("intel-rapl:")?.split(':').map(|number| number.parse().ok()).collect()
}

/// GPUs whose driver counts energy in hwmon: the first counter is the card, later ones are parts of it.
fn hwmon(folder: &Path) -> Vec<SysfsCounter> {
    monitors(folder, &HWMON_DRIVERS)
        .into_iter()
        .filter(|path| path.join("energy1_input").exists())
        .map(|path| {
            let domain = EnergyDomain::Gpu { id: hwmon_id(&path) };
            SysfsCounter { domain, file: path.join("energy1_input"), largest_uj: None }
        })
        .collect()
}

/// The monitors of hwmon that such drivers have, in the order of their names.
pub(super) fn monitors(folder: &Path, drivers: &[&str]) -> Vec<PathBuf> {
    let mut monitors: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| fs::read_to_string(path.join("name")).is_ok_and(|name| drivers.contains(&name.trim())))
        .collect();
    monitors.sort();
    monitors
}

/// The PCI id of the device that a monitor of hwmon is of, or the monitor's own name.
pub(super) fn hwmon_id(monitor: &Path) -> String {
    // The device is a link to its place on the bus.
    let device = fs::canonicalize(monitor.join("device")).ok();
    let id = device.as_deref().and_then(Path::file_name).or(monitor.file_name());
    id.map_or_else(String::new, |id| id.to_string_lossy().into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests write a tree of their own")]
mod tests {
    use super::*;
    use crate::probe::Virtual;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn write(&self, file: &str, text: &str) -> &Self {
            let path = self.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
            self
        }

        fn zone(&self, zone: &str, name: &str, energy: u64, largest: u64) -> &Self {
            self.write(&format!("{POWERCAP}/{zone}/name"), name)
                .count(zone, energy)
                .write(&format!("{POWERCAP}/{zone}/max_energy_range_uj"), &largest.to_string())
        }

        fn count(&self, zone: &str, energy: u64) -> &Self {
            self.write(&format!("{POWERCAP}/{zone}/energy_uj"), &energy.to_string())
        }

        fn meter(&self) -> EnergyMeter {
            EnergyMeter::find(self.path(), Vec::new())
        }
    }

    fn package(n: u32) -> EnergyDomain {
        EnergyDomain::Package { name: format!("package-{n}") }
    }

    fn dram(n: u32) -> EnergyDomain {
        EnergyDomain::Dram { package: format!("package-{n}") }
    }

    /// Two sockets as an Intel server shows them, with a zone over all and a second view of the first package.
    fn server() -> Tree {
        let tree = Tree::new();
        tree.zone("intel-rapl:0", "package-0", 1_000_000, 262_143_328_850)
            .zone("intel-rapl:0:0", "dram", 500, 65_712_999_613)
            .zone("intel-rapl:1", "package-1", 262_143_328_000, 262_143_328_850)
            .zone("intel-rapl:1:0", "dram", 7, 65_712_999_613)
            .zone("intel-rapl:2", "psys", 9_000_000, 262_143_328_850)
            .zone("intel-rapl-mmio:0", "package-0", 1_000_000, 262_143_328_850)
            .write(&format!("{POWERCAP}/intel-rapl/enabled"), "1");
        tree
    }

    #[test]
    fn each_socket_and_its_memory_is_counted_once_also_over_a_turn() {
        let tree = server();
        let meter = tree.meter();
        let clock = Virtual::default();
        let before = meter.now(&clock);
        tree.count("intel-rapl:0", 61_000_000).count("intel-rapl:0:0", 2_000_500);
        // 850 µJ to the largest count, one more to 0, and on.
        tree.count("intel-rapl:1", 39_999_149).count("intel-rapl:1:0", 1_000_007);
        clock.advance(2_000_000_000);
        let used = meter.between(&before, &meter.now(&clock));
        let joules: Vec<(EnergyDomain, f64)> = used.iter().map(|used| (used.domain.clone(), used.joules())).collect();
        assert_eq!(joules, [(package(0), 60.0), (dram(0), 2.0), (package(1), 40.0), (dram(1), 1.0)]);
        assert_eq!(used[0].watts(), Some(30.0));
        assert_eq!(meter.used_uj(&before, &clock), Some(103_000_000));
        assert!(meter.absent().is_empty());
    }

    #[test]
    fn the_cores_are_a_part_of_their_package() {
        let tree = Tree::new();
        tree.zone("intel-rapl:0", "package-0", 10, 1000).zone("intel-rapl:0:0", "core", 5, 1000);
        tree.zone("intel-rapl:0:1", "uncore", 1, 1000);
        let meter = tree.meter();
        let moment = meter.now(&Virtual::default());
        let used = meter.between(&moment, &moment);
        let domains: Vec<(String, bool)> =
            used.iter().map(|used| (used.domain.to_string(), used.domain.is_part_of_another())).collect();
        assert_eq!(domains, [("CPU package-0".into(), false), ("cores of package-0".into(), true)]);
        assert_eq!(meter.domains().count(), 1, "a sum has the package alone");
        // A counter at rest used nothing, and no time has no power.
        assert_eq!((used[0].used_uj, used[0].watts()), (0, None));
    }

    #[test]
    fn a_virtual_machine_shows_nothing_and_says_so() {
        let tree = Tree::new();
        let meter = tree.meter();
        assert!(meter.now(&Virtual::default()).counts_uj.is_empty());
        let why: Vec<String> = meter.absent().iter().map(ToString::to_string).collect();
        assert_eq!(
            why,
            [format!("the CPU's energy is not shown: there is no {}", tree.path().join(POWERCAP).display())]
        );
        tree.write(&format!("{POWERCAP}/intel-rapl/enabled"), "1");
        assert!(tree.meter().absent()[0].to_string().contains("no package in"));
    }

    #[test]
    fn a_missing_domain_is_left_out_and_a_broken_one_is_told() {
        let tree = server();
        fs::remove_dir_all(tree.path().join(POWERCAP).join("intel-rapl:0:0")).unwrap();
        tree.write(&format!("{POWERCAP}/intel-rapl:1:0/energy_uj"), "none");
        let meter = tree.meter();
        let domains: Vec<&EnergyDomain> = meter.counters.iter().map(|counter| counter.domain()).collect();
        assert_eq!(domains, [&package(0), &package(1)]);
        assert!(matches!(meter.absent(), [Unreadable::Unexpected(why)] if why.ends_with("energy_uj holds no count")));
    }

    #[test]
    fn a_counter_that_vanishes_gives_nothing_for_that_stretch() {
        let tree = server();
        let meter = tree.meter();
        let before = meter.now(&Virtual::default());
        fs::remove_file(tree.path().join(POWERCAP).join("intel-rapl:0/energy_uj")).unwrap();
        let used = meter.between(&before, &meter.now(&Virtual::default()));
        assert!(used.iter().all(|used| used.domain != package(0)));
        assert_eq!(used.len(), 3);
    }

    #[test]
    fn without_its_range_a_counter_that_fell_says_nothing() {
        assert_eq!(grown_uj(900, 100, None), None);
        assert_eq!(grown_uj(100, 900, None), Some(800));
        assert_eq!(grown_uj(999, 0, Some(999)), Some(1));
        // A count above what is said to be the largest.
        assert_eq!(grown_uj(1000, 5, Some(999)), None);
    }

    #[test]
    fn who_may_not_read_is_told_what_to_allow() {
        // Root, which runs tests in containers, is never refused: the refusal itself is made here.
        let file = Path::new("/sys/class/powercap/intel-rapl:0/energy_uj");
        let refused = Unreadable::of(file, &io::ErrorKind::PermissionDenied.into());
        assert_eq!(refused.to_string(), "needs read access to /sys/class/powercap/intel-rapl:0/energy_uj");
        let gone = Unreadable::of(file, &io::ErrorKind::NotFound.into());
        assert!(gone.to_string().starts_with("/sys/class/powercap/intel-rapl:0/energy_uj: "), "{gone}");
        let mut meter = EnergyMeter::default();
        meter.add(Err(refused.clone()));
        assert_eq!(meter.absent(), [refused]);
    }

    /// As Apple's chip is read.
    struct Sampled;

    impl EnergyCounter for Sampled {
        fn domain(&self) -> &EnergyDomain {
            &EnergyDomain::Chip
        }

        fn now_uj(&self) -> Result<u64, Unreadable> {
            Ok(7)
        }

        fn largest_uj(&self) -> Option<u64> {
            None
        }

        fn is_sampled(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_chip_that_tells_its_power_needs_no_zones_and_is_said_to_be_sampled() {
        let meter = EnergyMeter::find(Path::new("/nowhere"), vec![Ok(Box::new(Sampled))]);
        assert!(meter.absent().is_empty(), "{:?}", meter.absent());
        assert_eq!(meter.counted(), ["the chip and its memory (its power is sampled and summed)"]);
        let why = Unreadable::Absent("the chip's power is not shown".into());
        let meter = EnergyMeter::find(Path::new("/nowhere"), vec![Err(why.clone())]);
        assert!(meter.is_empty() && meter.absent().contains(&why));
    }

    #[test]
    fn intels_graphics_cards_count_in_hwmon() {
        let tree = Tree::new();
        tree.write(&format!("{HWMON}/hwmon3/name"), "xe")
            .write(&format!("{HWMON}/hwmon3/energy1_input"), "5000000")
            .write(&format!("{HWMON}/hwmon3/energy2_input"), "4000000")
            .write(&format!("{HWMON}/hwmon1/name"), "nvme")
            .write(&format!("{HWMON}/hwmon1/energy1_input"), "1");
        #[cfg(unix)]
        {
            fs::create_dir_all(tree.path().join("devices/0000:03:00.0")).unwrap();
            std::os::unix::fs::symlink("../../../devices/0000:03:00.0", tree.path().join(HWMON).join("hwmon3/device"))
                .unwrap();
        }
        let meter = tree.meter();
        let before = meter.now(&Virtual::default());
        tree.write(&format!("{HWMON}/hwmon3/energy1_input"), "7500000");
        let used = meter.between(&before, &meter.now(&Virtual::default()));
        let id = if cfg!(unix) { "0000:03:00.0" } else { "hwmon3" };
        assert_eq!(used.len(), 1);
        assert_eq!((used[0].domain.to_string(), used[0].joules()), (format!("GPU {id}"), 2.5));
    }
}
