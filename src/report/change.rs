//! A change in words, with its interval: as a ratio or a difference, or in per cent.

use super::number::{UNKNOWN, fixed, sig3};
use crate::analysis::diff::{Change, ChangeKind};

/// `0.969 [0.951, 0.984]`, or `+0.0012 [+0.0008, +0.0016]`.
pub(super) fn amount(change: &Change) -> String {
    let signed = |v: f64| if v > 0.0 { format!("+{}", sig3(v)) } else { sig3(v) };
    match change.kind {
        ChangeKind::Ratio => with_interval(change, |v| fixed(v, if v >= 9.995 { 1 } else { 3 })),
        ChangeKind::Difference => with_interval(change, signed),
    }
}

/// `0.0012 [0.0008, 0.0016]`: of what is itself held against nothing.
pub(super) fn level(change: &Change) -> String {
    with_interval(change, sig3)
}

/// `−3.1 % [−4.0, −2.2]`.
pub(super) fn went(change: &Change) -> String {
    let percent = |ratio: f64| format!("{}{}", if ratio > 1.0 { "+" } else { "" }, fixed((ratio - 1.0) * 100.0, 1));
    match (change.kind, change.low.zip(change.high)) {
        (ChangeKind::Difference, _) => amount(change),
        (ChangeKind::Ratio, Some((low, high))) => {
            format!("{}\u{a0}% [{}, {}]", percent(change.value), percent(low), percent(high))
        }
        (ChangeKind::Ratio, None) => format!("{}\u{a0}%", percent(change.value)),
    }
}

fn with_interval(change: &Change, number: impl Fn(f64) -> String) -> String {
    if !change.value.is_finite() {
        return UNKNOWN.into();
    }
    match change.low.zip(change.high) {
        Some((low, high)) => format!("{} [{}, {}]", number(change.value), number(low), number(high)),
        None => number(change.value),
    }
}
