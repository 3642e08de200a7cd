//! Ballots are repeatable and blind; votes are counted, or refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn run() -> Run {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    crate::record::read_run(&path).unwrap()
}

/// A record with so many prompts, each answered by an original and a candidate, the last of them alike.
fn asked(n: usize) -> Run {
    let mut run = run();
    let prompt = run.plan.workloads.iter().find(|w| matches!(w.kind, WorkloadKind::Prompt(_))).unwrap().clone();
    run.plan.workloads = vec![prompt; n];
    run.subjects.truncate(2);
    run.rounds.truncate(1);
    let visits = &mut run.rounds[0].visits;
    visits.retain(|v| v.model < 2);
    for visit in visits {
        let answer = visit.generations[0].clone();
        let of = |workload: usize| {
            let whose = if workload + 1 == n { 0 } else { visit.model };
            Generation { workload, text: format!("{workload} by {whose}"), ..answer.clone() }
        };
        visit.generations = (0..n).map(of).collect();
    }
    run
}

fn cast(run: &Run, better: impl Fn(usize) -> Preferred) -> Cast {
    let Ballot { id, questions, .. } = ballot(run).unwrap();
    let vote = |(i, q): (usize, &Question)| Vote { workload: q.workload, candidate: q.candidate, better: better(i) };
    Cast { format: FORMAT, ballot: id, votes: questions.iter().enumerate().map(vote).collect() }
}

#[test]
fn order_and_sides_are_random_and_repeatable() {
    let run = asked(40);
    let Ballot { id, questions, same } = ballot(&run).unwrap();
    assert_eq!(ballot(&run).unwrap().questions, questions);
    assert_eq!((questions.len(), same.as_slice()), (39, &[(39, 1)][..]));
    assert!(questions.windows(2).any(|pair| pair[0].workload > pair[1].workload), "shuffled");
    let left = questions.iter().filter(|q| q.original == Side::Left).count();
    assert!((10..30).contains(&left), "{left} of 39 on the left");
    let mut other = run.clone();
    other.plan.seed += 1;
    let others = ballot(&other).unwrap();
    assert!(others.questions != questions && others.id != id);
    let mut reworded = run.clone();
    reworded.rounds[0].visits[0].generations[0].text.push('.');
    assert_ne!(ballot(&reworded).unwrap().id, id);
    // What a report is drawn by does not make it another record.
    let wished = Run { constraints: Some(crate::record::Constraints::default()), ..run };
    assert_eq!(ballot(&wished).unwrap().id, id);
}

#[test]
fn votes_are_counted_and_held_against_chance() {
    let run = asked(13);
    let count = |better: &dyn Fn(usize) -> Preferred| count(&run, &cast(&run, better)).unwrap().remove(0);
    let clear = count(&|i| if i < 1 { Preferred::Candidate } else { Preferred::Original });
    assert_eq!((clear.original_preferred, clear.candidate_preferred, clear.same), (11, 1, 1));
    assert!((clear.p_value.unwrap() - 2.0 * 13.0 / 4096.0).abs() < 1e-12);
    assert_eq!(clear.verdict, Preference::Original);
    assert!(clear.low.unwrap() < 1.0 / 12.0 && clear.high.unwrap() > 1.0 / 12.0);
    let open = count(&|i| {
        if i < 4 {
            Preferred::Neither
        } else if i < 9 {
            Preferred::Candidate
        } else {
            Preferred::Original
        }
    });
    assert_eq!((open.neither, open.candidate_preferred, open.verdict), (4, 5, Preference::NotResolved));
    let none = count(&|_| Preferred::Neither);
    assert_eq!((none.candidate_share, none.p_value, none.verdict), (None, None, Preference::NotResolved));
}

#[test]
fn what_was_not_judged_is_said() {
    let run = asked(13);
    let mut some = cast(&run, |_| Preferred::Candidate);
    some.votes.truncate(5);
    let row = count(&run, &some).unwrap().remove(0);
    assert_eq!((row.candidate_preferred, row.not_judged, row.same), (5, 7, 1));
}

#[test]
fn votes_of_something_else_are_refused() {
    let run = asked(4);
    let good = cast(&run, |_| Preferred::Neither);
    let other = Cast { ballot: "\u{1b}[31mabc".into(), ..good.clone() };
    let error = count(&run, &other).unwrap_err();
    assert!(matches!(&error, VotesError::OtherRecord { theirs, .. } if theirs == "31abc"), "{error}");
    assert_eq!(count(&run, &Cast { format: 2, ..good.clone() }), Err(VotesError::Format { found: 2 }));
    let mut twice = good.clone();
    twice.votes.push(twice.votes[0]);
    assert!(matches!(count(&run, &twice), Err(VotesError::NotAsked { number: 4, .. })));
    let same = Vote { workload: 3, candidate: 1, better: Preferred::Original };
    let unasked = Cast { votes: vec![same], ..good };
    assert!(matches!(count(&run, &unasked), Err(VotesError::NotAsked { number: 1, .. })));
    let silent = Run { rounds: Vec::new(), ..run };
    assert_eq!(count(&silent, &unasked), Err(VotesError::NothingToJudge));
}
