//! A plan of time in words: what will be done in which time, what is given up for want of it, and what more would give.

use crate::{
    record::{
        Budget, GivenUp, Protocol, TimePlan,
        time_plan::{about, in_words},
    },
    text::counted,
};

/// Lines for a person.
pub(super) fn plan_words(protocol: &Protocol, plan: &TimePlan) -> Vec<String> {
    let mut lines = vec![whole(protocol, plan), parts(plan)];
    let needs = |given_up: &GivenUp| budget(given_up.needs_ns());
    let without_intervals = plan.given_up.iter().find(|given_up| matches!(given_up, GivenUp::Intervals { .. }));
    if let Some(given_up) = without_intervals {
        lines.push(format!("{given_up}, and no recommendation: those take {}", needs(given_up)));
    } else if let Some(first) = plan.given_up.first() {
        let left: Vec<String> = plan.given_up.iter().map(ToString::to_string).collect();
        lines.push(format!("For want of time {}; everything would take {}", left.join(", "), needs(first)));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// How long it will be, beside what was asked.
fn whole(protocol: &Protocol, plan: &TimePlan) -> String {
    let total_ns = plan.planned.total_ns();
    let whole = about(total_ns);
    let begins = {
        let (first, rest) = whole.split_at(1);
        format!("{}{rest}", first.to_uppercase())
    };
    match (protocol.budget_s.map(|seconds| seconds.saturating_mul(NS)), protocol.budget) {
        _ if protocol.quick => format!("A quick look: {whole}, without intervals or a recommendation"),
        (None, _) => begins,
        (Some(asked_ns), Budget::Limit) if total_ns > asked_ns => format!(
            "One look at everything would take {whole}: it ends after {}, with what there is by then (--budget)",
            in_words(asked_ns)
        ),
        (Some(asked_ns), Budget::Limit) => format!("{begins} of the {} allowed (--budget)", in_words(asked_ns)),
        (Some(asked_ns), Budget::Aim) if total_ns > asked_ns => {
            format!("{begins}: the least that gives intervals, although {} are aimed at", in_words(asked_ns))
        }
        (Some(asked_ns), Budget::Aim) => {
            format!("{begins}, and up to {} until ratios are precise", in_words(asked_ns))
        }
    }
}

/// What it is spent on.
fn parts(plan: &TimePlan) -> String {
    let models = plan.costs.iter().filter(|cost| cost.round_ns > 0).count();
    let mut parts = Vec::new();
    if plan.rounds > 0 {
        let (rounds, models) = (counted(plan.rounds, "round"), counted(models, "model"));
        parts.push(format!("{rounds} of {models} {}", in_words(plan.planned.rounds_ns)));
    }
    if plan.prompts {
        parts.push(format!("prompts {}", in_words(plan.planned.prompts_ns)));
    }
    match plan.windows {
        _ if plan.planned.outputs_ns == 0 => {}
        Some(windows) => {
            let windows = counted(windows, "window");
            parts.push(format!("outputs on {windows} of text {}", in_words(plan.planned.outputs_ns)));
        }
        None => parts.push(format!("outputs at most {}", in_words(plan.planned.outputs_ns))),
    }
    if plan.planned.tasks_ns > 0 {
        parts.push(format!("tasks {}", in_words(plan.planned.tasks_ns)));
    }
    parts.join(", ")
}

/// Nanoseconds in a second.
const NS: u64 = 1_000_000_000;

/// A time, and the option that gives it, rounded up.
fn budget(needs_ns: u64) -> String {
    let seconds = needs_ns.div_ceil(NS);
    let option = if seconds <= 120 {
        format!("{}s", seconds.next_multiple_of(10))
    } else {
        format!("{}m", seconds.div_ceil(60))
    };
    format!("{} (--budget {option})", in_words(needs_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SubjectCost, TimeParts};

    fn plan(given_up: Vec<GivenUp>) -> TimePlan {
        let cost = SubjectCost { round_ns: NS, samples_ns: vec![NS], window_ns: NS, tasks_ns: 5 * NS };
        TimePlan {
            costs: vec![cost.clone(), cost],
            rounds: 6,
            samples: Vec::new(),
            one_block: false,
            prompts: false,
            windows: Some(8),
            positions: None,
            planned: TimeParts {
                probe_ns: 2 * NS,
                rounds_ns: 24 * NS,
                prompts_ns: 0,
                outputs_ns: 16 * NS,
                tasks_ns: 10 * NS,
            },
            given_up,
            intervals_ns: 42 * NS,
        }
    }

    fn protocol(budget_s: Option<u64>, budget: Budget) -> Protocol {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
        let run = crate::record::read_run(&path).expect("the fixture is a record");
        Protocol { budget_s, budget, quick: false, ..run.plan.protocol }
    }

    #[test]
    fn a_plan_says_its_minutes_and_what_more_time_would_give() {
        let lines = plan_words(&protocol(Some(300), Budget::Aim), &plan(Vec::new()));
        assert_eq!(
            lines,
            [
                "About 52 s, and up to 5 min until ratios are precise",
                "6 rounds of 2 models 24 s, outputs on 8 windows of text 16 s, tasks 10 s"
            ]
        );
        let limit = protocol(Some(60), Budget::Limit);
        let fewer = vec![GivenUp::Prompts { needs_ns: 150 * NS }, GivenUp::Windows { windows: 8, needs_ns: 90 * NS }];
        let lines = plan_words(&limit, &plan(fewer));
        assert_eq!(lines[0], "About 52 s of the 60 s allowed (--budget)");
        assert_eq!(
            lines[2],
            "For want of time prompts are not asked, outputs are compared on 8 windows of text; everything would take \
             2 min 30 s (--budget 3m)"
        );
        let short = vec![GivenUp::Prompts { needs_ns: 150 * NS }, GivenUp::Intervals { rounds: 2, needs_ns: 42 * NS }];
        let lines = plan_words(&protocol(Some(20), Budget::Limit), &plan(short));
        assert!(lines[0].ends_with("it ends after 20 s, with what there is by then (--budget)"), "{lines:?}");
        assert_eq!(
            lines[2],
            "2 rounds: a quick look, without intervals, and no recommendation: those take 42 s (--budget 50s)"
        );
        assert!(
            plan_words(&protocol(Some(30), Budget::Aim), &plan(Vec::new()))[0].contains("although 30 s are aimed at")
        );
    }
}
