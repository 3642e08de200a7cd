//! What `tests/` and `benches/` need of the crate, and all that is public besides the programs' own entry points.

mod simulated;

pub mod analysis {
    pub use crate::analysis::{Analysis, Verdict, analyse};
}
pub mod engine {
    pub use crate::engine::{Engine, LlamaEngine, ModelScript, Noise, Script, ScriptedEngine};
}
pub mod event {
    pub use crate::event::{Event, Observer, Silent};
}
pub mod gguf {
    pub use crate::gguf::{Facts, GgmlType, Header};
}
pub mod metric {
    pub use crate::metric::{MetricId, Word};
}
pub mod models {
    pub mod hub {
        pub use crate::models::hub::{Fetched, HubError, HubName, HubSettings, Network, News, Token, fetch};
    }
}
pub mod probe {
    pub use crate::probe::{Monotonic, Virtual};
    pub mod process {
        pub use crate::probe::{kernel::process_ticks, memory::Status};
    }
}
pub mod prompts {
    pub use crate::prompts::{LengthClass, suite};
}
pub mod record {
    pub use crate::record::{
        Arrangement, Budget, Device, Ended, InnerPolicy, Model, Outcome, Plan, Preparation, PromptPolicy, PromptTurns,
        Protocol, QualityWorker, Role, Run, Settings, Subject, Workload, WorkloadKind, read_run,
    };
    pub mod round_value {
        pub use crate::record::round_value::{by_round, log_ratios, rate};
    }
    pub mod journal {
        pub use crate::record::journal::Entry;
    }
}
pub mod run {
    pub use super::simulated::SimulatedLauncher;
    #[cfg(test)]
    pub(crate) use super::simulated::connect;
    pub use crate::run::{Bench, Deadline, Judge, NoJudge, ProcessLauncher, WithoutOriginal, execute, order};
}
pub mod stats {
    pub use crate::stats::{
        Error, Estimate, SplitMix64, hodges_lehmann, mean, median, median_interval, paired_effect, window_t,
    };
}
pub mod units {
    pub use crate::units::{MIB, NS_PER_S};
}
