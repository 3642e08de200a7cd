//! What is wrong with how the program was built, or with how many threads it was given.

use super::kind::{Warning, WarningKind, of_run};
use crate::{record::Run, text::list};

pub(super) fn debug(run: &Run) -> Option<Warning> {
    run.build.is_debug().then(|| {
        let evidence = format!("This gguf-bench was built with the profile {}.", run.build.profile);
        of_run(WarningKind::DebugBuild, evidence, "Build with `make`, which uses the release profile.")
    })
}

pub(super) fn not_native(run: &Run) -> Option<Warning> {
    let unused = run.build.unused_instructions(&run.machine.cpu_features).filter(|unused| !unused.is_empty())?;
    let evidence = format!("The CPU has {}, which this build of llama.cpp does not use.", list(&unused));
    Some(of_run(WarningKind::CpuFeaturesUnused, evidence, "Build with `make`, which compiles llama.cpp for this CPU."))
}

pub(super) fn threads(run: &Run) -> Option<Warning> {
    let most = run.base_settings().n_threads.max(run.base_settings().n_threads_batch);
    (most > run.machine.allowed_cpus).then(|| {
        let evidence = match run.machine.allowed_cpus {
            1 => format!("{most} threads share the one CPU that this process may use."),
            cpus => format!("{most} threads share the {cpus} CPUs that this process may use."),
        };
        of_run(WarningKind::MoreThreadsThanCpus, evidence, "Leave out -t and -tb, or give the process more CPUs.")
    })
}
