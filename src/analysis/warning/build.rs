//! What is wrong with how the program was built, or with how many threads it was given.

use super::kind::{Warning, WarningKind, of_run};
use crate::record::Run;

pub(super) fn debug(run: &Run) -> Option<Warning> {
    run.build.is_debug().then(|| {
        let evidence = format!("this gguf-bench was built with the profile {}", run.build.profile);
        of_run(WarningKind::DebugBuild, evidence, "build with `make`, which uses the release profile")
    })
}

pub(super) fn not_native(run: &Run) -> Option<Warning> {
    let unused = run.build.unused_instructions(&run.machine.cpu_features).filter(|unused| !unused.is_empty())?;
    let evidence = format!("the CPU has {}, which this build of llama.cpp does not use", unused.join(", "));
    Some(of_run(WarningKind::CpuFeaturesUnused, evidence, "build with `make`, which compiles llama.cpp for this CPU"))
}

pub(super) fn threads(run: &Run) -> Option<Warning> {
    let most = run.base_settings().n_threads.max(run.base_settings().n_threads_batch);
    (most > run.machine.allowed_cpus).then(|| {
        let evidence = format!("{most} threads share the {} CPUs this process may use", run.machine.allowed_cpus);
        of_run(WarningKind::MoreThreadsThanCpus, evidence, "leave out -t and -tb, or give the process more CPUs")
    })
}
