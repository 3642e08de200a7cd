//! The gate for CI: conditions held against changes, each with PASS, FAIL or INCONCLUSIVE, never by a central value alone.
//!
//! A condition fails when the whole interval is past its limit, at a confidence adjusted for the number of conditions and subjects
//! (Bonferroni): a gate of forty conditions must not fail of chance more often than one of a single one. It passes when the whole
//! interval lies on the side asked for. All have to pass, so that there is nothing to adjust: what is past its limit lets the gate
//! pass no more often with others beside it.

mod limit;
mod of_run;

pub(crate) use limit::Limit;
pub(crate) use of_run::{gate_of_run, known_in};

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::change::{Change, ChangeKind};
use crate::metric::{self, MetricId};

/// Conditions and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Gate {
    /// FAIL if any failed, else INCONCLUSIVE if any could not be decided, else PASS.
    pub verdict: GateVerdict,
    /// The confidence that failing is held to: adjusted for the number of cases.
    pub confidence: f64,
    /// One a condition and subject, in the order of the conditions.
    pub cases: Vec<Case>,
}

/// How a condition, or all of them, came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateVerdict {
    /// The whole interval lies on the side asked for.
    Pass,
    /// The whole interval is past the limit.
    Fail,
    /// Neither can be said.
    Inconclusive,
}

/// A condition held against one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Case {
    /// The condition as it was written.
    pub limit: String,
    /// The subject.
    pub subject: String,
    /// The metric by its full name.
    pub metric: MetricId,
    /// How it came out.
    pub verdict: GateVerdict,
    /// Why it could not be decided.
    pub undecided: Option<Undecided>,
    /// What it was held against, with its interval unadjusted; `None` of what was not measured.
    pub change: Option<Change>,
}

/// Why a condition could not be decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Undecided {
    /// There is no figure, and why.
    NotMeasured {
        /// The failure, where there was one.
        reason: Option<String>,
    },
    /// Too little was measured for an interval.
    NoInterval,
    /// The interval holds the limit.
    LimitInside {
        /// How many times as much evidence would probably resolve it; `None` where the change lies at the limit.
        evidence_factor: Option<f64>,
    },
    /// The interval is past the limit, and at the confidence adjusted for all cases it is not, or there is none.
    NotWhenAdjusted,
}

/// A subject that conditions are about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) name: String,
    /// Metrics that it should have and has not.
    pub(crate) lost: Vec<MetricId>,
    /// Why it has no figures, where it failed.
    pub(crate) failure: Option<String>,
}

/// A figure that conditions are held against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Which of the subjects it is of.
    pub(crate) subject: usize,
    pub(crate) metric: MetricId,
    pub(crate) change: Change,
}

/// A limit to a metric that nothing has, or in terms that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum UnknownMetric {
    #[error("nothing that is compared has the metric {metric} of {limit:?}; there are {known}")]
    NotThere {
        limit: String,
        /// What was asked for.
        metric: MetricId,
        known: String,
    },
    /// It changes in other terms.
    #[error("{limit:?} must be {terms}")]
    OtherTerms { limit: String, terms: &'static str },
}

/// Holds every subject that has the metric, or should have it, against the limits. `rows` gives the changes at a confidence.
///
/// # Errors
/// When a limit is to a metric that no subject has or should have, or in other terms than it changes in.
pub(crate) fn hold(
    limits: &[Limit],
    subjects: &[Held],
    confidence: f64,
    rows: impl Fn(f64) -> Vec<Row>,
) -> Result<Gate, UnknownMetric> {
    let plain = rows(confidence);
    let mut concerned = Vec::new();
    for limit in limits {
        check(limit, plain.iter().map(|row| (&row.metric, row.change.kind)), |id| {
            subjects.iter().any(|subject| subject.lost.contains(id))
        })?;
        for (index, subject) in subjects.iter().enumerate() {
            let row = find(&plain, index, limit);
            if row.is_some() || subject.lost.contains(&limit.metric) {
                concerned.push((limit, index, row.map(|row| row.change)));
            }
        }
    }
    let adjusted = metric::adjusted(confidence, concerned.len());
    let strict = if concerned.len() > 1 { rows(adjusted) } else { plain.clone() };
    let case = |(limit, index, change): (&Limit, usize, Option<Change>)| {
        let sure = find(&strict, index, limit).map(|row| row.change);
        let (verdict, undecided) = judge(limit, change.as_ref(), sure.as_ref(), subjects[index].failure.as_ref());
        Case {
            limit: limit.to_string(),
            subject: subjects[index].name.clone(),
            metric: limit.metric.clone(),
            verdict,
            undecided,
            change,
        }
    };
    let cases: Vec<Case> = concerned.into_iter().map(case).collect();
    let any = |verdict| cases.iter().any(|case| case.verdict == verdict);
    let verdict = [GateVerdict::Fail, GateVerdict::Inconclusive].into_iter().find(|verdict| any(*verdict));
    Ok(Gate { verdict: verdict.unwrap_or(GateVerdict::Pass), confidence: adjusted, cases })
}

fn find<'a>(rows: &'a [Row], subject: usize, limit: &Limit) -> Option<&'a Row> {
    rows.iter().find(|row| row.subject == subject && row.metric == limit.metric)
}

