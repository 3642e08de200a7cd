//! Races of scripted settings: who wins, what a tie is, and what became of those that can't be had.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use super::*;
use crate::{
    analysis::{TuneConclusion, tune::Raced},
    cli::judge::Referee,
    engine::{Failure, HowItFails, ModelScript, Noise, Script, ScriptedEngine},
    event::Silent,
    probe::Virtual,
    record::{InnerPolicy, Memory, MemoryReading, MemorySeries, Stage, journal::Entry, read_run},
    run::{self, Bench},
    testing::run::SimulatedLauncher,
};

/// What a subject takes for a token of a prompt and of an answer, in microseconds.
type Speed = (u64, u64);

/// A run of subjects of those speeds that was not begun, and what its workers do.
fn scripted(speeds: &[Speed]) -> (Run, Script) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    let mut run = read_run(&path).expect("the fixture is a record");
    run.rounds.clear();
    (run.quality, run.adaptation, run.plan.quality) = (None, None, None);
    run.purpose = Purpose::Tuning;
    let subject = Subject { outcome: Outcome::Done, ..run.subjects[0].clone() };
    let named = |index: usize| Subject {
        name: format!("-t {}", index + 1),
        role: if index == 0 { Role::Original } else { Role::Candidate },
        settings: Settings { n_threads: u32::try_from(index).unwrap_or(0) + 1, ..subject.settings.clone() },
        ..subject.clone()
    };
    run.subjects = (0..speeds.len()).map(named).collect();
    let work = [WorkloadKind::Pp { n_tokens: 100, n_depth: 0 }, WorkloadKind::Tg { n_tokens: 50, n_depth: 0 }];
    run.plan.workloads = work.into_iter().filter_map(Workload::synthetic).collect();
    let protocol = &mut run.plan.protocol;
    (protocol.min_rounds, protocol.max_rounds) = RACE_ROUNDS;
    (protocol.inner, protocol.inner_samples, protocol.budget_s) = (InnerPolicy::Fixed, 1, None);
    (protocol.equivalence, protocol.confidence) = (0.03, 0.95);
    let script = |&(prefill_us, decode_us): &Speed| ModelScript {
        load_ns: 1000,
        prefill_ns_per_token: prefill_us * 1000,
        decode_ns_per_token: decode_us * 1000,
        answer: String::new(),
        logit_noise: 0.0,
        fail: None,
    };
    let models = speeds.iter().enumerate().map(|(index, speed)| (file(index), script(speed))).collect();
    (run, Script { models, noise: Some(Noise { seed: 5, sample: 0.004, process: 0.004, ..Noise::default() }) })
}

fn file(index: usize) -> String {
    format!("{index}.gguf")
}

fn race(goals: &[Goal]) -> Race {
    Race { goals: goals.to_vec(), max_memory_bytes: None }
}

/// Races them by this program's own judge.
fn raced(run: &mut Run, script: Script, race: &Race) -> Raced {
    run.plan.race = Some(race.clone());
    measure(run, script);
    races::raced(run, race)
}

fn measure(run: &mut Run, script: Script) {
    let clock = Virtual::default();
    let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script, clock.clone()));
    let files: Vec<PathBuf> = (0..run.subjects.len()).map(|index| file(index).into()).collect();
    let plan = run.plan.clone();
    let bench = Bench {
        plan: &plan,
        files: &files,
        launcher: &launcher,
        clock: Arc::new(clock),
        devices: &[],
        interrupt: &AtomicBool::new(false),
        judge: &Referee::new(true),
        without_original: WithoutOriginal::GoesOn,
    };
    let mut nothing = |_: &Run, _: &Entry| Ok::<(), Infallible>(());
    let Ok(()) = run::execute(&bench, run, &mut Silent, &mut nothing);
}

/// A memory reading of a subject, as if its first round had read it.
fn reads_peak(run: &mut Run, subject: usize, bytes: u64) {
    let memory = Memory {
        initial: MemoryReading::default(),
        after_load: MemoryReading::default(),
        peak_rss_bytes: Some(bytes),
        peak_before_prompts_bytes: None,
        sampling_cost_ns: None,
        series: MemorySeries::default(),
        devices: Vec::new(),
    };
    for visit in run.rounds.iter_mut().flat_map(|round| &mut round.visits).filter(|visit| visit.model == subject) {
        visit.memory = Some(memory.clone());
    }
}

