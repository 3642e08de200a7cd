//! What the plan leaves to the first rounds: samples a round is worth, and whether workers are kept.

use super::{
    bench::Bench,
    memory_budget::{self, MemoryBudget},
    schedule::{PromptSchedule, prompts_in},
    stopping,
    workload::synthetic,
};
use crate::{
    record::{
        Adaptation, Arrangement, Decision, InnerPolicy, Outcome, Phase, PromptsCut, Run, Sample, SamplesChoice, Visit,
        Workers, WorkloadKind,
        round_value::{sample_rates, visits},
    },
    stats::{self, Components},
    units::whole_ns,
};

/// Rounds of the pilot: two mirrored pairs. A variance between rounds needs more than one pair, and every further pair would be measured
/// with a number of samples that is not yet the best one.
const PILOT_ROUNDS: u32 = 4;
/// Never more samples of a workload in a round: the variance within a round is then a 32nd of that of a sample, and more of them narrow
/// no interval whose rounds differ by as much.
const MOST_SAMPLES: f64 = 32.0;
/// Nor more than fill this time: the two sides of a ratio are to see the same machine, which is another one some seconds later.
const LONGEST_NS: f64 = 3e9;
/// Forwards and backwards, once each.
const FEWEST_BALANCED: u32 = 2;
/// When time is short: the mirrored round holds the other direction.
const FEWEST_SAMPLES: u32 = 1;

/// How rounds are run from here on.
pub(super) struct Adapted {
    pub(super) arrangement: Arrangement,
    pub(super) resident: bool,
    pub(super) expected_rounds: u32,
    /// How long prompts are asked.
    pub(super) prompts: PromptSchedule,
    fixed: u32,
    chosen: Vec<SamplesChoice>,
    pilot: Pilot,
}

/// Whether the first rounds have told what they were to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pilot {
    UnderWay,
    Over,
}

impl Adapted {
    /// Before the first round. What is decided is noted in the run.
    pub(super) fn at_start(bench: &Bench<'_>, run: &mut Run) -> Self {
        let protocol = &bench.plan.protocol;
        let mut adaptation = Adaptation {
            arrangement: protocol.arrangement,
            resident_from_round: None,
            samples_per_round: Vec::new(),
            decisions: Vec::new(),
        };
        let room = Room::of(bench, run);
        if adaptation.arrangement == Arrangement::Alternating && !room.is_enough() {
            adaptation.arrangement = Arrangement::Sequential;
            let Room { needed_bytes, available_bytes } = room;
            adaptation.decisions.push(Decision::OneAfterTheOther { needed_bytes, available_bytes });
        }
        let resident = protocol.workers == Workers::Resident;
        if resident {
            adaptation.resident_from_round = Some(0);
            adaptation.decisions.push(Decision::WorkersKeptAsAsked);
        }
        let arrangement = adaptation.arrangement;
        run.adaptation = Some(adaptation);
        Self {
            arrangement,
            resident,
            expected_rounds: protocol.min_rounds,
            prompts: PromptSchedule::Full,
            fixed: protocol.inner_samples,
            chosen: Vec::new(),
            pilot: Pilot::UnderWay,
        }
    }

    /// Samples of a workload in a round.
    pub(super) fn samples_per_round(&self, workload: usize) -> u32 {
        self.chosen.iter().find(|choice| choice.workload == workload).map_or(self.fixed, |choice| choice.samples)
    }

