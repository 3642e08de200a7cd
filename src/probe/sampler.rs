//! A thread of the parent that reads a worker's memory many times a second and knows what that cost.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use super::{clock::Clock, memory::ProcessMemory};
use crate::record::{Mark, MemoryReading, MemorySeries};

/// How often a worker is read when nothing else is asked for: 55 times a second. A reading costs about 60 µs of CPU time, and on a
/// machine whose CPUs are all computing it delays them by as much.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_millis(18);

/// The peak is a word of the kernel that only grows, and costs more to ask for: it is asked for at every tenth reading.
const PEAK_EVERY: usize = 10;

/// A running sampler. Dropped without [`Sampler::stop`], it stops and its readings are lost.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    thread: thread::JoinHandle<Option<u64>>,
}

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Work,
    Rest,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sampled {
    /// The readings and marks, in time order.
    pub series: MemorySeries,
    /// CPU time of the sampling thread; `None` where threads have no clock.
    pub cost_ns: Option<u64>,
    /// Greatest of the kernel's peak and the readings; `None` where the kernel keeps no peak. What was taken after the last
    /// reading is not in it: the worker reports [`super::own_peak`] at its end, and the greater of the two is the peak.
    pub peak_rss_bytes: Option<u64>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    began_ns: u64,
    state: Mutex<State>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("began_ns", &self.began_ns).finish_non_exhaustive()
    }
}

struct State {
    process: ProcessMemory,
    series: MemorySeries,
    peak_bytes: Option<u64>,
}

/// How much of a process is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Series,
    /// The parts apart and the peak as well.
    Whole,
}

impl Sampler {
    /// Begins to read process `pid` every `interval`; times in the series count from `began_ns` of `clock`.
    pub(crate) fn start(pid: u32, clock: Arc<dyn Clock>, began_ns: u64, interval: Duration) -> io::Result<Self> {
        let state = State { process: ProcessMemory::open(pid)?, series: MemorySeries::default(), peak_bytes: None };
        let shared = Arc::new(Shared { clock, began_ns, state: Mutex::new(state) });
        let (orders, received) = mpsc::channel();
        let in_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("memory".into())
            .spawn(move || sample_as_told(&received, &in_thread, interval))?;
        Ok(Self { shared, orders, thread })
    }

    /// Notes that the worker begins something new, and reads it at this moment; `None` when it has ended.
    pub(crate) fn mark(&self, what: Mark) -> Option<MemoryReading> {
        self.shared.tick(Depth::Whole, Some(what))
    }

    /// Reads no more until [`Sampler::work`]: the memory of a process that waits does not change, and others may be computing.
    pub(crate) fn rest(&self) {
        // A send fails only when the thread has ended by itself, because the process did; here and below.
        let _ = self.orders.send(Order::Rest);
    }

    pub(crate) fn work(&self) {
        let _ = self.orders.send(Order::Work);
    }

    /// Takes a last reading, ends the thread and hands over what was seen.
    pub(crate) fn stop(self) -> Sampled {
        let _ = self.orders.send(Order::Stop);
        let cost_ns = self.thread.join().ok().flatten();
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let series = std::mem::take(&mut state.series);
        let seen_bytes = series.rss_kib.iter().max().map_or(0, |kib| kib * 1024);
        Sampled { peak_rss_bytes: state.peak_bytes.map(|peak| peak.max(seen_bytes)), series, cost_ns }
    }
}

impl Shared {
    /// Reads once, under the lock, so that the columns stay in time order whoever reads.
    fn tick(&self, depth: Depth, mark: Option<Mark>) -> Option<MemoryReading> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at_ms = self.clock.now_ns().saturating_sub(self.began_ns) / 1_000_000;
        let at_ms = u32::try_from(at_ms).unwrap_or(u32::MAX);
        state.series.marks.extend(mark.map(|what| (at_ms, what)));
        let reading = match depth {
            Depth::Series => state.process.sample()?,
            Depth::Whole => {
                let whole = state.process.read()?;
                state.peak_bytes = state.peak_bytes.max(whole.peak_bytes);
                whole.memory
            }
        };
        state.series.at_ms.push(at_ms);
        state.series.rss_kib.push(reading.rss_bytes / 1024);
        state.series.anon_kib.extend(reading.anon_bytes.map(|bytes| bytes / 1024));
        Some(reading)
    }
}

/// Reads at fixed times, not after fixed pauses, so that the rate does not sink under load; not at all while it is to rest; then once
/// more at the end.
fn sample_as_told(orders: &mpsc::Receiver<Order>, shared: &Shared, interval: Duration) -> Option<u64> {
    let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let mut next_ns = shared.clock.now_ns();
    let mut order = Order::Work;
    let mut turn = 0;
    loop {
        let now_ns = shared.clock.now_ns();
        let received = match order {
            Order::Stop => {
                shared.tick(Depth::Whole, None);
                break;
            }
            Order::Rest => orders.recv().ok(),
            Order::Work if now_ns < next_ns => match orders.recv_timeout(Duration::from_nanos(next_ns - now_ns)) {
                Ok(order) => Some(order),
                Err(mpsc::RecvTimeoutError::Timeout) => Some(Order::Work),
                Err(mpsc::RecvTimeoutError::Disconnected) => None,
            },
            Order::Work => {
                let depth = if turn % PEAK_EVERY == 0 { Depth::Whole } else { Depth::Series };
                if shared.tick(depth, None).is_none() {
                    break;
                }
                turn += 1;
                // What was missed while the machine was busy is not made up for.
                next_ns = next_ns.saturating_add(interval_ns).max(shared.clock.now_ns());
                continue;
            }
        };
        // Whoever gave the orders is gone.
        order = received.unwrap_or(Order::Stop);
    }
    thread_cpu_ns()
}