#[test]
fn the_fastest_is_left_and_the_others_are_dropped_when_two_rounds_have_shown_it() {
    let (mut run, script) = scripted(&[(1000, 2000), (800, 1600), (1500, 3000)]);
    let found = raced(&mut run, script, &race(&[Goal::Request]));
    assert_eq!((run.ended, run.rounds.len()), (Ended::OneLeft, 2));
    assert_eq!(found.chosen, [(Goal::Request, Some(1))]);
    assert_eq!(found.tried[1].fate, Fate::Taken(vec![Goal::Request]));
    let Fate::Dropped { from_round: 2, because: DropReason::Slower { by, ratio, low, high } } = &found.tried[0].fate
    else {
        panic!("{:?}", found.tried[0].fate)
    };
    assert!(by == "-t 2" && (ratio - 0.8).abs() < 0.02 && low < ratio && *high < 1.0, "{ratio} {low} {high}");
    let speed = &found.tried[1].speeds[0];
    assert!((speed.ratio - 1.25).abs() < 0.03 && speed.n == 2, "{speed:?}");
    assert_eq!(found.next_best, Some(0), "the base came closest");
}

#[test]
fn what_can_not_be_told_apart_stays_as_it_was_given() {
    let (mut run, script) = scripted(&[(1000, 2000), (1000, 2000), (995, 1990)]);
    let found = raced(&mut run, script, &race(&[Goal::Request]));
    assert_eq!(run.rounds.len(), RACE_ROUNDS.1 as usize, "nobody is shown to be slower");
    assert_eq!(found.chosen, [(Goal::Request, Some(0))], "half a per cent is a tie, whether it shows or not");
    assert!(found.tried[1..].iter().all(|tried| !matches!(tried.fate, Fate::Taken(_))), "{:?}", found.tried);
}

#[test]
fn what_fails_is_a_row_and_the_race_goes_on() {
    for failing in [0, 1] {
        let (mut run, mut script) = scripted(&[(1000, 2000), (1000, 2000), (900, 1800)]);
        let fails = Failure { at: Stage::Context, how: HowItFails::Error, after: 0 };
        script.models.get_mut(&file(failing)).expect("it is in the script").fail = Some(fails);
        let found = raced(&mut run, script, &race(&[Goal::Request]));
        assert!(matches!(&found.tried[failing].fate, Fate::Failed(Outcome::Failed { .. })), "{:?}", found.tried);
        assert_eq!(found.chosen, [(Goal::Request, Some(2))], "{failing} failed");
        assert_eq!(run.probes.len(), 3);
    }
}

#[test]
fn what_is_hopeless_needs_one_pair_of_rounds() {
    let (mut run, script) = scripted(&[(1000, 4000), (4000, 16_000)]);
    let found = raced(&mut run, script, &race(&[Goal::Tg]));
    assert_eq!((run.ended, run.rounds.len()), (Ended::OneLeft, 2));
    assert!(matches!(&found.tried[1].fate, Fate::Dropped { from_round: 2, because: DropReason::Slower { .. } }));
    assert_eq!(found.chosen, [(Goal::Tg, Some(0))]);
}

#[test]
fn threads_for_prompts_and_for_generation_are_chosen_apart() {
    let (mut run, script) = scripted(&[(1000, 2000), (700, 3000), (1500, 1500), (1600, 3200)]);
    let found = raced(&mut run, script, &race(&[Goal::Tg, Goal::Pp]));
    assert_eq!(found.chosen, [(Goal::Tg, Some(2)), (Goal::Pp, Some(1))]);
    assert!(matches!(found.tried[3].fate, Fate::Dropped { .. }), "it is behind in both: {:?}", found.tried[3].fate);
    assert!(matches!(found.tried[1].fate, Fate::Taken(ref goals) if *goals == [Goal::Pp]));
}

