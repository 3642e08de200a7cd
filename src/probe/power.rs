//! Power that is sampled and summed, where hardware shows watts and counts no joules.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    Clock, Monotonic,
    energy::{EnergyCounter, EnergyDomain, HWMON, Unreadable, count_in, hwmon_id, monitors},
};

/// How long one reading of power stands for. Sources average over it, and reading them takes some of it.
pub(super) const WINDOW: Duration = Duration::from_millis(200);

/// Waits for about a [`WINDOW`] and returns the mean power of the time since it was called before, watts.
pub(super) type Watts = Box<dyn FnMut() -> Result<f64, Unreadable>>;

/// Energy as the sum of power over time.
#[derive(Debug, Default)]
struct Sum {
    uj: f64,
    /// Of the last reading, which holds until the next.
    watts: f64,
    /// When the last reading was taken.
    at_ns: u64,
    /// The most that was ever told: a count never falls, though less power than was taken to hold makes a smaller sum.
    told_uj: f64,
}

impl Sum {
    /// A reading that was taken now, and stands for all time since the one before.
    fn add(&mut self, watts: f64, now_ns: u64) {
        self.uj += watts * self.elapsed_us(now_ns);
        self.watts = watts;
        self.at_ns = now_ns;
    }

    /// Microjoules until now; the last power is taken to have held since its reading.
    fn at(&mut self, now_ns: u64) -> f64 {
        self.told_uj = self.told_uj.max(self.uj + self.watts * self.elapsed_us(now_ns));
        self.told_uj
    }

    fn elapsed_us(&self, now_ns: u64) -> f64 {
        now_ns.saturating_sub(self.at_ns) as f64 / 1e3
    }
}

/// A counter made of samples, which a thread takes until this is dropped.
pub(super) struct SummedPower {
    domain: EnergyDomain,
    clock: Monotonic,
    /// Or why there is none any more.
    sum: Arc<Mutex<Result<Sum, Unreadable>>>,
    is_over: Arc<AtomicBool>,
}

impl SummedPower {
    /// Begins to sample what `open` gives, which is called on the thread that samples: some sources may not leave it.
    pub(super) fn start(
        domain: EnergyDomain,
        open: impl FnOnce() -> Result<Watts, Unreadable> + Send + 'static,
    ) -> Result<Self, Unreadable> {
        let clock = Monotonic::start();
        let sum = Arc::new(Mutex::new(Ok(Sum::default())));
        let is_over = Arc::new(AtomicBool::new(false));
        let (opened, first) = mpsc::channel();
        let theirs = (Arc::clone(&sum), Arc::clone(&is_over));
        let sample = move || {
            let (sum, is_over) = theirs;
            let mut read = match open().and_then(|mut read| read().map(|watts| (read, watts))) {
                Ok((read, watts)) => {
                    record(&sum, Ok(watts), &clock);
                    let _ = opened.send(Ok(()));
                    read
                }
                Err(why) => {
                    let _ = opened.send(Err(why));
                    return;
                }
            };
            while !is_over.load(Ordering::Relaxed) && record(&sum, read(), &clock) {}
        };
        let started = thread::Builder::new().name("power".into()).spawn(sample);
        started.map_err(|error| Unreadable::Unexpected(format!("{domain}: no thread to sample its power: {error}")))?;
        let gone = || Unreadable::Unexpected(format!("{domain}: its power could not be sampled"));
        first.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(Self { domain, clock, sum, is_over })
    }
}

/// Adds a reading; `false` once there are no more.
fn record(sum: &Mutex<Result<Sum, Unreadable>>, read: Result<f64, Unreadable>, clock: &dyn Clock) -> bool {
    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
    match (&mut *sum, read) {
        (Ok(sum), Ok(watts)) => {
            sum.add(watts, clock.now_ns());
            true
        }
        (_, Err(why)) => {
            *sum = Err(why);
            false
        }
        (Err(_), Ok(_)) => false,
    }
}

impl Drop for SummedPower {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl EnergyCounter for SummedPower {
    fn domain(&self) -> &EnergyDomain {
        &self.domain
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "microjoules of a run are whole and far from 2^53"
    )]
    fn now_uj(&self) -> Result<u64, Unreadable> {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.as_mut().map(|sum| sum.at(self.clock.now_ns()) as u64).map_err(|why| why.clone())
    }

    fn largest_uj(&self) -> Option<u64> {
        None
    }

    fn is_sampled(&self) -> bool {
        true
    }
}

