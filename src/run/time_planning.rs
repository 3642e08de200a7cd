//! What is done in which time: from what each subject costs to rounds, samples, windows of text, and what is given up.

use super::schedule::FEWEST_FOR_INTERVAL;
use crate::{
    record::{
        Budget, GivenUp, InnerPolicy, Plan, PromptPolicy, QualityUnit, Run, SamplesChoice, SubjectCost, TimeParts,
        TimePlan, WorkloadKind,
    },
    units::{NS_PER_S, whole_ns},
};

/// Rounds that are wished for: with more, intervals narrow by less than a twentieth a round.
const WISHED_ROUNDS: u32 = 10;
/// Windows that are wished for: one of each built-in document or so.
const WISHED_WINDOWS: usize = 32;
/// As few windows as say something of several kinds of text.
const FEWEST_WINDOWS: usize = 8;
/// As few positions of a window as say something of its document.
const FEWEST_POSITIONS: u32 = 64;
/// Never more samples of a workload in a round: the variance within a round is then a 32nd of that of a sample, and more of them narrow
/// no interval whose rounds differ by as much.
const MOST_SAMPLES: f64 = 32.0;
/// Nor more than fill this time: the two sides of a ratio are to see the same machine, which is another one some seconds later.
const LONGEST_NS: f64 = 3e9;
/// Samples come in pairs, forwards and backwards, unless there is one: the mirrored round holds the other direction.
const PAIR: u32 = 2;

/// What a plan needs besides what each subject costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    /// Passed since the run began: the probe.
    pub(crate) spent_ns: u64,
    /// How often the original is evaluated when outputs are compared: once for all candidates, or once for each.
    pub(crate) original_passes: u64,
    /// Whether the original is there to be evaluated as one likes: a file that stands for it holds whole windows.
    pub(crate) has_original: bool,
}

/// Samples of a workload in a round of this run.
pub(super) fn samples_per_round(run: &Run, workload: usize) -> u32 {
    let chosen = run.time_plan.iter().flat_map(|plan| &plan.samples).find(|choice| choice.workload == workload);
    chosen.map_or(run.plan.protocol.inner_samples, |choice| choice.samples)
}

