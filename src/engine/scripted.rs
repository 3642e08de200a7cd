//! An engine that follows a script on a virtual clock: for tests of schedules, failures and statistics that must be exact and instant.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    rc::Rc,
};

use serde::{Deserialize, Serialize};

use super::{
    BatchToken, BranchToken, Engine, Error, Loaded, Model, PromptTokens, Session,
    noise::{Machine, Noise},
};
use crate::{
    probe::{Clock, Virtual, energy::EnergyMeter},
    record::{PromptForm, Sampling, Settings, Stage, Timing},
    stats::SplitMix64,
};

/// Size of every model's vocabulary. Token n is the answer's word n, and beyond its last word its number.
const N_VOCAB: u32 = 1000;
/// The token that ends an answer: in no text.
const END: i32 = -1;

/// How each model behaves, by file name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    pub models: BTreeMap<String, ModelScript>,
    #[serde(default)]
    pub noise: Option<Noise>,
}

/// How one model behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelScript {
    pub load_ns: u64,
    /// Time per token of a prompt.
    pub prefill_ns_per_token: u64,
    /// Time per generated token.
    pub decode_ns_per_token: u64,
    /// What it answers to every prompt, one token a word.
    pub answer: String,
    /// How far its logits lie from those of a model without noise: their largest deviation.
    #[serde(default)]
    pub logit_noise: f32,
    #[serde(default)]
    pub fail: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub at: Stage,
    pub how: HowItFails,
    /// Not before it was done so often.
    #[serde(default)]
    pub after: u32,
}

/// The ways to fail that a real engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowItFails {
    Error,
    Abort,
    Hang,
    /// It calls itself until its stack is used up.
    Overflow,
    /// It is refused memory that it can't do without.
    Starve,
    /// It ends the process with a code.
    Exit,
    /// It prints what nobody asked for, as backends and debuggers do, and goes on: no failure.
    Print,
}

/// The engine. Sessions share its virtual clock and its machine.
#[derive(Debug)]
pub struct ScriptedEngine {
    script: Script,
    clock: Virtual,
    machine: Option<Rc<RefCell<Machine>>>,
    energy: Option<Rc<EnergyMeter>>,
}

impl ScriptedEngine {
    /// At time 0.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self::on_clock(script, Virtual::default())
    }

    /// An engine that moves that clock.
    #[must_use]
    pub fn on_clock(script: Script, clock: Virtual) -> Self {
        let machine = script.noise.as_ref().map(|noise| Rc::new(RefCell::new(Machine::new(noise.clone()))));
        Self { script, clock, machine, energy: None }
    }

    /// Reads these counters around whatever is timed.
    #[cfg(test)]
    pub(crate) fn with_energy(self, meter: EnergyMeter) -> Self {
        Self { energy: Some(Rc::new(meter)), ..self }
    }
}

