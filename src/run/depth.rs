//! The worker's side of work at a depth: tokens that are in the context before the timed ones, evaluated once for each context.

use super::worker::given_ids;
use crate::engine::{Error, Loaded, Session};

/// Brings the context to `n_depth` tokens, untimed: cut back to them where they are still there, evaluated anew where not.
///
/// The ids follow from the depth alone, so every context of that depth begins with the same ones, whatever was timed after them.
///
/// # Errors
/// What the engine could not do.
pub(super) fn reach(session: &mut dyn Session, loaded: Loaded, n_depth: u32) -> Result<(), Error> {
    if n_depth > 0 && session.keep_first(n_depth) {
        return Ok(());
    }
    session.clear();
    if n_depth > 0 {
        session.prefill(&given_ids(n_depth, u64::from(n_depth), loaded))?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;
    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        probe::{Clock, Virtual},
    };

    #[test]
    fn the_depth_is_evaluated_once_for_each_context() {
        let model = ModelScript {
            load_ns: 0,
            prefill_ns_per_token: 10,
            decode_ns_per_token: 1000,
            answer: String::new(),
            logit_noise: 0.0,
            fail: None,
        };
        let clock = Virtual::default();
        let script = Script { models: BTreeMap::from([("m".into(), model)]), noise: None };
        let (mut session, loaded) = ScriptedEngine::on_clock(script, clock.clone()).open(Path::new("m")).unwrap();
        let mut passed = |work: &mut dyn FnMut(&mut dyn Session)| {
            let before = clock.now_ns();
            work(&mut session);
            clock.now_ns() - before
        };
        passed(&mut |s| {
            s.open_context(200).unwrap();
        });
        assert_eq!(passed(&mut |s| reach(s, loaded, 100).unwrap()), 1000);
        passed(&mut |s| {
            s.decode(&[1, 2, 3]).unwrap();
        });
        assert_eq!(passed(&mut |s| reach(s, loaded, 100).unwrap()), 0, "cut back");
        assert_eq!(passed(&mut |s| reach(s, loaded, 120).unwrap()), 1200, "a greater depth is evaluated");
        passed(&mut |s| {
            s.open_context(200).unwrap();
        });
        assert_eq!(passed(&mut |s| reach(s, loaded, 100).unwrap()), 1000, "a new context has nothing");
        assert_eq!(passed(&mut |s| reach(s, loaded, 0).unwrap()), 0);
        assert_eq!(passed(&mut |s| reach(s, loaded, 100).unwrap()), 1000, "what was cleared is gone");
    }
}
