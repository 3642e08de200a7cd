//! Variables of the environment that change what OpenMP's threads do. llama.cpp computes on those, and every worker inherits them.

use super::kind::{Warning, WarningKind, of_run};
use crate::record::Run;

/// Turns for which GCC's idle threads spin when nothing is set: 3 ms.
const SPIN_TURNS: f64 = 300_000.0;
/// How long LLVM's idle threads spin in llama.cpp when nothing is set, ms.
const SPIN_MS: f64 = 200.0;

/// `OMP_NUM_THREADS` is not among them: llama.cpp says itself how many it wants, and only a limit below that is heard.
pub(super) fn environment(run: &Run) -> Option<Warning> {
    let settings = run.base_settings();
    let n_threads = settings.n_threads.max(settings.n_threads_batch);
    let told = run.machine.openmp_variables.iter().flatten().filter_map(|(name, value)| {
        let effect = effect(name, value.trim(), n_threads)?;
        Some(format!("{name}={value} {effect}."))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| {
        of_run(
            WarningKind::OpenmpEnvironment,
            told.join(" "),
            "Unset what is not set where the models are to run. Threads that spin take CPU time from the other models of a round.",
        )
    })
}

/// What a variable does, in words; `None` when it does nothing that concerns a measurement with so many threads. Those of `KMP_` are read by
/// LLVM's and Intel's OpenMP alone.
fn effect(name: &str, value: &str, n_threads: u32) -> Option<&'static str> {
    const SPIN: &str = "makes idle threads spin";
    const BIND: &str = "binds threads to CPUs";
    const FEWER: &str = "leaves fewer threads than were asked for";
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    let spins_beyond = |usual: f64| is("infinite") || is("infinity") || amount(value).is_some_and(|n| n > usual);
    let found = match name {
        "OMP_WAIT_POLICY" => (is("active"), SPIN),
        "GOMP_SPINCOUNT" => (spins_beyond(SPIN_TURNS), SPIN),
        "KMP_BLOCKTIME" => (spins_beyond(SPIN_MS), SPIN),
        "KMP_LIBRARY" => (is("turnaround"), SPIN),
        "OMP_PROC_BIND" => (!is("false") && !value.is_empty(), BIND),
        "OMP_PLACES" | "GOMP_CPU_AFFINITY" | "KMP_HW_SUBSET" => (!value.is_empty(), BIND),
        "KMP_AFFINITY" => (!value.is_empty() && !is("none") && !is("disabled"), BIND),
        "OMP_THREAD_LIMIT" | "KMP_ALL_THREADS" | "KMP_DEVICE_THREAD_LIMIT" => {
            (amount(value).is_some_and(|limit| limit < f64::from(n_threads)), FEWER)
        }
        "OMP_DYNAMIC" => (is("true") || is("1"), "may leave fewer threads than were asked for"),
        _ => return None,
    };
    found.0.then_some(found.1)
}

/// A number as GCC's and LLVM's OpenMP write it, with `k`, `M`, `G`, `T` for thousands and `us`, `ms` for fractions of a millisecond.
fn amount(value: &str) -> Option<f64> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 1e-3,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        "t" | "T" => 1e12,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_variable_does() {
        let of = |name: &str, value: &str| effect(name, value, 4);
        for (name, value) in [
            ("OMP_WAIT_POLICY", "ACTIVE"),
            ("GOMP_SPINCOUNT", "infinity"),
            ("GOMP_SPINCOUNT", "30G"),
            ("GOMP_SPINCOUNT", "300001"),
            ("KMP_BLOCKTIME", "infinite"),
            ("KMP_BLOCKTIME", "500ms"),
            ("KMP_LIBRARY", "turnaround"),
        ] {
            assert_eq!(of(name, value), Some("makes idle threads spin"), "{name}={value}");
        }
        for (name, value) in [("OMP_PROC_BIND", "close"), ("GOMP_CPU_AFFINITY", "0-3"), ("KMP_AFFINITY", "compact")] {
            assert_eq!(of(name, value), Some("binds threads to CPUs"), "{name}={value}");
        }
        assert_eq!(of("OMP_THREAD_LIMIT", "3"), Some("leaves fewer threads than were asked for"));
        assert_eq!(of("OMP_DYNAMIC", "TRUE"), Some("may leave fewer threads than were asked for"));
    }

    #[test]
    fn what_changes_nothing() {
        for (name, value) in [
            ("OMP_WAIT_POLICY", "passive"),
            ("GOMP_SPINCOUNT", "0"),
            ("GOMP_SPINCOUNT", "100k"),
            ("GOMP_SPINCOUNT", "many"),
            ("KMP_BLOCKTIME", "0"),
            ("KMP_BLOCKTIME", "500us"),
            ("OMP_PROC_BIND", "false"),
            ("KMP_AFFINITY", "none"),
            ("OMP_THREAD_LIMIT", "4"),
            ("OMP_DYNAMIC", "false"),
            ("OMP_NUM_THREADS", "1"),
            ("OMP_SCHEDULE", "static"),
            ("OMP_PLACES", ""),
        ] {
            assert_eq!(effect(name, value, 4), None, "{name}={value}");
        }
    }
}
