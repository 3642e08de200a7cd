//! The body of a worker process: one model, requests in, replies out, until it is closed or something fails.

use std::io::{self, BufRead, Write};

use super::{
    depth,
    protocol::{Answered, Reply, Request},
    quality, together,
};
use crate::{
    engine::{Engine, Error, Loaded, Session},
    probe,
    record::DeviceInfo,
    stats::SplitMix64,
};

/// Serves requests until the model is closed, input ends, or something fails (which is replied, not returned).
///
/// # Errors
/// When the parent can't be talked to.
pub(crate) fn serve(
    engine: &dyn Engine,
    devices: &dyn Fn() -> Vec<DeviceInfo>,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<()> {
    send(output, &Reply::Ready)?;
    let (path, config) = match receive(input)? {
        Some(Request::Load { path, config }) => (path, config),
        Some(Request::Compare(job)) => return quality::serve(engine, &job, &mut |reply| send(output, reply)),
        _ => return send(output, &failed("a worker must first be told to load")),
    };
    let mut talk = Ok(());
    let before = probe::storage_read_bytes();
    let served = engine.with_session(&path, &config, &mut |session, loaded| {
        let storage_read_bytes = probe::storage_read_bytes().zip(before).and_then(|(now, then)| now.checked_sub(then));
        let Loaded { model_ns, n_vocab, n_ctx_train, .. } = loaded;
        talk = send(output, &Reply::Loaded { model_ns, n_vocab, n_ctx_train, storage_read_bytes });
        while talk.is_ok() {
            match receive(input) {
                Ok(None | Some(Request::Close)) => {
                    talk = send(output, &close(devices));
                    break;
                }
                Ok(Some(request)) => talk = send(output, &handle(session, loaded, &request)?),
                Err(e) => talk = Err(e),
            }
        }
        Ok(())
    });
    talk?;
    match served {
        Ok(()) => Ok(()),
        Err(e) => send(output, &failure(&e)),
    }
}

/// Does what one request asks.
///
/// # Errors
/// What the engine could not do.
pub(crate) fn handle(session: &mut dyn Session, loaded: Loaded, request: &Request) -> Result<Reply, Error> {
    match request {
        Request::Load { .. } | Request::Compare(_) | Request::Close => Ok(failed("a worker loads and closes once")),
        Request::Context { n_ctx } => Ok(Reply::Context { context_ns: session.open_context(*n_ctx)? }),
        Request::Prefill { n_tokens, n_depth, seed } => {
            let ids = given_ids(*n_tokens, *seed, loaded);
            depth::reach(session, loaded, *n_depth)?;
            session.prefill(&ids).map(Reply::Timed)
        }
        Request::Decode { n_tokens, n_depth, seed } => {
            let ids = given_ids(*n_tokens, *seed, loaded);
            depth::reach(session, loaded, *n_depth)?;
            session.decode(&ids).map(Reply::Timed)
        }
        Request::Together { phase, work, n_ubatch, seed } => {
            together::evaluate(session, loaded, *phase, *work, *n_ubatch, *seed)
        }
        Request::Count { texts } => {
            let count = |text: &String| {
                session.tokenize_prompt(text).map(|p| u32::try_from(p.tokens.len()).unwrap_or(u32::MAX))
            };
            texts.iter().map(count).collect::<Result<_, _>>().map(Reply::Counted)
        }
        Request::Answer { text, max_new_tokens, sampling, seed } => {
            let prompt = session.tokenize_prompt(text)?;
            let answer = session.answer(&prompt.tokens, *max_new_tokens, sampling, *seed)?;
            Ok(Reply::Answered(Box::new(Answered {
                n_prompt: u32::try_from(prompt.tokens.len()).unwrap_or(u32::MAX),
                templated: prompt.templated,
                prefill: answer.prefill,
                decode: answer.decode,
                tokens: answer.tokens,
                text: answer.text,
                ended: answer.ended,
                ttft_ns: answer.ttft_ns,
                inter_token_ns: answer.inter_token_ns,
                margins_nats: answer.margins_nats,
            })))
        }
    }
}

/// Ids fixed by the seed: BOS first where texts begin with one, then uniform over the vocabulary, as llama-bench's.
pub(super) fn given_ids(n_tokens: u32, seed: u64, loaded: Loaded) -> Vec<i32> {
    let mut rng = SplitMix64::new(seed);
    let mut ids: Vec<i32> = (0..n_tokens)
        .map(|_| i32::try_from(rng.below(loaded.n_vocab.max(1) as usize)).expect("n_vocab is an i32"))
        .collect();
    if let (Some(first), Some(bos)) = (ids.first_mut(), loaded.bos) {
        *first = bos;
    }
    ids
}

fn close(devices: &dyn Fn() -> Vec<DeviceInfo>) -> Reply {
    Reply::Closed {
        peak_rss_bytes: probe::own_peak(),
        devices_free_bytes: devices().into_iter().map(|d| (d.name, d.memory_free_bytes)).collect(),
    }
}

fn failure(error: &Error) -> Reply {
    Reply::Failed { stage: error.stage(), reason: error.to_string() }
}

fn failed(reason: &str) -> Reply {
    Reply::Failed { stage: crate::record::Stage::Launch, reason: reason.into() }
}

fn receive(input: &mut dyn BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).map_err(io::Error::from)
}

fn send(output: &mut dyn Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