    /// After `done` rounds, the last of a mirrored pair: decides what the pilot was to decide, once it is over.
    pub(super) fn learn(&mut self, bench: &Bench<'_>, run: &mut Run, done: u32) {
        let protocol = &bench.plan.protocol;
        // The last pair has nothing after it to decide for.
        let last = PILOT_ROUNDS.min(protocol.max_rounds.saturating_sub(2));
        if self.pilot == Pilot::Over || done > last {
            return;
        }
        let time = Time::of(bench, run, done).filter(|_| protocol.inner == InnerPolicy::Pilot);
        // Before its last round it is over when its own samples are already more than fit the time.
        let is_short = |time: &Time| time.left_ns < time.needed_ns(PromptSchedule::Full, time.samples_ns);
        if done < last && !time.as_ref().is_some_and(is_short) {
            return;
        }
        self.pilot = Pilot::Over;
        let mut fewer = None;
        if protocol.inner == InnerPolicy::Pilot {
            self.chosen = synthetic(bench.plan).filter_map(|work| choose(bench, run, work.workload)).collect();
            fewer = time.and_then(|time| self.afford(run, &time, done));
        }
        let load_ns = median(newest(run).filter_map(|v| v.load.as_ref().map(|l| l.model_ns + l.context_ns)));
        let work_ns: f64 = synthetic(bench.plan)
            .map(|work| sample_ns(run, work.workload) * f64::from(self.samples_per_round(work.workload)))
            .sum();
        let room = Room::of(bench, run);
        let Some(adaptation) = &mut run.adaptation else { return };
        adaptation.samples_per_round.clone_from(&self.chosen);
        adaptation.decisions.extend(fewer);
        if protocol.workers == Workers::Auto && load_ns > work_ns && work_ns > 0.0 {
            let (load_ns, samples_ns) = (whole_ns(load_ns), whole_ns(work_ns));
            if room.is_enough() {
                self.resident = true;
                adaptation.resident_from_round = Some(done);
                adaptation.decisions.push(Decision::WorkersKept { from_round: done, load_ns, samples_ns });
            } else {
                let Room { needed_bytes, available_bytes } = room;
                let kept_not = Decision::WorkersNotKept { load_ns, samples_ns, needed_bytes, available_bytes };
                adaptation.decisions.push(kept_not);
            }
        }
    }
}

impl Adapted {
    /// Takes fewer samples, and asks prompts no longer than an interval needs, where the least rounds would otherwise not fit the
    /// time. Says so.
    fn afford(&mut self, run: &Run, time: &Time, done: u32) -> Option<Decision> {
        let models = run.subjects.iter().filter(|m| m.outcome == Outcome::Done).count() as f64;
        let best_ns: f64 = self.chosen.iter().map(|c| models * f64::from(c.samples) * c.sample_ns as f64).sum();
        if time.rounds_left == 0 || time.needed_ns(PromptSchedule::Full, best_ns) <= time.left_ns {
            return None;
        }
        // With one sample of each workload, which is as few as there are.
        let least_ns: f64 = self.chosen.iter().map(|c| models * c.sample_ns as f64).sum();
        let fits = |prompts| time.needed_ns(prompts, least_ns) <= time.left_ns;
        let saves =
            time.needed_ns(PromptSchedule::LongestCategoryOnce, 0.0) < time.needed_ns(PromptSchedule::Minimal, 0.0);
        self.prompts = if saves && !fits(PromptSchedule::Minimal) {
            PromptSchedule::LongestCategoryOnce
        } else {
            PromptSchedule::Minimal
        };
        let spare_ns = time.left_ns - time.needed_ns(self.prompts, 0.0);
        let affordable = spare_ns / f64::from(time.rounds_left) / best_ns.max(1.0);
        if affordable < 1.0 {
            for choice in &mut self.chosen {
                choice.samples = even_below(f64::from(choice.samples) * affordable).max(FEWEST_SAMPLES);
            }
        }
        let prompts = match self.prompts {
            _ if time.planned_ns <= 0.0 => None,
            PromptSchedule::LongestCategoryOnce => Some(PromptsCut::LongestInTwoRounds),
            PromptSchedule::Full | PromptSchedule::Minimal => Some(PromptsCut::UntilInterval),
        };
        Some(Decision::FewerSamples {
            from_round: done,
            samples: self.chosen.iter().map(|c| c.samples).collect(),
            prompts,
            needed_ns: whole_ns(time.needed_ns(PromptSchedule::Full, best_ns)),
            left_ns: whole_ns(time.left_ns),
        })
    }
}