impl Engine for ScriptedEngine {
    fn load(&self, path: &Path, _: &Settings) -> Result<Box<dyn Model>, Error> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let script = self
            .script
            .models
            .get(file.as_ref())
            .ok_or_else(|| Error::Load { reason: format!("the script has no model {file}") })?;
        let process = Process {
            subject: file.to_string(),
            script: script.clone(),
            clock: self.clock.clone(),
            machine: self.machine.clone(),
            energy: self.energy.clone(),
            slowness: self.machine.as_ref().map_or(1.0, |machine| machine.borrow_mut().start_process()),
            spared: Cell::new(0),
        };
        process.fail(Stage::Load)?;
        let model_ns = process.pass(script.load_ns);
        Ok(Box::new(ScriptedModel { process: Rc::new(process), model_ns }))
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

/// A model of the script in a process that is as slow as it happens to be.
#[derive(Debug)]
struct Process {
    /// The file it is of: subjects are told apart by it.
    subject: String,
    script: ModelScript,
    clock: Virtual,
    machine: Option<Rc<RefCell<Machine>>>,
    energy: Option<Rc<EnergyMeter>>,
    slowness: f64,
    /// How often the scripted failure was not due yet.
    spared: Cell<u32>,
}

impl Process {
    /// Lets work of `ns` on a steady machine pass, and says how long it took on this one.
    fn pass(&self, ns: u64) -> u64 {
        let slowness = self.machine.as_ref().map_or(1.0, |machine| {
            self.slowness * machine.borrow_mut().slowness_at(self.clock.now_ns(), &self.subject)
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
        let took_ns = (ns as f64 * slowness) as u64;
        self.clock.advance(took_ns);
        took_ns
    }

    fn fail(&self, stage: Stage) -> Result<(), Error> {
        match self.script.fail {
            Some(Failure { at, after, .. }) if at == stage && self.spared.get() < after => {
                self.spared.set(self.spared.get() + 1);
                Ok(())
            }
            Some(Failure { at, how, .. }) if at == stage => match how {
                HowItFails::Error => Err(scripted_error(stage)),
                HowItFails::Abort => std::process::abort(),
                HowItFails::Hang => loop {
                    std::thread::park();
                },
                HowItFails::Overflow => {
                    overflow(&[0; 1024]);
                    Ok(())
                }
                HowItFails::Starve => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u64; 1 << 20]>()),
                #[expect(clippy::disallowed_methods, reason = "a process that ends is what is asked for")]
                HowItFails::Exit => std::process::exit(3),
                #[expect(clippy::print_stdout, reason = "that nobody takes it for an answer is tested")]
                HowItFails::Print => {
                    println!("[New LWP 1234]\n{{\"ready\":null}}");
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn time(&self, n_tokens: usize, ns_per_token: u64) -> Timing {
        let before = self.energy.as_ref().map(|meter| meter.now(&self.clock));
        let wall_ns = self.pass(ns_per_token * n_tokens as u64);
        let energy_uj =
            self.energy.as_ref().zip(before).and_then(|(meter, before)| meter.used_uj(&before, &self.clock));
        let n_tokens = u32::try_from(n_tokens).unwrap_or(u32::MAX);
        Timing { n_tokens, wall_ns, native_ns: Some(wall_ns), energy_uj }
    }
}

/// Each call holds the one before, so that none can be left out.
fn overflow(held: &[u8; 1024]) {
    let own = std::hint::black_box([held[0].wrapping_add(1); 1024]);
    if std::hint::black_box(true) {
        overflow(&own);
    }
    std::hint::black_box(own);
}

fn scripted_error(stage: Stage) -> Error {
    let reason = "the script says so".to_owned();
    match stage {
        Stage::Load => Error::Load { reason },
        Stage::Context => Error::Context { n_ctx: 0, reason },
        Stage::Decode => Error::Decode { n_tokens: 1, reason },
        _ => Error::Decode { n_tokens: 2, reason },
    }
}

#[derive(Debug)]
struct ScriptedModel {
    process: Rc<Process>,
    model_ns: u64,
}

impl ScriptedModel {
    fn context(&self, n_ctx: u32) -> Result<ScriptedSession, Error> {
        self.process.fail(Stage::Context)?;
        Ok(ScriptedSession { process: Rc::clone(&self.process), n_ctx, n_past: 0, answered: 0, logits: Vec::new() })
    }
}

impl Model for ScriptedModel {
    fn facts(&self) -> Loaded {
        Loaded { model_ns: self.model_ns, n_vocab: N_VOCAB, n_ctx_train: 4096, bos: Some(1) }
    }

    fn open(&self, n_ctx: u32) -> Result<Box<dyn Session>, Error> {
        let session = self.context(n_ctx)?;
        self.process.pass(1_000_000);
        Ok(Box::new(session))
    }

    fn open_sequences(&self, n_seq: u32, n_ctx: u32, _: u32) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(self.context(n_seq.saturating_mul(n_ctx))?))
    }

    fn open_branches(&self, n_seq: u32, n_ctx: u32) -> Result<Box<dyn Session>, Error> {
        self.open_sequences(n_seq, n_ctx, n_ctx)
    }

    fn tokenize_prompt(&self, text: &str) -> PromptTokens {
        let words = text.split_whitespace().count();
        PromptTokens { tokens: (0..).take(words).collect(), form: PromptForm::Plain { reason: None } }
    }

    /// Token ids by length of word: any model of the script gives the same.
    fn tokenize_text(&self, text: &str) -> Vec<i32> {
        text.split_whitespace().zip(0_u64..).map(|(word, at)| word_id(word.len() as u64 ^ at)).collect()
    }

    fn detokenize(&self, tokens: &[i32]) -> String {
        let words: Vec<&str> = self.process.script.answer.split_whitespace().collect();
        let word = |token: &i32| {
            let own = usize::try_from(*token).ok().and_then(|token| words.get(token));
            own.map_or_else(|| token.to_string(), ToString::to_string)
        };
        tokens.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn ends_generation(&self, token: i32) -> bool {
        token == END
    }
}

#[derive(Debug)]
struct ScriptedSession {
    process: Rc<Process>,
    n_ctx: u32,
    /// Tokens in the cache.
    n_past: usize,
    /// Words of the answer that were chosen.
    answered: usize,
    logits: Vec<f32>,
}

impl Session for ScriptedSession {
    fn n_ctx(&self) -> u32 {
        self.n_ctx
    }

    fn clear(&mut self) {
        self.n_past = 0;
    }

    fn keep_first(&mut self, n_tokens: u32) -> bool {
        let there = self.n_past >= n_tokens as usize;
        self.n_past = if there { n_tokens as usize } else { self.n_past };
        there
    }

    fn prefill(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        self.process.fail(Stage::Prefill)?;
        self.n_past += tokens.len();
        Ok(self.process.time(tokens.len(), self.process.script.prefill_ns_per_token))
    }

    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        self.process.fail(Stage::Decode)?;
        self.n_past += tokens.len();
        Ok(self.process.time(tokens.len(), self.process.script.decode_ns_per_token))
    }

    fn last_logits(&mut self) -> Result<&[f32], Error> {
        if self.n_past == 0 { Err(Error::NoTokens) } else { Ok(&[1.0, 0.0]) }
    }

    fn start_sampling(&mut self, _: &Sampling, _: u64) {
        self.answered = 0;
    }

    fn sample(&mut self) -> i32 {
        let next = self.answered;
        self.answered += 1;
        let left = next < self.process.script.answer.split_whitespace().count();
        i32::try_from(next).ok().filter(|_| left).unwrap_or(END)
    }

    fn evaluate(&mut self, tokens: &[BatchToken]) -> Result<(), Error> {
        self.process.fail(Stage::Prefill)?;
        self.process.time(tokens.len(), self.process.script.prefill_ns_per_token);
        self.logits.clear();
        for token in tokens.iter().filter(|token| token.wanted) {
            let seed = u64::from(token.position) << 32 | u64::from(token.id.unsigned_abs());
            let (mut common, mut own) = (SplitMix64::new(seed), SplitMix64::new(!seed));
            let noise = self.process.script.logit_noise;
            let mut logit = || 5.0 * unit(&mut common) + noise * (2.0 * unit(&mut own) - 1.0);
            self.logits.extend((0..N_VOCAB).map(|_| logit()));
        }
        Ok(())
    }

    fn evaluate_branches(&mut self, tokens: &[BranchToken]) -> Result<(), Error> {
        let alone = |t: &BranchToken| BatchToken {
            id: t.id,
            position: t.position,
            sequence: t.sequences.start,
            wanted: t.wanted,
        };
        self.evaluate(&tokens.iter().map(alone).collect::<Vec<_>>())
    }

    fn time_batches(&mut self, batches: &[Vec<BatchToken>]) -> Result<Timing, Error> {
        self.process.fail(Stage::Decode)?;
        Ok(self.process.time(batches.iter().map(Vec::len).sum(), self.process.script.prefill_ns_per_token))
    }

    fn batch_logits(&self) -> &[f32] {
        &self.logits
    }
}

fn word_id(seed: u64) -> i32 {
    i32::try_from(SplitMix64::new(seed).below(N_VOCAB as usize)).expect("a small vocabulary")
}

/// Uniform between 0 and 1.
fn unit(rng: &mut SplitMix64) -> f32 {
    rng.below(1 << 20) as f32 / (1 << 20) as f32
}