#[test]
fn what_takes_more_memory_than_is_allowed_is_out_however_fast() {
    let (mut run, script) = scripted(&[(1000, 2000), (500, 1000), (990, 1990)]);
    let limited = Race { max_memory_bytes: Some(1e9), ..race(&[Goal::Request]) };
    run.plan.protocol.max_rounds = 2;
    run.plan.protocol.min_rounds = 2;
    measure(&mut run, script);
    run.plan.race = Some(limited.clone());
    reads_peak(&mut run, 1, 2_000_000_000);
    let outside = DropReason::OutsideLimit { limit: "--max-memory".into() };
    assert!(crate::analysis::out_of_the_race(&run).contains(&(1, outside)));
    let found = races::raced(&run, &limited);
    assert_eq!(found.chosen, [(Goal::Request, Some(0))]);
    assert_ne!(found.next_best, Some(1), "it is no alternative either");
    // The given settings may be what does not fit.
    reads_peak(&mut run, 1, 1000);
    reads_peak(&mut run, 0, 2_000_000_000);
    let found = races::raced(&run, &limited);
    assert_eq!(found.chosen, [(Goal::Request, Some(1))]);
    assert!(matches!(found.tried[0].fate, Fate::Dropped { because: DropReason::OutsideLimit { .. }, .. }));
}

/// A confirmation of subjects with these speeds, by a tuning that found `best`.
fn concluded(speeds: &[Speed], best: usize, runner_up: Option<usize>, given_fails: bool) -> (Analysis, TuneConclusion) {
    let (mut run, script) = scripted(speeds);
    let protocol = &mut run.plan.protocol;
    (protocol.min_rounds, protocol.max_rounds, protocol.precision) = (6, 6, 0.0);
    let fate = if given_fails {
        Fate::Failed(Outcome::Failed { stage: Stage::Load, reason: "out of memory".into() })
    } else {
        Fate::NotFaster
    };
    let given = crate::record::Tried { name: "-t 1".into(), speeds: Vec::new(), kld: None, fate };
    run.tuning = Some(Tuning {
        goal: Goal::Request,
        max_memory_bytes: None,
        max_kld_nats: 0.05,
        stages: vec![TuningStage { flags: "-t".into(), record: "race-1-t.json".into(), rounds: 2, tried: vec![given] }],
        not_tried: vec![NotTried { flags: "-ngl".into(), because: "no device".into() }],
        best,
        runner_up,
    });
    measure(&mut run, script);
    let analysis = analyse(&run);
    let found = analysis.tuning.clone().expect("it confirms a tuning");
    (analysis, found)
}