/// The most useful number of samples of a workload, from the rounds so far; `None` while they do not tell.
fn choose(bench: &Bench<'_>, run: &Run, workload: usize) -> Option<SamplesChoice> {
    let original = run.original()?;
    let components: Vec<Components> = run
        .candidates_left(original)
        .filter_map(|candidate| Components::of_pilot(&log_ratios(run, workload, candidate, original)).ok())
        .collect();
    let mean = |of: fn(&Components) -> f64| stats::mean(&components.iter().map(of).collect::<Vec<_>>()).ok();
    let pooled = Components { within: mean(|c| c.within)?, between: mean(|c| c.between)? };
    let sample_ns = sample_ns(run, workload);
    let works = synthetic(bench.plan).count().max(1) as f64;
    let once = |v: &Visit| {
        let loading = v.load.as_ref().map_or(0, |l| l.model_ns + l.context_ns) as f64 / works;
        let warming = v.warmup.iter().flat_map(|w| &w.samples).filter(|s| s.workload == workload).map(|s| s.wall_ns);
        whole_ns(loading) + warming.sum::<u64>()
    };
    let round_ns = median(newest(run).map(once)).max(1.0);
    let most = even_below((LONGEST_NS / sample_ns.max(1.0)).min(MOST_SAMPLES)).max(FEWEST_BALANCED);
    let samples = pooled.optimal_inner(sample_ns, round_ns, most as usize).ok()?;
    Some(SamplesChoice {
        workload,
        samples: u32::try_from(samples).ok()?.next_multiple_of(2),
        pilot_rounds: u32::try_from(run.rounds.len()).unwrap_or(u32::MAX),
        within: pooled.within,
        between: pooled.between,
        sample_ns: whole_ns(sample_ns),
        round_ns: whole_ns(round_ns),
    })
}

/// The greatest even number up to this: forwards as often as backwards.
fn even_below(samples: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number, and the cast saturates"
    )]
    let whole = samples.max(0.0) as u32;
    whole - whole % 2
}

/// ln ratio of each sample to the original's of the same number, by round.
fn log_ratios(run: &Run, workload: usize, candidate: usize, original: usize) -> Vec<Vec<f64>> {
    let rates = |model| visits(run, model).map(|(round, v)| (round, sample_rates(v, workload))).collect::<Vec<_>>();
    let originals = rates(original);
    rates(candidate)
        .into_iter()
        .filter_map(|(round, own)| {
            let (_, other) = originals.iter().find(|(r, _)| *r == round)?;
            Some(own.iter().zip(other).map(|(a, b)| (a / b).ln()).collect())
        })
        .collect()
}

fn sample_ns(run: &Run, workload: usize) -> f64 {
    median(newest(run).flat_map(|v| &v.samples).filter(|s| s.workload == workload).map(|s| s.wall_ns))
}

fn newest(run: &Run) -> impl Iterator<Item = &Visit> {
    run.rounds.iter().flat_map(|r| &r.visits)
}

/// 0 of nothing: what has no cost is not worth planning for.
fn median(values: impl Iterator<Item = u64>) -> f64 {
    stats::median(&values.map(|v| v as f64).collect::<Vec<_>>()).unwrap_or(0.0)
}

/// What rounds take, as the newest mirrored pair did, and what there is. All for a round, of all models.
struct Time {
    /// Until the run is to be over, outputs compared; less than 0 when that has passed.
    left_ns: f64,
    /// To the least.
    rounds_left: u32,
    /// Loading, warming up, closing.
    once_ns: f64,
    /// The samples of the synthetic workloads.
    samples_ns: f64,
    /// The prompts to come, as planned.
    planned_ns: f64,
    /// As few as have an interval.
    fewest_ns: f64,
    /// And the longest no more often than they were asked.
    longest_once_ns: f64,
}

