//! An engine that follows a script on a virtual clock: for tests of schedules, failures and statistics that must be exact and instant.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    rc::Rc,
};

use serde::{Deserialize, Serialize};

use super::{
    Answer, Engine, Error, Loaded, PromptTokens, Session, Timing, WindowToken,
    noise::{Machine, Noise},
};
use crate::{
    probe::{Clock, Virtual},
    record::{Sampling, Settings, Stage},
    stats::SplitMix64,
};

/// Size of every model's vocabulary.
const N_VOCAB: u32 = 1000;

/// How each model behaves, by file name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The models.
    pub models: BTreeMap<String, ModelScript>,
    /// How unsteady the machine is.
    #[serde(default)]
    pub noise: Option<Noise>,
}

/// How one model behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelScript {
    /// Time of a load, nanoseconds.
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
    /// Where and how it fails.
    #[serde(default)]
    pub fail: Option<Failure>,
}

/// A scripted failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// While doing this.
    pub at: Stage,
    /// In this way.
    pub how: HowItFails,
    /// Not before it was done so often.
    #[serde(default)]
    pub after: u32,
}

/// The ways to fail that a real engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowItFails {
    /// It reports an error.
    Error,
    /// It aborts the process.
    Abort,
    /// It never returns.
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
}

impl ScriptedEngine {
    /// An engine at time 0.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self::on_clock(script, Virtual::default())
    }

    /// An engine that moves that clock.
    #[must_use]
    pub fn on_clock(script: Script, clock: Virtual) -> Self {
        let machine = script.noise.as_ref().map(|noise| Rc::new(RefCell::new(Machine::new(noise.clone()))));
        Self { script, clock, machine }
    }

    /// Loads a model for as long as the caller keeps the session.
    ///
    /// # Errors
    /// When the script has no such model, or says that loading fails.
    pub fn open(&self, path: &Path) -> Result<(ScriptedSession, Loaded), Error> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let model = self
            .script
            .models
            .get(file.as_ref())
            .ok_or_else(|| Error::Load { reason: format!("the script has no model {file}") })?;
        let slowness = self.machine.as_ref().map_or(1.0, |machine| machine.borrow_mut().start_process());
        let session = ScriptedSession {
            model: model.clone(),
            clock: self.clock.clone(),
            machine: self.machine.clone(),
            slowness,
            spared: Cell::new(0),
            n_past: 0,
            logits: Vec::new(),
        };
        session.fail(Stage::Load)?;
        let model_ns = session.pass(model.load_ns);
        Ok((session, Loaded { model_ns, n_vocab: N_VOCAB, n_ctx_train: 4096, bos: Some(1) }))
    }
}

impl Engine for ScriptedEngine {
    fn with_session(
        &self,
        path: &Path,
        _: &Settings,
        body: &mut dyn FnMut(&mut dyn Session, Loaded) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut session, loaded) = self.open(path)?;
        body(&mut session, loaded)
    }
}

/// A model of the script, loaded.
#[derive(Debug)]
pub struct ScriptedSession {
    model: ModelScript,
    clock: Virtual,
    machine: Option<Rc<RefCell<Machine>>>,
    slowness: f64,
    /// How often the scripted failure was not due yet.
    spared: Cell<u32>,
    /// Tokens in the cache.
    n_past: usize,
    logits: Vec<f32>,
}

impl ScriptedSession {
    /// Lets work of `ns` on a steady machine pass, and says how long it took on this one.
    fn pass(&self, ns: u64) -> u64 {
        let slowness = self
            .machine
            .as_ref()
            .map_or(1.0, |machine| self.slowness * machine.borrow_mut().slowness_at(self.clock.now_ns()));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
        let took_ns = (ns as f64 * slowness) as u64;
        self.clock.advance(took_ns);
        took_ns
    }

    fn fail(&self, stage: Stage) -> Result<(), Error> {
        match self.model.fail {
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
        let wall_ns = self.pass(ns_per_token * n_tokens as u64);
        Timing { n_tokens: u32::try_from(n_tokens).unwrap_or(u32::MAX), wall_ns, native_ns: Some(wall_ns) }
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

impl Session for ScriptedSession {
    fn open_context(&mut self, _: u32) -> Result<u64, Error> {
        self.fail(Stage::Context)?;
        self.n_past = 0;
        Ok(self.pass(1_000_000))
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
        self.fail(Stage::Prefill)?;
        self.n_past += tokens.len();
        Ok(self.time(tokens.len(), self.model.prefill_ns_per_token))
    }

    fn decode(&mut self, tokens: &[i32]) -> Result<Timing, Error> {
        self.fail(Stage::Decode)?;
        self.n_past += tokens.len();
        Ok(self.time(tokens.len(), self.model.decode_ns_per_token))
    }

    fn tokenize_prompt(&self, text: &str) -> Result<PromptTokens, Error> {
        let words = text.split_whitespace().count();
        Ok(PromptTokens { tokens: (0..).take(words).collect(), templated: false })
    }

    fn answer(&mut self, prompt: &[i32], max_new_tokens: u32, _: &Sampling, _: u64) -> Result<Answer, Error> {
        let prefill = self.prefill(prompt)?;
        let text = self.model.answer.clone();
        let words: Vec<&str> = text.split_whitespace().collect();
        let n = words.len().min(max_new_tokens as usize);
        let steps = n.saturating_sub(1);
        let decode = if steps > 0 { Some(self.decode(&vec![0; steps])?) } else { None };
        Ok(Answer {
            prefill,
            decode,
            tokens: (0..).take(n).collect(),
            text: words[..n].join(" "),
            ended: n == words.len(),
            ttft_ns: prefill.wall_ns,
            inter_token_ns: vec![self.model.decode_ns_per_token; steps],
            margins_nats: vec![1.0; n],
        })
    }

    /// Token ids by length of word: any model of the script gives the same.
    fn tokenize_text(&self, text: &str) -> Vec<i32> {
        text.split_whitespace().zip(0_u64..).map(|(word, at)| word_id(word.len() as u64 ^ at)).collect()
    }

    fn detokenize(&self, tokens: &[i32]) -> String {
        tokens.iter().map(i32::to_string).collect::<Vec<_>>().join(" ")
    }

    fn open_windows(&mut self, _: u32, _: u32, _: u32) -> Result<(), Error> {
        self.fail(Stage::Context)
    }

    fn evaluate_windows(&mut self, tokens: &[WindowToken]) -> Result<(), Error> {
        self.fail(Stage::Prefill)?;
        self.time(tokens.len(), self.model.prefill_ns_per_token);
        self.logits.clear();
        for token in tokens.iter().filter(|token| token.wanted) {
            let seed = u64::from(token.position) << 32 | u64::from(token.id.unsigned_abs());
            let (mut common, mut own) = (SplitMix64::new(seed), SplitMix64::new(!seed));
            let mut logit = || 5.0 * unit(&mut common) + self.model.logit_noise * (2.0 * unit(&mut own) - 1.0);
            self.logits.extend((0..N_VOCAB).map(|_| logit()));
        }
        Ok(())
    }

    fn evaluate_together(&mut self, batches: &[Vec<WindowToken>]) -> Result<Timing, Error> {
        self.fail(Stage::Decode)?;
        Ok(self.time(batches.iter().map(Vec::len).sum(), self.model.prefill_ns_per_token))
    }

    fn window_logits(&self) -> &[f32] {
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
