//! Comparing outputs: loads the models, scores windows in turn, says what came out.

mod cached;
mod models;
mod pass;
mod reference;
mod rows;
mod scoring;
mod store;
mod texts;
mod tokenized;

use std::io;

use super::held::Host;
use crate::{
    engine::Engine,
    probe::{Clock, Monotonic},
    protocol::{Base, Compare, CompareEvent, Compared, Failure, Hold},
    quality::reference_file,
};
use models::Open;
use scoring::{Ended, Send, pass, result, windows};
use tokenized::{Prepared, prepare};

/// Compares as called for; what is known before the end is sent.
pub(super) fn compare(
    engine: &dyn Engine,
    host: Host,
    call: &Compare,
    send: &mut Send<'_>,
) -> io::Result<Result<Compared, Failure>> {
    // Loading counts: the time of a call is all of it.
    let clock = Monotonic::start();
    let compared = match call.hold {
        Hold::Together => all_at_once(engine, call, &clock, send),
        Hold::OneAtATime { top_k } => cached::one_at_a_time(engine, call, top_k, &clock, send),
    };
    match compared {
        Ok(compared) => Ok(Ok(Compared { peak_rss_bytes: (host.peak_rss_bytes)(), ..compared })),
        Err(Ended::Talk(error)) => Err(error),
        Err(Ended::Failed(failure)) => {
            // Half a file is worth nothing; that it could not be removed is not the news.
            let _ = call.save_logits.as_deref().map(|path| std::fs::remove_file(store::partial(path)));
            Ok(Err(failure))
        }
    }
}

fn all_at_once(engine: &dyn Engine, call: &Compare, clock: &dyn Clock, send: &mut Send<'_>) -> Result<Compared, Ended> {
    let load = |path, settings| Open::load(engine, path, settings);
    let original = match &call.base {
        Base::Model(path) => Some(load(path, &call.settings).map_err(|error| Ended::no_original(&error))?),
        Base::Logits(_) | Base::Reference(_) => None,
    };
    let known = match &call.base {
        Base::Reference(path) => {
            Some(reference_file::read(path).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        Base::Model(_) | Base::Logits(_) => None,
    };
    let candidates = call.candidates.iter().zip(&call.candidate_settings);
    let candidates =
        candidates.map(|(path, settings)| load(path, settings).map_err(|error| error.to_string())).collect();
    let Prepared { tokenized, reference, candidates } = prepare(call, original, known.as_ref(), candidates)?;
    send(CompareEvent::Texts(tokenized.texts.described()))?;
    let first_ns = clock.now_ns();
    let mut pass = pass(call, &tokenized, reference, candidates, clock)?;
    pass.stores.extend(store::file(call, &tokenized)?);
    let scored = windows(call.stop, &tokenized, &mut pass, send)?;
    let wall_ns = clock.now_ns() - first_ns;
    store::finish(std::mem::take(&mut pass.stores))?;
    let of = |candidate| result(candidate, &pass.reference, &tokenized, scored.stopped);
    Ok(Compared {
        results: pass.candidates.iter().map(of).collect(),
        wall_ns,
        evaluate_ns: pass.evaluate_ns,
        n_windows: scored.n_windows,
        n_evaluated: pass.n_evaluated,
        peak_rss_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::*;
    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        protocol::{Pace, Statistics, StopRule},
        record::{QualityUnit, Settings, Summary},
    };

    const N_CTX: u32 = 16;

    /// What comparing three windows of one text comes to.
    fn compared(positions: Option<u32>) -> Summary {
        let model = |logit_noise| ModelScript {
            load_ns: 0,
            prefill_ns_per_token: 1,
            decode_ns_per_token: 1,
            answer: String::new(),
            logit_noise,
            fail: None,
        };
        let models = BTreeMap::from([("original".into(), model(0.0)), ("candidate".into(), model(0.5))]);
        let engine = ScriptedEngine::new(Script { models, noise: None });
        let words: Vec<String> = (0..3 * N_CTX).map(|word| word.to_string()).collect();
        let call = Compare {
            base: Base::Model(PathBuf::from("original")),
            candidates: vec![PathBuf::from("candidate")],
            settings: Settings::defaults(1),
            candidate_settings: vec![Settings::defaults(1)],
            n_ctx: N_CTX,
            positions,
            texts: vec![words.join(" ")],
            domains: vec!["any".into()],
            stop: StopRule {
                precision: 0.0,
                confidence: 0.95,
                unit: QualityUnit::Window,
                min_windows: 1,
                max_windows: Some(3),
                bound: None,
                time_ns: None,
            },
            hold: Hold::Together,
            save_logits: None,
            save_reference: None,
            statistics: Statistics::Compare,
            pace: Pace::InTurn,
        };
        let mut nothing = |_| Ok(());
        let Ok(compared) = all_at_once(&engine, &call, &Monotonic::start(), &mut nothing) else {
            panic!("it compares")
        };
        let [result] = &compared.results[..] else { panic!("one candidate") };
        assert_eq!((compared.n_windows, result.failed.as_deref()), (3, None));
        result.summaries[0].1.clone()
    }

    #[test]
    fn where_less_of_a_window_is_scored_it_is_the_beginning_of_the_same() {
        let (whole, cut) = (compared(None), compared(Some(3)));
        assert_eq!((whole.tokens, cut.tokens), (3 * 7, 3 * 3));
        let bins = (&whole.kld_by_position[..2], &cut.kld_by_position[..2]);
        assert!(bins.0.iter().all(|bin| bin.kld_mean_nats.is_some_and(|kld| kld > 0.0)), "{bins:?}");
        assert_eq!(bins.0, bins.1, "one position each");
    }
}
