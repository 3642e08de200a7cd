//! Sections that a report has only where more was measured or said: memory bandwidth, a depth of context, votes.

use super::{fixture::run, page::check};
use crate::{
    analysis::{
        analyse,
        votes::{self, Cast, Preferred, Vote},
    },
    record::{MemoryBandwidth, Run, Workload, WorkloadKind},
    report::{Format, Options, RunReport, render},
};

fn rendered(format: Format, run: &Run, votes: Option<&Cast>) -> String {
    let mut analysis = analyse(run);
    analysis.votes = votes.map(|cast| votes::count(run, cast).expect("they are of this record"));
    render(format, &RunReport::new(run, &analysis), &Options::default()).expect("it renders")
}

#[test]
fn generation_is_held_against_the_memory_where_that_was_measured() {
    let mut run = run();
    assert!(!rendered(Format::Html, &run, None).contains("chart-bandwidth"));
    run.machine.memory_bandwidth = Some(MemoryBandwidth {
        bytes_per_s: 5e9,
        n_threads: 2,
        buffer_bytes: 1 << 27,
        cache_bytes: Some(32 << 20),
        passes: 4,
    });
    let page = rendered(Format::Html, &run, None);
    check(&page);
    assert!(page.contains("<figure id=\"chart-bandwidth\">") && page.contains("id=\"bandwidth-table\""));
    assert!(
        page.replace("&#x2f;", "/")
            .contains("the memory gave 4.66 GiB/s: 2 threads read 128 MiB (last-level cache 32.0 MiB), the best of ")
    );
}

#[test]
fn work_at_a_depth_has_a_section_and_leaves_the_summary_alone() {
    let mut run = run();
    // Down to what stands beside the summary, and to the warnings, which name the workload with the greatest drift.
    let beside = "\n\nTokens a second at depths of context";
    let findings = |run: &Run| {
        let text = rendered(Format::Text, run, None);
        text.split("\n\n! ").next().and_then(|text| text.split(beside).next()).map(str::to_owned)
    };
    let plain = findings(&run);
    // The same samples once more, as if taken at a depth.
    let n = run.plan.workloads.len();
    let deep: Vec<(usize, Workload)> = run
        .plan
        .workloads
        .iter()
        .enumerate()
        .filter_map(|(i, w)| {
            let kind = match w.kind {
                WorkloadKind::Pp { n_tokens, .. } => WorkloadKind::Pp { n_tokens, n_depth: 1024 },
                WorkloadKind::Tg { n_tokens, .. } => WorkloadKind::Tg { n_tokens, n_depth: 1024 },
                _ => return None,
            };
            Some((i, Workload::synthetic(kind)?))
        })
        .collect();
    for visit in run.rounds.iter_mut().flat_map(|r| &mut r.visits) {
        for (to, (from, _)) in deep.iter().enumerate() {
            let own: Vec<_> = visit.samples.iter().filter(|s| s.workload == *from).cloned().collect();
            visit.samples.extend(own.into_iter().map(|s| crate::record::Sample { workload: n + to, ..s }));
        }
    }
    run.plan.workloads.extend(deep.into_iter().map(|(_, w)| w));
    let page = rendered(Format::Html, &run, None);
    check(&page);
    assert!(page.contains("<figure id=\"chart-depth\">") && page.contains("id=\"depth-table\""));
    assert_eq!(findings(&run), plain);
    for format in [Format::Text, Format::Md] {
        let text = rendered(format, &run, None);
        assert!(text.contains("Tokens a second at depths of context") && text.contains("1024"), "{text}");
    }
    let analysis = analyse(&run);
    let original = &analysis.models[0].retained;
    assert!(!original.is_empty() && original.iter().all(|r| (r.share - 1.0).abs() < 1e-12));
}

#[test]
fn votes_are_a_section_and_sentences() {
    let run = run();
    let ballot = votes::ballot(&run).expect("there are answers");
    let vote = |q: &votes::Question| Vote { workload: q.workload, candidate: q.candidate, better: Preferred::Neither };
    let cast = Cast { format: 1, ballot: ballot.id, votes: ballot.questions.iter().map(vote).collect() };
    let page = rendered(Format::Html, &run, Some(&cast));
    check(&page);
    assert!(page.contains("id=\"votes-table\"") && page.contains("id=\"ballot\""));
    assert!(rendered(Format::Md, &run, Some(&cast)).contains("Judged blind, no answer of"));
    assert!(!rendered(Format::Md, &run, None).contains("Judged blind"));
}