/// Plans the time of a run whose subjects cost so much; the first is the original. Those that can't be measured cost nothing.
pub(crate) fn plan_time(plan: &Plan, costs: Vec<SubjectCost>, situation: Situation) -> TimePlan {
    let planner = Planner { plan, costs: &costs, situation };
    let (work, given_up) = planner.afford();
    let Work { rounds, ref samples, one_block, prompts, windows, positions, tasks_ns: _ } = work;
    TimePlan {
        rounds,
        samples: if plan.protocol.inner == InnerPolicy::Planned { samples.clone() } else { Vec::new() },
        one_block,
        prompts,
        windows: plan.quality.as_ref().and(windows),
        positions,
        planned: planner.parts(&work),
        given_up,
        intervals_ns: planner.total_ns(&planner.least()),
        costs,
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Work {
    rounds: u32,
    samples: Vec<SamplesChoice>,
    one_block: bool,
    prompts: bool,
    /// `None`: as many as the plan of the comparison says.
    windows: Option<usize>,
    /// `None`: all of the second half of a window.
    positions: Option<u32>,
    /// For tasks, of all subjects.
    tasks_ns: u64,
}

struct Planner<'a> {
    plan: &'a Plan,
    costs: &'a [SubjectCost],
    situation: Situation,
}

impl Planner<'_> {
    /// As much of what is wished for as fits, and what had to go.
    fn afford(&self) -> (Work, Vec<GivenUp>) {
        let protocol = &self.plan.protocol;
        let mut work = self.wished();
        let mut given_up = Vec::new();
        let Some(seconds) = protocol.budget_s else { return (work, given_up) };
        let budget_ns = whole_ns(seconds as f64 * NS_PER_S);
        let fits = |work: &Work| self.total_ns(work) <= budget_ns;
        if !fits(&work) && work.prompts && protocol.prompts == PromptPolicy::IfTimeAllows {
            given_up.push(GivenUp::Prompts { needs_ns: self.total_ns(&work) });
            work.prompts = false;
        }
        if !fits(&work) && work.samples.iter().any(|choice| choice.samples > 1) {
            given_up.push(GivenUp::Samples { needs_ns: self.total_ns(&work) });
            self.once_each(&mut work);
        }
        if !fits(&work)
            && let Some(wished) = work.windows
        {
            let needs_ns = self.total_ns(&work);
            let spare =
                |windows| budget_ns.saturating_sub(self.total_ns(&Work { windows: Some(windows), ..work.clone() }));
            let fewest = self.fewest_windows();
            let more = spare(fewest) / self.window_ns().max(1);
            let windows = fewest.saturating_add(usize::try_from(more).unwrap_or(usize::MAX)).min(wished);
            if windows < wished {
                given_up.push(GivenUp::Windows { windows, needs_ns });
                work.windows = Some(windows);
            }
        }
        let least = protocol.min_rounds;
        if !fits(&work) && work.rounds > least {
            let needs_ns = self.total_ns(&work);
            let rounds = self.rounds_in(budget_ns, &work).clamp(least, work.rounds);
            given_up.push(GivenUp::Rounds { rounds, needs_ns });
            work.rounds = rounds;
        }
        if !fits(&work) && self.can_cut() {
            let cut = Work { one_block: true, ..work.clone() };
            if self.total_ns(&cut) < self.total_ns(&work) {
                given_up.push(GivenUp::Blocks { needs_ns: self.total_ns(&work) });
                work = cut;
                // What the cut leaves over goes to rounds again.
                work.rounds = self.rounds_in(budget_ns, &work).clamp(work.rounds, WISHED_ROUNDS.max(work.rounds));
            }
        }
        if !fits(&work) && work.rounds > 0 {
            let needs_ns = self.total_ns(&work);
            let cut = |positions| Work { positions: Some(positions), ..work.clone() };
            // As little is cut as has to be.
            let enough = self.fewer_positions().find(|&positions| fits(&cut(positions)));
            if let Some(positions) = enough.or_else(|| self.fewer_positions().last()) {
                given_up.push(GivenUp::Positions { positions, needs_ns });
                work.positions = Some(positions);
            }
        }
        let is_limit = protocol.budget == Budget::Limit;
        if !fits(&work) && is_limit && work.tasks_ns > 0 {
            let needs_ns = self.total_ns(&work);
            let without = Work { tasks_ns: 0, ..work.clone() };
            given_up.push(GivenUp::Questions { needs_ns });
            work.tasks_ns = budget_ns.saturating_sub(self.total_ns(&without));
        }
        // An aim is passed by the least work; a limit is not.
        if !fits(&work) && is_limit && work.rounds > 0 {
            let needs_ns = self.total_ns(&work);
            work.rounds = self.rounds_in(budget_ns, &work).clamp(1, work.rounds);
            given_up.push(GivenUp::Intervals { rounds: work.rounds, needs_ns });
            if !fits(&work) && work.windows.is_some() {
                let without = Work { windows: Some(0), ..work.clone() };
                let spare_ns = budget_ns.saturating_sub(self.total_ns(&without));
                let window_ns = self.cut_ns(self.window_ns(), work.positions);
                let windows = usize::try_from(spare_ns / window_ns.max(1)).unwrap_or(usize::MAX);
                given_up.push(GivenUp::Windows { windows, needs_ns: self.total_ns(&work) });
                work.windows = Some(windows);
            }
        }
        (work, given_up)
    }

    fn wished(&self) -> Work {
        let protocol = &self.plan.protocol;
        let has_prompts = self.plan.workloads.iter().any(|w| matches!(w.kind, WorkloadKind::Prompt(_)));
        Work {
            rounds: WISHED_ROUNDS.clamp(protocol.min_rounds, protocol.max_rounds.max(protocol.min_rounds)),
            samples: self.best_samples(),
            one_block: false,
            prompts: has_prompts && !(protocol.quick && protocol.prompts == PromptPolicy::IfTimeAllows),
            windows: self.wished_windows(),
            positions: None,
            tasks_ns: self.all_tasks_ns(),
        }
    }

    /// Questions of all tasks, of all subjects.
    fn all_tasks_ns(&self) -> u64 {
        self.sum(|cost| cost.tasks_ns)
    }

    /// The least work that gives every primary ratio an interval.
    fn least(&self) -> Work {
        let protocol = &self.plan.protocol;
        let rounds = if protocol.max_rounds == 0 { 0 } else { FEWEST_FOR_INTERVAL.max(protocol.min_rounds) };
        let windows = self.plan.quality.as_ref().map(|_| self.fewest_windows());
        let prompts = self.wished().prompts && protocol.prompts == PromptPolicy::Always;
        let samples = self.best_samples();
        // A limit cuts tasks before it cuts intervals.
        let tasks_ns = if protocol.budget == Budget::Limit { 0 } else { self.all_tasks_ns() };
        let mut work = Work { rounds, samples, one_block: false, prompts, windows, positions: None, tasks_ns };
        self.once_each(&mut work);
        // A generation and a window are cut where that is what makes intervals fit.
        work.one_block = self.can_cut();
        work.positions = self.fewer_positions().last();
        work
    }

    /// Whether generations may be timed in part: where nobody said how many samples there are to be.
    fn can_cut(&self) -> bool {
        self.plan.protocol.inner == InnerPolicy::Planned && self.plan.protocol.budget == Budget::Limit
    }

    /// How many positions of a window may be scored in place of its whole second half, in falling order: where time is a limit.
    /// Positions of one document resemble each other; to give up documents would cost more. Where windows are the unit they stay whole.
    fn fewer_positions(&self) -> impl Iterator<Item = u32> + use<> {
        let may = self.plan.protocol.budget == Budget::Limit && self.situation.has_original;
        let quality = self.plan.quality.as_ref().filter(|quality| may && quality.unit() == QualityUnit::Document);
        let half = quality.map_or(0, |quality| quality.n_ctx / 2);
        (1..half.div_ceil(FEWEST_POSITIONS)).rev().map(|parts| parts * FEWEST_POSITIONS)
    }

    /// One sample of each workload, unless a person or the kind of run said how many.
    fn once_each(&self, work: &mut Work) {
        if self.plan.protocol.inner == InnerPolicy::Planned {
            work.samples.iter_mut().for_each(|choice| choice.samples = 1);
        }
    }

    /// Of an unlimited comparison, `None`.
    fn wished_windows(&self) -> Option<usize> {
        let quality = self.plan.quality.as_ref()?;
        let limited = self.plan.protocol.budget_s.is_some();
        match quality.max_windows {
            Some(most) => Some(most),
            None if limited => Some(WISHED_WINDOWS.max(self.fewest_windows())),
            None => None,
        }
    }

    fn fewest_windows(&self) -> usize {
        let most = self.plan.quality.as_ref().and_then(|quality| quality.max_windows);
        most.map_or(FEWEST_WINDOWS, |most| most.min(FEWEST_WINDOWS))
    }

    /// Samples whose time balances what a round costs once, were samples of a round to differ as much as rounds do: √(once / sample).
    fn best_samples(&self) -> Vec<SamplesChoice> {
        let synthetic: Vec<usize> = (0..self.plan.workloads.len())
            .filter(|&workload| !matches!(self.plan.workloads[workload].kind, WorkloadKind::Prompt(_)))
            .collect();
        let costs: Vec<&SubjectCost> = self.costs.iter().filter(|cost| cost.round_ns > 0).collect();
        let mean = |of: &dyn Fn(&SubjectCost) -> u64| {
            costs.iter().map(|cost| of(cost) as f64).sum::<f64>() / costs.len().max(1) as f64
        };
        let once_ns = mean(&|cost| cost.round_ns) / synthetic.len().max(1) as f64;
        let choice = |workload: usize| {
            let sample_ns = mean(&|cost| cost.sample_ns(workload));
            let samples = match self.plan.protocol.inner {
                InnerPolicy::Fixed => self.plan.protocol.inner_samples,
                InnerPolicy::Planned => {
                    let worth = (once_ns / sample_ns.max(1.0)).sqrt();
                    even_or_one(worth.min(LONGEST_NS / sample_ns.max(1.0)).min(MOST_SAMPLES))
                }
            };
            SamplesChoice { workload, samples, sample_ns: whole_ns(sample_ns), round_ns: whole_ns(once_ns) }
        };
        synthetic.into_iter().map(choice).collect()
    }

    fn parts(&self, work: &Work) -> TimeParts {
        let rounds_ns = u64::from(work.rounds).saturating_mul(self.round_ns(work));
        let prompts_ns = if work.prompts { self.sum(|cost| cost.prompts_ns(self.plan, work.rounds)) } else { 0 };
        let whole_ns =
            work.windows.map_or_else(|| self.all_windows_ns(), |n| self.window_ns().saturating_mul(n as u64));
        let outputs_ns = self.cut_ns(whole_ns, work.positions);
        TimeParts { probe_ns: self.situation.spent_ns, rounds_ns, prompts_ns, outputs_ns, tasks_ns: work.tasks_ns }
    }

    fn total_ns(&self, work: &Work) -> u64 {
        self.parts(work).total_ns()
    }

    /// As many rounds as fit when the rest of the work is done, too.
    fn rounds_in(&self, budget_ns: u64, work: &Work) -> u32 {
        let rest_ns = self.total_ns(&Work { rounds: 0, ..work.clone() });
        let rounds = budget_ns.saturating_sub(rest_ns) / self.round_ns(work).max(1);
        u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// A round without prompts, of all subjects.
    fn round_ns(&self, work: &Work) -> u64 {
        let samples = |workload| {
            work.samples.iter().find(|choice| choice.workload == workload).map_or(1, |choice| choice.samples)
        };
        self.sum(|cost| {
            let timed_ns = if work.one_block { cost.blocks_ns(self.plan) } else { cost.samples_ns(self.plan, samples) };
            cost.round_ns.saturating_add(timed_ns)
        })
    }

    /// Of the time that whole windows take, what they take when so many positions are scored and nothing after them is evaluated.
    fn cut_ns(&self, whole_windows_ns: u64, positions: Option<u32>) -> u64 {
        let n_ctx = self.plan.quality.as_ref().map_or(1, |quality| u64::from(quality.n_ctx.max(1)));
        let evaluated = positions.map_or(n_ctx, |positions| (n_ctx / 2 + u64::from(positions)).min(n_ctx));
        whole_windows_ns.saturating_mul(evaluated) / n_ctx
    }

    /// Comparing one window, of all subjects.
    fn window_ns(&self) -> u64 {
        let of = |(index, cost): (usize, &SubjectCost)| {
            cost.window_ns.saturating_mul(if index == 0 { self.situation.original_passes } else { 1 })
        };
        self.costs.iter().enumerate().map(of).fold(0, u64::saturating_add)
    }

    /// Comparing all texts.
    fn all_windows_ns(&self) -> u64 {
        let Some(quality) = &self.plan.quality else { return 0 };
        let bytes: u64 = quality.texts.iter().filter_map(|text| text.bytes).sum();
        let windows = bytes as f64 / super::costs::CHARS_PER_TOKEN / f64::from(quality.n_ctx.max(1));
        whole_ns(windows * self.window_ns() as f64)
    }

    fn sum(&self, of: impl Fn(&SubjectCost) -> u64) -> u64 {
        self.costs.iter().map(of).fold(0, u64::saturating_add)
    }
}

/// The greatest even number up to this, or 1.
fn even_or_one(samples: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number, and the cast saturates"
    )]
    let whole = samples.max(0.0) as u32;
    (whole - whole % PAIR).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Protocol, TextPlan},
        run::testing::{plan, prompt, quality},
    };

    const S: u64 = 1_000_000_000;

    /// Two subjects: a round costs 1 s once and 1 s a sample each, a window 1 s each, the prompt 2 s each.
    fn planned(budget_s: Option<u64>, budget: Budget) -> TimePlan {
        let mut plan = plan();
        plan.workloads.push(prompt("short", "p", 20));
        plan.quality = Some(quality(20));
        let protocol = &mut plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.prompt_rounds) = (6, 40, 6);
        (protocol.inner, protocol.prompts) = (InnerPolicy::Planned, PromptPolicy::IfTimeAllows);
        (protocol.budget_s, protocol.budget) = (budget_s, budget);
        let cost = SubjectCost { round_ns: S, samples_ns: vec![S, 2 * S], window_ns: S, tasks_ns: 0 };
        plan_time(
            &plan,
            vec![cost.clone(), cost],
            Situation { spent_ns: 4 * S, original_passes: 1, has_original: true },
        )
    }

    fn names(plan: &TimePlan) -> Vec<String> {
        plan.given_up.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn with_time_everything_is_done() {
        // 4 + 10 · 4 + 6 · 4 + 20 · 2 s.
        let all = planned(Some(200), Budget::Aim);
        assert_eq!((all.rounds, all.prompts, all.windows, all.planned.total_ns()), (10, true, Some(20), 108 * S));
        assert!(all.given_up.is_empty() && !all.is_quick_look());
        assert_eq!(all.intervals_ns, (4 + 6 * 4 + 8 * 2) * S);
    }

    #[test]
    fn what_is_given_up_goes_in_order_and_says_what_it_needs() {
        let without_prompts = planned(Some(90), Budget::Aim);
        assert_eq!((names(&without_prompts), without_prompts.rounds), (vec!["prompts are not asked".into()], 10));
        assert_eq!(without_prompts.given_up[0].needs_ns(), 108 * S);
        let fewer_windows = planned(Some(70), Budget::Aim);
        assert_eq!(
            (fewer_windows.windows, fewer_windows.rounds, fewer_windows.planned.total_ns()),
            (Some(13), 10, 70 * S)
        );
        let fewer_rounds = planned(Some(50), Budget::Aim);
        assert_eq!((fewer_rounds.windows, fewer_rounds.rounds, fewer_rounds.planned.total_ns()), (Some(8), 7, 48 * S));
    }

    #[test]
    fn an_aim_yields_to_the_least_work_and_a_limit_does_not() {
        let aim = planned(Some(30), Budget::Aim);
        assert_eq!((aim.rounds, aim.windows, aim.planned.total_ns()), (6, Some(8), aim.intervals_ns));
        let limit = planned(Some(30), Budget::Limit);
        assert_eq!((limit.rounds, limit.windows, limit.planned.total_ns()), (2, Some(8), 28 * S));
        assert!(limit.is_quick_look());
        let told = names(&limit);
        assert_eq!(told.last().map(String::as_str), Some("2 rounds: a quick look, without intervals"));
        let short = planned(Some(12), Budget::Limit);
        assert_eq!((short.rounds, short.windows), (1, Some(2)), "outputs get what one round leaves");
        assert!(planned(Some(1), Budget::Limit).rounds == 1, "what can't be done is begun all the same");
    }

    #[test]
    fn a_generation_is_cut_before_intervals_are_given_up() {
        let mut plan = plan();
        let tg = WorkloadKind::Tg { n_tokens: 128, n_depth: 0 };
        plan.workloads = vec![crate::record::Workload { id: "tg128".into(), kind: tg }];
        let protocol = &mut plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 40, InnerPolicy::Planned);
        (protocol.budget_s, protocol.budget) = (Some(40), Budget::Limit);
        let cost = SubjectCost { round_ns: S, samples_ns: vec![4 * S], window_ns: 0, tasks_ns: 0 };
        let costs = vec![cost.clone(), cost];
        let situation = Situation { spent_ns: 0, original_passes: 1, has_original: true };
        // Six rounds of whole generations take 60 s, of an eighth of each 18 s; ten of these fit.
        let cut = plan_time(&plan, costs.clone(), situation);
        assert_eq!((cut.rounds, cut.one_block, cut.is_quick_look(), cut.planned.total_ns()), (10, true, false, 30 * S));
        assert_eq!(cut.intervals_ns, 18 * S);
        plan.protocol.budget_s = Some(100);
        assert!(!plan_time(&plan, costs.clone(), situation).one_block, "there is time for all of it");
        (plan.protocol.budget_s, plan.protocol.budget) = (Some(40), Budget::Aim);
        assert!(!plan_time(&plan, costs, situation).one_block, "an aim is passed instead");
    }

    #[test]
    fn windows_are_cut_before_intervals_are_given_up_and_no_further_than_need_be() {
        let mut plan = plan();
        let mut outputs = quality(8);
        let text = |n: u8| TextPlan { name: n.to_string(), domain: n.to_string(), sha256: None, bytes: None };
        outputs.texts = (0..8).map(text).collect();
        plan.quality = Some(outputs);
        let protocol = &mut plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 6, InnerPolicy::Fixed);
        (protocol.inner_samples, protocol.budget) = (1, Budget::Limit);
        let cost = SubjectCost { round_ns: S, samples_ns: vec![S], window_ns: 2 * S, tasks_ns: 0 };
        let with = |plan: &Plan, budget_s| {
            let plan =
                Plan { protocol: Protocol { budget_s: Some(budget_s), ..plan.protocol.clone() }, ..plan.clone() };
            plan_time(
                &plan,
                vec![cost.clone(), cost.clone()],
                Situation { spent_ns: 0, original_passes: 1, has_original: true },
            )
        };
        // Six rounds take 24 s; whole windows 32 s, of 192, 128 and 64 positions 28, 24 and 20 s.
        assert_eq!([60, 55, 49, 44].map(|s| with(&plan, s).positions), [None, Some(192), Some(128), Some(64)]);
        let cut = with(&plan, 49);
        assert_eq!((cut.planned.outputs_ns, cut.intervals_ns, cut.is_quick_look()), (24 * S, 44 * S, false));
        assert_eq!(names(&cut), ["128 tokens of each window are scored"]);
        assert!(with(&plan, 43).is_quick_look());
        let texts = &mut plan.quality.as_mut().expect("it was just set").texts;
        texts.truncate(7);
        assert_eq!(with(&plan, 49).positions, None, "windows are the unit");
    }

    #[test]
    fn tasks_are_planned_for_and_what_the_time_does_not_reach_is_said() {
        let mut plan = plan();
        let protocol = &mut plan.protocol;
        (protocol.min_rounds, protocol.max_rounds, protocol.inner) = (6, 40, InnerPolicy::Planned);
        protocol.budget = Budget::Limit;
        let cost = SubjectCost { round_ns: S, samples_ns: vec![S], window_ns: 0, tasks_ns: 10 * S };
        let with = |budget_s| {
            let protocol = Protocol { budget_s: Some(budget_s), ..plan.protocol.clone() };
            let plan = Plan { protocol, ..plan.clone() };
            let situation = Situation { spent_ns: 0, original_passes: 1, has_original: true };
            plan_time(&plan, vec![cost.clone(), cost.clone()], situation)
        };
        // Six rounds take 24 s, tasks 20 s.
        let whole = with(44);
        assert_eq!((whole.rounds, whole.planned.tasks_ns, whole.planned.total_ns()), (6, 20 * S, 44 * S));
        assert_eq!(whole.intervals_ns, 24 * S, "what a limit cuts first is not needed for them");
        let cut = with(30);
        assert_eq!((cut.rounds, cut.planned.tasks_ns, cut.is_quick_look()), (6, 6 * S, false));
        assert_eq!(names(&cut).last().map(String::as_str), Some("tasks are asked as far as the time reaches"));
        let none = with(15);
        assert_eq!((none.rounds, none.planned.tasks_ns, none.is_quick_look()), (3, 0, true));
        plan.protocol.budget = Budget::Aim;
        let situation = Situation { spent_ns: 0, original_passes: 1, has_original: true };
        let aim = plan_time(&plan, vec![cost.clone(), cost.clone()], situation);
        assert_eq!((aim.planned.tasks_ns, aim.intervals_ns), (20 * S, 44 * S), "an aim is passed instead");
    }

    #[test]
    fn without_a_budget_outputs_are_compared_as_their_own_plan_says() {
        let free = planned(None, Budget::Aim);
        assert_eq!((free.windows, free.prompts, free.given_up.len()), (Some(20), true, 0));
    }

    #[test]
    fn dear_loads_are_worth_more_samples() {
        assert_eq!([0.0, 1.9, 2.0, 5.3, 32.0, -3.0].map(even_or_one), [1, 1, 2, 4, 32, 1]);
        let mut plan = plan();
        plan.protocol.inner = InnerPolicy::Planned;
        let cost = SubjectCost { round_ns: 20 * S, samples_ns: vec![S], window_ns: 0, tasks_ns: 0 };
        let of = |cost: SubjectCost| {
            plan_time(&plan, vec![cost], Situation { spent_ns: 0, original_passes: 1, has_original: true }).samples[0]
                .samples
        };
        assert_eq!(of(cost.clone()), 2, "as many as fill three seconds at most");
        assert_eq!(of(SubjectCost { samples_ns: vec![S / 10], ..cost.clone() }), 14);
        assert_eq!(of(SubjectCost { samples_ns: vec![40 * S], ..cost }), 1);
    }
}