#[test]
fn what_was_found_is_taken_only_where_rounds_of_their_own_show_it() {
    let (analysis, found) = concluded(&[(1000, 2000), (800, 1600), (850, 1700)], 1, Some(2), false);
    assert_eq!((found.take, found.is_given, found.runner_up), (1, false, Some(2)));
    let over = found.over_given.expect("both were measured");
    assert!((over.ratio - 1.25).abs() < 0.02 && over.low.is_some_and(|low| low > 1.2) && over.n == 6, "{over:?}");
    let next = found.over_runner_up.expect("both were measured");
    assert!((next.ratio - 1.0625).abs() < 0.02, "{next:?}");
    let text = report::tune(&analysis, Some("/models/x y.gguf"));
    assert!(text.contains("\nBest for a request: -t 2, 1.2"), "{text}");
    for words in [
        "Next best: -t 3",
        "llama-server -m '/models/x y.gguf' -t 2 -tb",
        "llama-bench -m '/models/x y.gguf' -p 100 -n",
        "-ngl: not tried: no device",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_tie_keeps_the_settings_given() {
    let (analysis, found) = concluded(&[(1000, 2000), (998, 1996)], 1, Some(0), false);
    assert_eq!((found.take, found.is_given), (0, true));
    assert!(found.not_shown.is_some() && found.over_given.is_none());
    let text = report::tune(&analysis, None);
    assert!(
        text.contains("\nKeep the settings as given: for a request, -t 2 is not shown to be faster (1.0"),
        "{text}"
    );
}

#[test]
fn settings_given_that_can_not_be_had_are_not_kept() {
    let (_, found) = concluded(&[(1000, 2000), (1010, 2020)], 1, None, true);
    assert_eq!((found.take, found.is_given), (1, false));
}

#[test]
fn a_cache_type_is_taken_only_where_enough_of_its_outputs_were_compared_and_are_near() {
    let kld = |high| Some(TriedKld { nats: 0.01, low: Some(0.005), high });
    let own = |windows, kld| Divergence { ended: Ended::RoundsDone, failed: None, windows, kld };
    assert_eq!(own(16, kld(Some(0.02))).outside(0.05, 2), None);
    let far = own(16, kld(Some(0.2))).outside(0.05, 2);
    assert!(matches!(far, Some(Fate::Dropped { from_round: 2, because: DropReason::OutsideLimit { .. } })), "{far:?}");
    // Where the time ended it, nobody knows that it is far.
    for (few, known) in [(0, None), (7, kld(Some(0.02)))] {
        let Some(Fate::NotCompared { because }) = own(few, known).outside(0.05, 2) else { panic!("{few} windows") };
        assert!(because.contains(&format!("{few} of 8 documents")), "{because}");
    }
    let failed = Divergence { failed: Some("out of memory".into()), ..own(0, None) };
    assert_eq!(failed.outside(0.05, 2), Some(Fate::NotCompared { because: "out of memory".into() }));
}

#[test]
fn a_race_has_its_least_rounds_where_the_time_reaches_them() {
    assert_eq!(at_least(10, 6, 100), 10, "its share is enough");
    assert_eq!(at_least(10, 30, 40), 30, "the least of use");
    assert_eq!(at_least(10, 30, 20), 10, "which would leave too little to confirm");
}

#[test]
fn a_tuning_is_gone_on_with_until_its_confirmation_has_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = Asked {
        goal: Goal::Request,
        order: vec![Tuned::Threads],
        typed: Typed { base: Settings::defaults(4), all: vec![Settings::defaults(4)] },
        max_memory_bytes: None,
        max_kld_nats: 0.05,
        equivalence: 0.03,
        budget_s: Some(60),
        min_ctx: None,
        work: Vec::new(),
        threads: crate::record::ThreadsReason::Asked,
        execution: ExecutionArgs { dry_run: false, seed: 1, timeout: None, force: false, script: None },
    };
    let (mut confirmation, _) = scripted(&[(1000, 2000)]);
    confirmation.rounds.clear();
    let kept = Kept {
        asked,
        model: "/m.gguf".into(),
        name: "m".into(),
        command: vec!["gguf-bench".into()],
        started_utc: "2026-11-26T10:00:00Z".into(),
        races: vec!["race-1-t.json".into()],
        results: ResultArgs::default(),
    };
    assert!(Kept::read(folder.path()).expect("nothing is wrong").is_none());
    kept.write(folder.path()).expect("it is written");
    let read = || Kept::read(folder.path()).expect("it is readable");
    assert_eq!(read().map(|kept| kept.races), Some(vec!["race-1-t.json".to_owned()]));
    assert!(Kept::refuse_to_replace(folder.path()).is_err_and(|error| error.to_string().contains("gguf-bench resume")));
    for (began, goes_on) in [("2026-11-26T09:59:00Z", true), ("2026-11-26T10:02:00Z", false)] {
        confirmation.started_utc = began.into();
        let begun = crate::record::journal::Begun { run: confirmation.clone(), inputs: serde_json::Value::Null };
        let mut journal =
            crate::record::journal::JournalFile::create(&folder.path().join("run.jsonl")).expect("its own");
        journal.begin(begun).expect("it is written");
        assert_eq!(read().is_some(), goes_on, "{began}");
    }
    Kept::remove(folder.path());
    assert!(Kept::refuse_to_replace(folder.path()).is_ok());
}

#[test]
fn the_help_is_what_a_person_needs() {
    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(flatten)]
        tune: TuneArgs,
    }
    let help =
        <Typed as clap::CommandFactory>::command().name("gguf-bench tune").term_width(100).render_help().to_string();
    // llama.cpp's options are every command's.
    let own = help.split("llama.cpp (lists").next().unwrap_or_default();
    insta::assert_snapshot!(own);
}

#[test]
fn lists_are_the_values_to_race_and_others_are_refused() {
    let settings =
        |n_threads, n_ubatch| Settings { n_threads, n_threads_batch: n_threads, n_ubatch, ..Settings::defaults(4) };
    let typed = Typed { base: settings(4, 512), all: vec![settings(4, 512), settings(2, 512), settings(8, 512)] };
    let values: Vec<u32> = typed.values(Tuned::Threads, &settings(4, 128)).iter().map(|s| s.n_threads).collect();
    assert_eq!(values, [2, 8]);
    assert!(typed.values(Tuned::PhysicalBatch, &settings(4, 128)).is_empty());
}