/// AMD's graphics cards, whose driver shows the power of the whole card in hwmon and counts no energy.
///
/// A processor's own graphics shows the power of the package, which RAPL counts. It has no limit to set (`power1_cap`), by which a card
/// is known.
pub(super) fn amd(sysfs: &Path) -> Vec<Result<SummedPower, Unreadable>> {
    let shown = |path: PathBuf| {
        let file =
            ["power1_average", "power1_input"].map(|name| path.join(name)).into_iter().find(|file| file.exists())?;
        Some((EnergyDomain::Gpu { id: hwmon_id(&path) }, file))
    };
    monitors(&sysfs.join(HWMON), &["amdgpu"])
        .into_iter()
        .filter(|path| path.join("power1_cap").exists())
        .filter_map(shown)
        .map(|(domain, file)| SummedPower::start(domain, move || Ok(microwatts_in(file))))
        .collect()
}

/// Power from a file of sysfs.
fn microwatts_in(file: PathBuf) -> Watts {
    Box::new(move || {
        thread::sleep(WINDOW);
        count_in(&file).map(|microwatts| microwatts as f64 / 1e6)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests write a tree of their own")]
mod tests {
    use std::fs;

    use super::*;

    fn gpu() -> EnergyDomain {
        EnergyDomain::Gpu { id: "0000:03:00.0".into() }
    }

    #[test]
    fn a_reading_stands_for_the_time_before_it_and_holds_until_the_next() {
        let mut sum = Sum::default();
        sum.add(10.0, 1_000_000_000);
        assert!((sum.at(1_000_000_000) - 10e6).abs() < 1e-3);
        assert!((sum.at(1_500_000_000) - 15e6).abs() < 1e-3, "ten watts go on");
        sum.add(40.0, 2_000_000_000);
        assert!((sum.at(2_000_000_000) - 50e6).abs() < 1e-3, "the second second took 40 J, not 10 J");
        assert!((sum.at(3_000_000_000) - 90e6).abs() < 1e-3);
        sum.add(1.0, 3_000_000_000);
        assert!((sum.at(3_500_000_000) - 90e6).abs() < 1e-3, "51.5 J, and a count never falls");
    }

    #[test]
    fn steady_power_sums_to_power_times_time() {
        let counter = SummedPower::start(gpu(), || {
            Ok(Box::new(|| {
                thread::sleep(Duration::from_millis(2));
                Ok(30.0)
            }) as Watts)
        })
        .unwrap();
        // The clock is read around each count: however long a thread was kept waiting, 30 W fit between.
        let count = || {
            let early = counter.clock.now_ns();
            let uj = counter.now_uj().unwrap();
            (early, uj, counter.clock.now_ns())
        };
        let before = count();
        thread::sleep(Duration::from_millis(50));
        let after = count();
        let used_uj = after.1 - before.1;
        let uj = |ns: u64| ns as f64 * 30.0 / 1e3;
        assert!(used_uj as f64 >= uj(after.0 - before.2) - 1.0 && used_uj as f64 <= uj(after.2 - before.0) + 1.0);
        assert!(counter.is_sampled());
    }

    #[test]
    fn a_source_that_is_not_there_is_told_and_one_that_ends_says_why() {
        let absent = Unreadable::Absent("no sensor".into());
        let why = absent.clone();
        assert_eq!(SummedPower::start(gpu(), || Err(why)).err(), Some(absent));
        let mut left = 3;
        let counter = SummedPower::start(gpu(), move || {
            Ok(Box::new(move || {
                left -= 1;
                if left > 0 { Ok(1.0) } else { Err(Unreadable::Unexpected("the sensor is gone".into())) }
            }) as Watts)
        })
        .unwrap();
        while counter.now_uj().is_ok() {
            thread::yield_now();
        }
        assert_eq!(counter.now_uj(), Err(Unreadable::Unexpected("the sensor is gone".into())));
    }

    #[test]
    fn amds_cards_are_sampled_and_its_processors_are_left_to_rapl() {
        let tree = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = tree.path().join(HWMON).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("hwmon1/name", "amdgpu\n");
        write("hwmon1/power1_average", "15000000\n");
        write("hwmon4/name", "amdgpu\n");
        write("hwmon4/power1_average", "200000000\n");
        write("hwmon4/power1_cap", "300000000\n");
        write("hwmon5/name", "amdgpu\n");
        write("hwmon5/power1_input", "nothing\n");
        write("hwmon5/power1_cap", "300000000\n");
        write("hwmon6/name", "nvme\n");
        let found = amd(tree.path());
        let [Ok(card), Err(Unreadable::Unexpected(why))] = &found[..] else { panic!("{}", found.len()) };
        assert_eq!(card.domain, EnergyDomain::Gpu { id: "hwmon4".into() });
        assert!(why.ends_with("power1_input holds no count"), "{why}");
        let (ns, uj) = (card.clock.now_ns(), card.now_uj().unwrap());
        assert!(uj as f64 >= ns as f64 * 200.0 / 1e3 - 1.0, "200 W since it began: {uj} µJ in {ns} ns");
    }
}
