//! Workers without processes: scripted sessions on a virtual clock, for tests that need thousands of runs.

use std::rc::Rc;

use super::{
    launcher::{Launcher, Worker},
    lost::Lost,
    protocol::{Reply, Request},
    worker::handle,
};
use crate::engine::{Loaded, ScriptedEngine, ScriptedSession};

/// Starts them. All share the engine's clock and machine.
#[derive(Debug, Clone)]
pub struct SimulatedLauncher {
    engine: Rc<ScriptedEngine>,
}

impl SimulatedLauncher {
    /// On that engine.
    #[must_use]
    pub fn new(engine: ScriptedEngine) -> Self {
        Self { engine: Rc::new(engine) }
    }
}

impl Launcher for SimulatedLauncher {
    fn launch(&self) -> Result<Box<dyn Worker>, Lost> {
        Ok(Box::new(SimulatedWorker { engine: Rc::clone(&self.engine), session: None }))
    }
}

struct SimulatedWorker {
    engine: Rc<ScriptedEngine>,
    session: Option<(ScriptedSession, Loaded)>,
}

impl Worker for SimulatedWorker {
    fn ask(&mut self, request: &Request) -> Result<Reply, Lost> {
        let done = match (request, &mut self.session) {
            (Request::Load { path, .. }, None) => self.engine.open(path).map(|(session, loaded)| {
                self.session = Some((session, loaded));
                let Loaded { model_ns, n_vocab, n_ctx_train, .. } = loaded;
                Reply::Loaded { model_ns, n_vocab, n_ctx_train, storage_read_bytes: Some(0) }
            }),
            (Request::Close, _) => Ok(Reply::Closed { peak_rss_bytes: None, devices_free_bytes: Vec::new() }),
            (request, Some((session, loaded))) => handle(session, *loaded, request),
            (_, None) => return Err(Lost::Nonsense("a worker must first be told to load".into())),
        };
        Ok(done.unwrap_or_else(|error| Reply::Failed { stage: error.stage(), reason: error.to_string() }))
    }

    fn next_reply(&mut self) -> Result<Reply, Lost> {
        Err(Lost::Nonsense("a simulated worker answers once".into()))
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn log(&self) -> String {
        String::new()
    }
}