/// Whether the metrics that are there, or are wanted, can be held against a limit.
fn check<'a>(
    limit: &Limit,
    known: impl Iterator<Item = (&'a MetricId, ChangeKind)> + Clone,
    wanted: impl Fn(&MetricId) -> bool,
) -> Result<(), UnknownMetric> {
    match known.clone().find(|(metric, _)| **metric == limit.metric) {
        Some((_, kind)) if kind == limit.kind => Ok(()),
        Some((_, kind)) => {
            let terms = match kind {
                ChangeKind::Ratio => "in per cent, as in tg128<-3%",
                ChangeKind::Difference => "in the metric's own unit, as in kld_mean>0.01",
            };
            Err(UnknownMetric::OtherTerms { limit: limit.to_string(), terms })
        }
        None if wanted(&limit.metric) => Ok(()),
        None => {
            let mut names: Vec<String> = Vec::new();
            for name in known.map(|(metric, _)| metric.to_string()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let known = if names.is_empty() { "none".into() } else { names.join(", ") };
            Err(UnknownMetric::NotThere { limit: limit.to_string(), metric: limit.metric.clone(), known })
        }
    }
}

fn judge(
    limit: &Limit,
    change: Option<&Change>,
    sure: Option<&Change>,
    failure: Option<&String>,
) -> (GateVerdict, Option<Undecided>) {
    let interval = |change: &Change| change.low.zip(change.high);
    let undecided = |why| (GateVerdict::Inconclusive, Some(why));
    let Some(change) = change else { return undecided(Undecided::NotMeasured { reason: failure.cloned() }) };
    let Some(plain) = interval(change) else { return undecided(Undecided::NoInterval) };
    if limit.is_kept_by(plain) {
        (GateVerdict::Pass, None)
    } else if sure.and_then(interval).is_some_and(|sure| limit.is_passed_by(sure)) {
        (GateVerdict::Fail, None)
    } else if limit.is_passed_by(plain) {
        undecided(Undecided::NotWhenAdjusted)
    } else {
        undecided(Undecided::LimitInside { evidence_factor: limit.evidence_wanted(change) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(texts: &[&str]) -> Vec<Limit> {
        texts.iter().map(|text| text.parse().expect("a limit")).collect()
    }

    fn subjects(n: usize) -> Vec<Held> {
        (0..n).map(|i| Held { name: format!("m{i}"), lost: Vec::new(), failure: None }).collect()
    }

    /// Ratios of tg128, one a subject, with an interval whose width grows with the confidence.
    fn rows(ratios: &[f64], half_width: f64) -> impl Fn(f64) -> Vec<Row> {
        move |confidence| {
            let half_width = if confidence > 0.951 { 2.0 * half_width } else { half_width };
            let row = |(subject, &value): (usize, &f64)| Row {
                subject,
                metric: crate::metric::id("tg128"),
                change: Change {
                    kind: ChangeKind::Ratio,
                    value,
                    low: Some(value - half_width),
                    high: Some(value + half_width),
                },
            };
            ratios.iter().enumerate().map(row).collect()
        }
    }

    fn verdicts(ratios: &[f64], half_width: f64, texts: &[&str]) -> Vec<GateVerdict> {
        let gate =
            hold(&limits(texts), &subjects(ratios.len()), 0.95, rows(ratios, half_width)).expect("they are known");
        std::iter::once(gate.verdict).chain(gate.cases.iter().map(|case| case.verdict)).collect()
    }

    #[test]
    fn the_worst_case_is_the_gates_own() {
        use GateVerdict::{Fail, Inconclusive, Pass};
        assert_eq!(verdicts(&[1.0, 1.0], 0.001, &["tg128<-3%"]), [Pass, Pass, Pass]);
        assert_eq!(verdicts(&[1.0, 0.97], 0.001, &["tg128<-3%"]), [Inconclusive, Pass, Inconclusive]);
        assert_eq!(verdicts(&[0.9, 0.97], 0.001, &["tg128<-3%"]), [Fail, Fail, Inconclusive]);
        assert_eq!(verdicts(&[1.0], 0.001, &["tg128<-3%", "tg128>3%"]), [Pass, Pass, Pass]);
    }

    #[test]
    fn failing_is_held_to_the_number_of_cases_and_passing_is_not() {
        // 0.95 ± 0.015 is past 0.97, and ± 0.03 is not.
        assert_eq!(verdicts(&[0.95], 0.015, &["tg128<-3%"])[0], GateVerdict::Fail);
        let gate = hold(&limits(&["tg128<-3%"]), &subjects(2), 0.95, rows(&[0.95, 1.0], 0.015)).expect("known");
        assert!((gate.confidence - 0.975).abs() < 1e-12);
        assert_eq!(gate.cases[0].undecided, Some(Undecided::NotWhenAdjusted));
        assert_eq!(gate.cases[1].verdict, GateVerdict::Pass);
    }

    #[test]
    fn what_was_lost_can_not_pass() {
        let tg = crate::metric::id("tg128");
        let failed = Held { name: "m1".into(), lost: vec![tg], failure: Some("killed".into()) };
        let all = [subjects(1), vec![failed]].concat();
        let gate = hold(&limits(&["tg128<-3%"]), &all, 0.95, rows(&[1.0], 0.001)).expect("known");
        assert_eq!((gate.verdict, gate.cases.len()), (GateVerdict::Inconclusive, 2));
        assert_eq!(gate.cases[1].undecided, Some(Undecided::NotMeasured { reason: Some("killed".into()) }));
        // Nor where nothing else is there.
        let gate = hold(&limits(&["tg128<-3%"]), &all[1..], 0.95, |_| Vec::new()).expect("known");
        assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    }

    #[test]
    fn what_nothing_has_is_an_error() {
        let error = |text: &str| {
            hold(&limits(&[text]), &subjects(1), 0.95, rows(&[1.0], 0.001)).expect_err("it is unknown").to_string()
        };
        assert!(error("tg64<-3%").contains("tg64") && error("tg64<-3%").contains("there are tg128"));
        assert!(error("tg128<-3").contains("in per cent"));
    }
}
