//! The child: holds a model and does what it is called for, until it is closed, its input ends, or something fails.

mod answer;
mod bits;
mod compare;
mod held;
mod measure;
mod task;

pub(crate) use held::Host;

use std::{
    io::{self, BufRead, Write},
    ops::ControlFlow,
    rc::Rc,
};

use crate::{
    engine::{Engine, Loaded},
    protocol::{self, Call, Closed, Failure, Load, Message, Request},
    record::Stage,
};
use held::{Held, failed};

/// How a line leaves the worker.
pub(crate) type Send<'s> = dyn FnMut(&[u8]) -> io::Result<()> + 's;

/// A worker and the model it was told to hold.
pub(crate) struct Worker {
    engine: Rc<dyn Engine>,
    host: Host,
    held: Option<Held>,
}

impl Worker {
    pub(crate) fn new(engine: Rc<dyn Engine>, host: Host) -> Self {
        Self { engine, host, held: None }
    }

    /// Answers calls until there are no more.
    pub(crate) fn serve(mut self, input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        while input.read_line(&mut line)? > 0 {
            let request = serde_json::from_str(&line)?;
            let mut send = |line: &[u8]| output.write_all(line).and_then(|()| output.flush());
            if self.handle(request, &mut send)?.is_break() {
                break;
            }
            line.clear();
        }
        Ok(())
    }

    /// Does what one call asks and answers; [`ControlFlow::Break`] when that was the last.
    pub(crate) fn handle(&mut self, request: Request, send: &mut Send<'_>) -> io::Result<ControlFlow<()>> {
        let clock = self.engine.clock();
        match request {
            Request::Hello(call) => reply(&call, Ok(()), send),
            Request::Load(call) => {
                let loaded = self.load(&call);
                reply(&call, loaded, send)
            }
            Request::OpenContext(call) => {
                let opened = held(&mut self.held).and_then(|held| measure::open_context(held, clock, &call));
                reply(&call, opened, send)
            }
            Request::Prefill(call) => {
                let timing = held(&mut self.held).and_then(|held| measure::prefill(held, &call));
                reply(&call, timing, send)
            }
            Request::Decode(call) => {
                let timing = held(&mut self.held).and_then(|held| measure::decode(held, &call));
                reply(&call, timing, send)
            }
            Request::PrefillDecode(call) => {
                let timing = held(&mut self.held).and_then(|held| measure::prefill_decode(held, &call));
                reply(&call, timing, send)
            }
            Request::TimeSequences(call) => {
                let timing = held(&mut self.held).and_then(|held| measure::sequences(held, &call));
                reply(&call, timing, send)
            }
            Request::Count(call) => {
                let counts = held(&mut self.held).map(|held| {
                    let count = |text: &String| u32::try_from(held.model.tokenize_prompt(text).tokens.len());
                    call.texts.iter().map(|text| count(text).unwrap_or(u32::MAX)).collect()
                });
                reply(&call, counts, send)
            }
            Request::Answer(call) => {
                let answered = held(&mut self.held).and_then(|held| answer::answer(held, clock, &call));
                reply(&call, answered, send)
            }
            Request::Choose(call) => {
                let chosen = held(&mut self.held).and_then(|held| task::choose(held, &call));
                reply(&call, chosen, send)
            }
            Request::Compare(call) => {
                let compared = compare::compare(&*self.engine, self.host, &call, &mut |event| {
                    say::<protocol::Compare>(&Message::Event(event), send)
                })?;
                reply(&*call, compared, send).map(|_| ControlFlow::Break(()))
            }
            Request::ScoreBytes(call) => {
                let scored = bits::score(&*self.engine, &call);
                reply(&call, scored, send).map(|_| ControlFlow::Break(()))
            }
            Request::Close(call) => reply(&call, Ok(self.account()), send).map(|_| ControlFlow::Break(())),
        }
    }

    fn load(&mut self, Load { path, settings }: &Load) -> Result<protocol::Loaded, Failure> {
        if self.held.is_some() {
            return Err(failed(Stage::Launch, "a worker loads once"));
        }
        // Asking a device wakes its driver, which is no part of a load.
        let devices_free_bytes = self.devices_free_bytes();
        let read_before = (self.host.storage_read_bytes)();
        let model = self.engine.load(path, settings)?;
        let read = (self.host.storage_read_bytes)().zip(read_before);
        let (facts, description) = (model.facts(), model.description());
        self.held = Some(Held { session: None, branches: None, model, facts, settings: settings.clone() });
        let Loaded { model_ns, n_ctx_train, n_vocab: _, bos: _ } = facts;
        let storage_read_bytes = read.and_then(|(now, then)| now.checked_sub(then));
        Ok(protocol::Loaded { model_ns, n_ctx_train, storage_read_bytes, devices_free_bytes, description })
    }

    fn account(&self) -> Closed {
        Closed { peak_rss_bytes: (self.host.peak_rss_bytes)(), devices_free_bytes: self.devices_free_bytes() }
    }

    /// Of devices with memory of their own or shared with the CPU's; asking costs nothing where there is none.
    fn devices_free_bytes(&self) -> Vec<(String, u64)> {
        (self.host.devices)().into_iter().map(|d| (d.name, d.memory_free_bytes)).collect()
    }
}

fn held(held: &mut Option<Held>) -> Result<&mut Held, Failure> {
    held.as_mut().ok_or_else(|| failed(Stage::Launch, "a worker must first be told to load"))
}

/// Answers a call in the type it asks for. A worker that failed is of no further use: what it holds may be broken.
fn reply<C: Call>(_: &C, answer: Result<C::Answer, Failure>, send: &mut Send<'_>) -> io::Result<ControlFlow<()>> {
    match answer {
        Ok(answer) => {
            say::<C>(&Message::Answer(answer), send)?;
            Ok(ControlFlow::Continue(()))
        }
        Err(failure) => {
            say::<C>(&Message::Failed(failure), send)?;
            Ok(ControlFlow::Break(()))
        }
    }
}

fn say<C: Call>(message: &Message<C::Event, C::Answer>, send: &mut Send<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    send(&line)
}