impl Time {
    /// `None` without a time to keep.
    fn of(bench: &Bench<'_>, run: &Run, done: u32) -> Option<Self> {
        let protocol = &bench.plan.protocol;
        let left_ns = stopping::left_ns(run, run.elapsed_ns())? - stopping::quality_ns(run);
        let pair = &run.rounds[run.rounds.len().saturating_sub(2)..];
        let synthetic: Vec<usize> = synthetic(bench.plan).map(|work| work.workload).collect();
        let taking = |is_synthetic: bool| -> f64 {
            let samples = pair.iter().flat_map(|r| &r.visits).flat_map(|v| &v.samples);
            let of_kind = samples.filter(|s| synthetic.contains(&s.workload) == is_synthetic);
            of_kind.map(|s| s.wall_ns as f64).sum::<f64>() / 2.0
        };
        let (samples_ns, prompts_ns) = (taking(true), taking(false));
        let to_come = |schedule| -> f64 {
            let rounds = done..protocol.min_rounds;
            rounds.flat_map(|round| prompts_in(bench.plan, round, schedule)).map(|prompt| prompt_ns(run, prompt)).sum()
        };
        Some(Self {
            left_ns,
            rounds_left: protocol.min_rounds.saturating_sub(done),
            once_ns: (stopping::pair_ns(run) / 2.0 - samples_ns - prompts_ns).max(0.0),
            samples_ns,
            planned_ns: to_come(PromptSchedule::Full),
            fewest_ns: to_come(PromptSchedule::Minimal),
            longest_once_ns: to_come(PromptSchedule::LongestCategoryOnce),
        })
    }

    /// To the least rounds, when the samples of a round take so long.
    fn needed_ns(&self, prompts: PromptSchedule, samples_ns: f64) -> f64 {
        let prompts_ns = match prompts {
            PromptSchedule::Full => self.planned_ns,
            PromptSchedule::Minimal => self.fewest_ns,
            PromptSchedule::LongestCategoryOnce => self.longest_once_ns,
        };
        f64::from(self.rounds_left) * (self.once_ns + samples_ns) + prompts_ns
    }
}

/// What a prompt takes of all models, as those of its category did.
fn prompt_ns(run: &Run, prompt: usize) -> f64 {
    let workloads = &run.plan.workloads;
    let category = |workload: usize| match &workloads[workload].kind {
        WorkloadKind::Prompt(prompt) => Some(&prompt.category),
        _ => None,
    };
    let of_category = |s: &&Sample| category(s.workload) == category(prompt);
    let samples = || newest(run).flat_map(|v| &v.samples).filter(of_category);
    let taken_ns: f64 = samples().map(|s| s.wall_ns as f64).sum();
    // A model's answer begins with one evaluation.
    let asked = samples().filter(|s| s.phase == Phase::Prefill).count().max(1) as f64;
    let models = run.subjects.iter().filter(|m| m.outcome == Outcome::Done).count() as f64;
    taken_ns / asked * models
}

/// Whether all models fit in memory at once.
struct Room {
    needed_bytes: u64,
    available_bytes: u64,
}

impl Room {
    fn of(bench: &Bench<'_>, run: &Run) -> Self {
        let left = run.subjects.iter().filter(|subject| subject.outcome == Outcome::Done);
        let budgets = left.filter_map(|subject| MemoryBudget::to_time(subject, bench.plan));
        Self {
            needed_bytes: budgets.map(MemoryBudget::total).sum(),
            available_bytes: memory_budget::available_bytes(&run.machine, run.base_settings()),
        }
    }

    fn is_enough(&self) -> bool {
        self.needed_bytes <= self.available_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{
        engine::{ModelScript, Script, ScriptedEngine},
        probe::Virtual,
        record::{Ended, PromptTurns, journal::Entry},
        run::testing::{measure, prompt, run_of_rates},
        testing::run::SimulatedLauncher,
    };

    #[test]
    fn samples_come_in_pairs() {
        assert_eq!([0.0, 1.9, 2.0, 5.3, 32.0, -3.0].map(even_below), [0, 0, 2, 4, 32, 0]);
    }

    /// Ten rounds of a workload and four prompts, aiming at so many seconds; every sample takes 0.3 s.
    fn aiming_at(seconds: u64) -> Run {
        asking(seconds, &[("short", "one", 20), ("short", "two", 20), ("short", "three", 20), ("long", "four", 40)])
    }

    /// The same with these prompts: category, name, bytes.
    fn asking(seconds: u64, prompts: &[(&str, &str, usize)]) -> Run {
        let model = ModelScript {
            load_ns: 1000,
            prefill_ns_per_token: 3_000_000,
            decode_ns_per_token: 1,
            answer: "yes".into(),
            logit_noise: 0.0,
            fail: None,
        };
        let models = ["a", "b"].map(|name| (name.to_owned(), model.clone()));
        let clock = Virtual::default();
        let script = Script { models: models.into(), noise: None };
        let launcher = SimulatedLauncher::new(ScriptedEngine::on_clock(script, clock.clone()));
        let mut run = run_of_rates(&[], &[]);
        run.plan.workloads.extend(prompts.iter().map(|(category, id, bytes)| prompt(category, id, *bytes)));
        let protocol = &mut run.plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.prompt_rounds) = (10, 40, 10);
        (protocol.inner, protocol.inner_samples) = (InnerPolicy::Pilot, 2);
        (protocol.prompt_turns, protocol.budget_s) = (PromptTurns::InTurn, Some(seconds));
        let mut nothing = |_: &Run, _: &Entry| Ok::<(), Infallible>(());
        measure(&launcher, clock, ["a", "b"], &mut run, &mut nothing).expect("nothing is saved");
        run
    }

