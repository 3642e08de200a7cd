//! A worker as the run sees it: typed calls over any channel, each waited for no longer than is reasonable.

use std::{ops::ControlFlow, path::PathBuf, time::Duration};

use super::{
    exit::{LogTail, WorkerExit},
    timeout::{Patience, Timeout},
};
use crate::{
    probe::{Clock, Monotonic},
    protocol::{Call, Cause, Failure, Message, Never, Operation, Request},
};

pub trait Launcher {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When the process can't be started or does not get ready.
    fn launch(&self) -> Result<Connection, WorkerExit>;
}

/// Carries lines to a worker and back.
pub(crate) trait Channel {
    fn send(&mut self, request: &Request) -> Result<(), WorkerExit>;

    /// The next line, waited for so long.
    fn receive(&mut self, timeout: Timeout) -> Result<String, WorkerExit>;

    /// Its process, when it is one.
    fn pid(&self) -> Option<u32>;

    /// What it has logged so far.
    fn log(&self) -> String;
}

/// A worker that can be called.
pub struct Connection {
    channel: Box<dyn Channel>,
    patience: Patience,
    /// What it was told to hold.
    models: Vec<PathBuf>,
}

impl Connection {
    pub(crate) fn new(channel: Box<dyn Channel>, patience: Patience) -> Self {
        Self { channel, patience, models: Vec::new() }
    }

    /// Calls and waits for the answer.
    pub(crate) fn call<C>(&mut self, call: &C) -> Result<C::Answer, WorkerExit>
    where
        C: Call<Event = Never> + Into<Request>,
    {
        self.send(call)?;
        match self.receive(call, Some(call.operation()))? {
            Line::Answer(answer) => Ok(answer),
            Line::Event(never) => match never {},
        }
    }

    /// Calls, gives each event to `on_event`, and waits for the answer; `None` when `on_event` would hear no more.
    pub(crate) fn stream<C>(
        &mut self,
        call: &C,
        mut on_event: impl FnMut(C::Event) -> ControlFlow<()>,
    ) -> Result<Option<C::Answer>, WorkerExit>
    where
        C: Call + Into<Request>,
    {
        self.send(call)?;
        let mut operation = Some(call.operation());
        loop {
            match self.receive(call, operation)? {
                Line::Answer(answer) => return Ok(Some(answer)),
                Line::Event(event) => {
                    if on_event(event).is_break() {
                        return Ok(None);
                    }
                    operation = call.operation_of_next();
                }
            }
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.channel.pid()
    }

    pub(crate) fn log(&self) -> String {
        self.channel.log()
    }

    fn send<C: Call + Into<Request>>(&mut self, call: &C) -> Result<(), WorkerExit> {
        if let Some(models) = call.models() {
            self.models = models;
        }
        self.channel.send(&call.clone().into())
    }

    /// The next line, and learns from what it took.
    fn receive<C: Call>(&mut self, call: &C, operation: Option<Operation>) -> Result<LineOf<C>, WorkerExit> {
        let timeout = self.patience.timeout(&self.models, operation);
        let clock = Monotonic::start();
        let line = self.channel.receive(timeout)?;
        let took = Duration::from_nanos(clock.now_ns());
        let (line, longest) = match serde_json::from_str(&line) {
            Ok(Message::Event(event)) => (Line::Event(event), took),
            Ok(Message::Answer(answer)) => {
                let longest = call.longest(took, &answer);
                (Line::Answer(answer), longest)
            }
            Ok(Message::Failed(Failure { stage, reason, cause, fault })) => {
                let log = match cause {
                    Cause::LlamaCpp => LogTail::telling(&self.log(), 2),
                    Cause::Reason => LogTail::default(),
                };
                return Err(WorkerExit::Reported { stage, reason, fault, log });
            }
            Err(error) => return Err(WorkerExit::Unintelligible(error.to_string())),
        };
        if let Some(operation) = operation {
            self.patience.learn(&self.models, operation, longest);
        }
        Ok(line)
    }
}

enum Line<E, A> {
    Event(E),
    Answer(A),
}

type LineOf<C> = Line<<C as Call>::Event, <C as Call>::Answer>;
