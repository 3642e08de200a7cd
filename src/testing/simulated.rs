//! Workers without processes: the worker and the run in one process, on a scripted engine and a virtual clock, for tests that need
//! thousands of runs.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use crate::{
    engine::ScriptedEngine,
    protocol::Request,
    run::{Channel, Connection, Deadline, Launcher, Patience, Timeout, WorkerExit},
    worker::{Host, Worker},
};

/// Starts them. All share the engine's clock and machine.
#[derive(Debug, Clone)]
pub struct SimulatedLauncher {
    engine: Rc<ScriptedEngine>,
}

impl SimulatedLauncher {
    #[must_use]
    pub fn new(engine: ScriptedEngine) -> Self {
        Self { engine: Rc::new(engine) }
    }

    pub(crate) fn channel(&self) -> Box<dyn Channel> {
        let host = Host { devices: Vec::new, storage_read_bytes: || Some(0), peak_rss_bytes: || None };
        let engine = Rc::clone(&self.engine);
        Box::new(Simulated { worker: Worker::new(engine, host), said: VecDeque::new() })
    }
}

/// Connects to a worker that answers at once, whatever its clock says.
pub(crate) fn connect(channel: Box<dyn Channel>) -> Connection {
    Connection::new(channel, Patience::new(Deadline::Fixed(Duration::MAX)))
}

impl Launcher for SimulatedLauncher {
    fn launch(&self) -> Result<Connection, WorkerExit> {
        Ok(connect(self.channel()))
    }
}

struct Simulated {
    worker: Worker,
    said: VecDeque<String>,
}

impl Channel for Simulated {
    fn send(&mut self, request: &Request) -> Result<(), WorkerExit> {
        let said = &mut self.said;
        let mut keep = |line: &[u8]| {
            said.push_back(String::from_utf8_lossy(line).into_owned());
            Ok(())
        };
        // That it will take no more calls shows when one is made.
        let handled = self.worker.handle(request.clone(), &mut keep);
        handled.map(|_| ()).map_err(|source| WorkerExit::NotStarted { program: "simulated".into(), source })
    }

    fn receive(&mut self, _: Timeout) -> Result<String, WorkerExit> {
        self.said.pop_front().ok_or_else(|| WorkerExit::Unintelligible("nothing".into()))
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn log(&self) -> String {
        String::new()
    }
}
