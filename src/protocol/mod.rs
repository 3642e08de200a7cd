//! What a run and its workers say to each other: typed calls, one a line as JSON, each answered by a line of its own type; and the log.

mod bits;
mod call;
mod choose;
mod compare;
mod log;
mod request;

pub(crate) use bits::ScoreBytes;
pub(crate) use call::{Call, Cause, Failure, Message, Never, Operation};
pub(crate) use choose::{Alternatives, Choose, Likelihoods, Weighed};
pub(crate) use compare::{
    Base, Bound, CandidateResult, Compare, CompareEvent, Compared, Hold, Pace, SaveReference, Statistics, StopRule,
};
pub(crate) use log::{
    ERROR, WARNING, asks_for_imatrix, buffers, dying_lines, quantized_bytes, telling_lines, warnings,
};
pub(crate) use request::{
    Answer, Answered, Close, Closed, Count, Decode, Hello, Load, Loaded, OpenContext, Prefill, PrefillDecode, Request,
    Sequences, TimeSequences,
};
