//! How fast models were on this machine before, so that a plan can be told before anything is measured.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    record::{self, ModelFacts, Run, Settings},
    run::Speeds,
    stats,
};

/// More files than anyone compares; the least fast to find again go first.
const MOST: usize = 500;

/// One subject as a probe found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Past {
    n_params: u64,
    weights_bytes: u64,
    speeds: Speeds,
}

/// By file and settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PastSpeeds {
    known: BTreeMap<String, Past>,
}

/// Where speeds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Basis {
    /// This file was measured here with these settings.
    SameFile,
    /// Others were, with these settings.
    OtherFiles,
    /// Nothing was.
    Assumed,
}

impl PastSpeeds {
    /// What is known; nothing where there is no such file, or none that can be read.
    pub(super) fn read(file: Option<&Path>) -> Self {
        let text = file.and_then(|file| std::fs::read(file).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// How fast a model is expected to be, and by what.
    pub(super) fn expect(&self, facts: &ModelFacts, settings: &Settings) -> (Speeds, Basis) {
        if let Some(past) = self.known.get(&key(facts, settings)) {
            return (past.speeds, Basis::SameFile);
        }
        let suffix = settings_key(settings);
        let others: Vec<&Past> =
            self.known.iter().filter(|(key, _)| key.ends_with(&suffix)).map(|(_, past)| past).collect();
        let median =
            |of: &dyn Fn(&Past) -> f64| stats::median(&others.iter().map(|past| of(past)).collect::<Vec<_>>()).ok();
        let scaled = || {
            Some(Speeds {
                start_s: median(&|past| past.speeds.start_s / past.weights_bytes.max(1) as f64)?
                    * facts.weights_bytes as f64,
                prefill_s: median(&|past| past.speeds.prefill_s / past.n_params.max(1) as f64)? * facts.n_params as f64,
                decode_s: median(&|past| past.speeds.decode_s / past.weights_bytes.max(1) as f64)?
                    * facts.weights_bytes as f64,
            })
        };
        scaled()
            .map_or_else(|| (Speeds::assumed(facts, settings), Basis::Assumed), |speeds| (speeds, Basis::OtherFiles))
    }

    fn add(&mut self, run: &Run) {
        for probe in &run.probes {
            let Some(subject) = run.subjects.get(probe.model) else { continue };
            let Some((facts, speeds)) = subject.model.facts.as_ref().zip(Speeds::of_probe(probe)) else { continue };
            let past = Past { n_params: facts.n_params, weights_bytes: facts.weights_bytes, speeds };
            self.known.insert(key(facts, &subject.settings), past);
        }
        while self.known.len() > MOST {
            self.known.pop_first();
        }
    }
}

/// Keeps what a run's probes found. A plan can do without: what can't be kept is not told.
pub(super) fn remember(run: &Run, file: Option<&Path>) {
    let Some(path) = file else { return };
    if run.probes.is_empty() {
        return;
    }
    let mut speeds = PastSpeeds::read(file);
    speeds.add(run);
    let Ok(text) = serde_json::to_vec_pretty(&speeds) else { return };
    let made = path.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
    if made {
        let _ = record::write_atomically(path, &text);
    }
}

/// A file by what its header says: its bytes need not be read for this.
fn key(facts: &ModelFacts, settings: &Settings) -> String {
    format!("{}/{}/{}/{}", facts.n_params, facts.weights_bytes, facts.quant, settings_key(settings))
}

fn settings_key(settings: &Settings) -> String {
    serde_json::to_string(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::read_run;

    #[test]
    fn what_was_measured_here_is_expected_again_and_scales_to_others() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = read_run(&path).expect("the fixture is a record");
        let (facts, settings) = (run.subjects[0].model.facts.clone().expect("a header"), run.base_settings().clone());
        let none = PastSpeeds::default();
        assert_eq!(none.expect(&facts, &settings), (Speeds::assumed(&facts, &settings), Basis::Assumed));
        let speeds = Speeds { start_s: 0.5, prefill_s: 0.001, decode_s: 0.01 };
        let past = Past { n_params: facts.n_params, weights_bytes: facts.weights_bytes, speeds };
        let known = PastSpeeds { known: [(key(&facts, &settings), past)].into() };
        assert_eq!(known.expect(&facts, &settings), (speeds, Basis::SameFile));
        let half = ModelFacts { weights_bytes: facts.weights_bytes / 2, quant: "Q8_0".into(), ..facts.clone() };
        let (scaled, basis) = known.expect(&half, &settings);
        assert_eq!(basis, Basis::OtherFiles);
        assert!((scaled.decode_s - 0.005).abs() < 1e-9 && (scaled.prefill_s - 0.001).abs() < 1e-12);
        let other = Settings { n_threads: settings.n_threads + 1, ..settings };
        assert_eq!(known.expect(&facts, &other).1, Basis::Assumed, "other threads are another machine");
    }
}