/// CPU time of the calling thread.
#[cfg(unix)]
fn thread_cpu_ns() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(not(unix))]
fn thread_cpu_ns() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; the worker here is a child of the test")]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::probe::clock::{Monotonic, Virtual};

    /// A child that takes 64 MiB at the first line and gives it back at the second, answering each.
    fn child() -> Child {
        let script = "import sys\nsys.stdin.readline()\nb = bytearray(b'x') * (64 << 20)\nprint(len(b), flush=True)\n\
            sys.stdin.readline()\ndel b\nprint('freed', flush=True)\nsys.stdin.readline()\n";
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn ask(child: &mut Child, answers: &mut impl BufRead) -> String {
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn a_childs_allocation_is_seen_and_its_peak_outlives_it() {
        let mut child = child();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let sampler = Sampler::start(child.id(), Arc::new(Monotonic::start()), 0, DEFAULT_INTERVAL).unwrap();
        until(|| readings(&sampler) > 3);
        let before = sampler.mark(Mark::WarmUp(0)).unwrap();
        assert_eq!(ask(&mut child, &mut answers), "67108864\n");
        let held = sampler.mark(Mark::Workload(0)).unwrap();
        assert_eq!(ask(&mut child, &mut answers), "freed\n");
        let after = sampler.mark(Mark::Workload(1)).unwrap();
        let marked = readings(&sampler);
        until(|| readings(&sampler) > marked + 3);
        let seen = sampler.stop();
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(held.anon_bytes.unwrap() - before.anon_bytes.unwrap() >= 64 << 20);
        assert!(held.rss_bytes - after.rss_bytes >= 60 << 20);
        assert!(seen.peak_rss_bytes.unwrap() >= held.rss_bytes);
        let series = &seen.series;
        assert_eq!(series.at_ms.len(), series.rss_kib.len());
        assert_eq!(series.at_ms.len(), series.anon_kib.len());
        assert!(series.at_ms.is_sorted());
        assert_eq!(
            series.marks.iter().map(|m| &m.1).collect::<Vec<_>>(),
            [&Mark::WarmUp(0), &Mark::Workload(0), &Mark::Workload(1)]
        );
        let cost = seen.cost_ns.unwrap() as f64 / seen.series.at_ms.len() as f64;
        assert!(cost > 0.0 && cost < 1e7, "{cost} ns of CPU time a reading");
    }

    /// How often a thread gets its turn depends on the machine: this thread wakes up as often, and the sampler is not half as slow.
    #[test]
    fn it_reads_as_often_as_a_thread_can_wake_up() {
        assert!(DEFAULT_INTERVAL * 50 < Duration::from_secs(1));
        let clock = Arc::new(Monotonic::start());
        let sampler = Sampler::start(std::process::id(), clock, 0, DEFAULT_INTERVAL).unwrap();
        until(|| readings(&sampler) > 0);
        let (begun, turns) = (readings(&sampler), 50);
        (0..turns).for_each(|_| thread::sleep(DEFAULT_INTERVAL));
        let read = readings(&sampler) - begun;
        assert!(read >= turns / 2, "{read} readings in {turns} turns");
    }

    fn readings(sampler: &Sampler) -> usize {
        sampler.shared.state.lock().unwrap().series.at_ms.len()
    }

    /// What never comes is longer in coming than this.
    fn until(mut done: impl FnMut() -> bool) {
        let clock = Monotonic::start();
        while !done() {
            assert!(clock.now_ns() < 300_000_000_000, "it never came");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_reads_nothing_while_it_rests() {
        let mut child = child();
        let sampler = Sampler::start(child.id(), Arc::new(Monotonic::start()), 0, Duration::from_millis(5)).unwrap();
        until(|| readings(&sampler) > 3);
        sampler.rest();
        // It hears of it after the reading it is at, whenever that is: then two looks a fifth of a second apart see the same.
        until(|| {
            let before = readings(&sampler);
            thread::sleep(Duration::from_millis(200));
            readings(&sampler) == before
        });
        let rested = readings(&sampler);
        sampler.work();
        until(|| readings(&sampler) > rested + 3);
        sampler.stop();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn it_ends_by_itself_when_the_process_does() {
        let mut child = child();
        let sampler = Sampler::start(child.id(), Arc::new(Monotonic::start()), 0, Duration::from_millis(1)).unwrap();
        until(|| readings(&sampler) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(sampler.mark(Mark::Load), None);
        let seen = sampler.stop();
        assert!(!seen.series.at_ms.is_empty());
        assert_eq!(seen.series.marks.len(), 1);
    }

    #[test]
    fn times_count_from_the_beginning_of_the_visit() {
        let clock = Virtual::default();
        clock.set(5_000_000_000);
        let began_ns = 2_000_000_000;
        let sampler =
            Sampler::start(std::process::id(), Arc::new(clock.clone()), began_ns, Duration::from_mins(1)).unwrap();
        sampler.mark(Mark::Load).unwrap();
        clock.advance(7_000_000);
        sampler.mark(Mark::Loaded).unwrap();
        let seen = sampler.stop();
        assert_eq!(seen.series.marks, [(3000, Mark::Load), (3007, Mark::Loaded)]);
        assert_eq!(seen.series.at_ms.last(), Some(&3007));
    }
}