    fn samples(run: &Run) -> Vec<usize> {
        let of = |visit: &Visit| sample_rates(visit, 0).len();
        run.rounds.iter().map(|round| of(&round.visits[0])).collect()
    }

    fn decisions(run: &Run) -> &[Decision] {
        run.adaptation.as_ref().map_or(&[], |adaptation| &adaptation.decisions)
    }

    /// The one decision, that samples are fewer: from which round, how many, and how prompts are cut.
    fn fewer(run: &Run) -> (u32, &[u32], Option<PromptsCut>) {
        match decisions(run) {
            [Decision::FewerSamples { from_round, samples, prompts, .. }] => (*from_round, samples, *prompts),
            others => panic!("{others:?}"),
        }
    }

    fn pilot_rounds(run: &Run) -> Option<u32> {
        run.adaptation.as_ref().map(|adaptation| adaptation.samples_per_round[0].pilot_rounds)
    }

    /// Rounds that ask the fourth prompt, the longest.
    fn longest(run: &Run) -> usize {
        let asked = |visit: &Visit| visit.generations.iter().any(|generation| generation.workload == 4);
        run.rounds.iter().filter(|round| round.visits.iter().any(asked)).count()
    }

    #[test]
    fn when_the_least_rounds_do_not_fit_they_take_one_sample_and_few_prompts() {
        let run = aiming_at(15);
        assert_eq!((samples(&run), longest(&run)), (vec![2, 2, 1, 1, 1, 1, 1, 1, 1, 1], 6));
        assert_eq!(run.rounds.iter().filter(|round| round.asks_prompts()).count(), 6);
        assert_eq!(fewer(&run), (2, &[1][..], Some(PromptsCut::UntilInterval)));
        assert_eq!(pilot_rounds(&run), Some(2));
    }

    #[test]
    fn when_not_even_these_fit_the_longest_prompts_are_asked_in_one_pair() {
        let run = aiming_at(5);
        assert_eq!((samples(&run), longest(&run)), (vec![2, 2, 1, 1, 1, 1, 1, 1, 1, 1], 2));
        assert_eq!(run.rounds.iter().filter(|round| round.asks_prompts()).count(), 6, "the others keep their interval");
        assert_eq!(fewer(&run).2, Some(PromptsCut::LongestInTwoRounds));
    }

    #[test]
    fn nothing_is_said_of_prompts_that_are_not_there_nor_of_a_longest_among_equals() {
        assert_eq!(fewer(&asking(3, &[])).2, None);
        assert_eq!(fewer(&asking(3, &[("short", "one", 20)])).2, Some(PromptsCut::UntilInterval));
    }

    #[test]
    fn when_there_is_time_they_take_what_the_pilot_finds_best() {
        let run = aiming_at(1000);
        assert_eq!((run.rounds.len(), run.ended), (10, Ended::Precise));
        assert_eq!(run.rounds.iter().filter(|round| round.asks_prompts()).count(), 10);
        assert_eq!((samples(&run)[..4].to_vec(), pilot_rounds(&run)), (vec![2; 4], Some(4)));
        assert_eq!(decisions(&run), []);
    }
}
