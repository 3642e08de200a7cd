//! A synthetic run and an analysis of it written by hand, so that these tests depend on no statistics.

use std::path::Path;

use crate::{
    analysis::{
        Advice, Analysis, AnswerRow, Axis, BufferTotals, CategoryRow, Choice, Comparison, Context, Grounds, Latency,
        LoadSummary, MAX_KLD_NATS, MemorySummary, MetricSummary, ModelAnalysis, NoRecommendation, Rank, Rule, Source,
        Standing, Traces, Verdict, Warning, WarningKind, votes,
    },
    metric::{MetricId, MetricSpec, Word, id},
    record::{CacheState, Phase, Prefer, Run, WorkloadKind, read_run},
};

/// The record in tests/fixtures.
pub(in crate::report) fn run() -> Run {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/v1.json");
    read_run(&path).expect("the fixture is a record")
}

/// Round figures for its five models; the last has none.
pub(super) fn analysis(run: &Run) -> Analysis {
    let settle = Verdict::NotResolved;
    let figures: [([f64; 4], [Verdict; 4]); 4] = [
        ([240.0, 20.0, 0.3, 320e6], [Verdict::NoRelevantDifference; 4]),
        (
            [300.0, 36.0, 0.3, 200e6],
            [
                Verdict::Better(Word::Faster),
                Verdict::Better(Word::Faster),
                Verdict::NoRelevantDifference,
                Verdict::Better(Word::Smaller),
            ],
        ),
        (
            [241.0, 50.0, 0.12, 140e6],
            [settle, Verdict::Better(Word::Faster), Verdict::Better(Word::Faster), Verdict::Better(Word::Smaller)],
        ),
        (
            [200.0, 44.0, 0.09, 112e6],
            [
                Verdict::Worse(Word::Slower),
                Verdict::Better(Word::Faster),
                Verdict::Better(Word::Faster),
                Verdict::Better(Word::Smaller),
            ],
        ),
    ];
    let model = |(i, m): (usize, &crate::record::Subject)| {
        let facts = m.model.facts.as_ref();
        let mut out = ModelAnalysis {
            name: m.name.clone(),
            file: m.model.file.clone(),
            role: m.role,
            quant: facts.map(|f| f.quant.clone()),
            size_bytes: facts.map(|f| f.file_bytes),
            bits_per_weight: facts.map(|f| f.bits_per_weight),
            outcome: m.outcome.clone(),
            metrics: Vec::new(),
            vs_original: Vec::new(),
            retained: Vec::new(),
            load: None,
            memory: None,
            categories: Vec::new(),
            quality: None,
            answers: Vec::new(),
            behaviour: None,
        };
        if let Some((values, verdicts)) = figures.get(i) {
            measure(&mut out, run, i, values, &figures[0].0, *verdicts);
        }
        out
    };
    let mut analysis = Analysis {
        tuning: None,
        format: 1,
        rounds: 12,
        ended: run.ended,
        quick: false,
        confidence: 0.95,
        equivalence: 0.01,
        verdicts: crate::metric::Verdicts { primary: 12, ..crate::metric::Verdicts::default() },
        models: run.subjects.iter().enumerate().map(model).collect(),
        warnings: vec![Warning {
            kind: WarningKind::Drift,
            model: Some("Q8_0".into()),
            evidence: "tg128 fell by 4.1 % from the first to the last round.".into(),
            remedy: "Let the machine cool, close other programs, and run again.".into(),
        }],
        not_done: Vec::new(),
        tasks: Vec::new(),
        advice: advice(run.subjects.len()),
        time: crate::analysis::TimeSpent {
            asked_s: Some(300),
            is_limit: false,
            planned: None,
            taken: crate::record::TimeParts { rounds_ns: 200_000_000_000, ..crate::record::TimeParts::default() },
            given_up: Vec::new(),
            spoilt_rounds: Vec::new(),
            spoilt_left_out: false,
        },
        votes: None,
        roofline: None,
        context: Context::of(run),
        traces: Traces::default(),
        grounds: Grounds::of_models(run, &[]),
        ballot: None,
    };
    read_again(&mut analysis, run);
    analysis
}

/// What an analysis holds of the record itself, from a record that was changed after it was analysed.
pub(super) fn read_again(analysis: &mut Analysis, run: &Run) {
    analysis.context = Context::of(run);
    analysis.traces = Traces::of(run, &analysis.models);
    analysis.grounds = Grounds::of_models(run, &analysis.models);
    analysis.ballot = votes::ballot(run);
}

/// Nothing is recommended: the fixture's outputs were not compared.
fn advice(models: usize) -> Advice {
    let rule = Rule {
        max_kld_nats: MAX_KLD_NATS,
        max_kld_from: Source::Default,
        min_tg_tps: None,
        max_memory_bytes: None,
        prefer: Prefer::Speed,
        by: Axis::Generation,
    };
    let standing = |_| Standing { limits: Vec::new(), dominated_by: Vec::new(), place: Rank::Unplaced };
    let choice = Choice::Nothing { because: NoRecommendation::OutputsNotCompared };
    Advice { rule, choice, standings: (0..models).map(standing).collect() }
}

const METRICS: [&str; 4] = ["pp512", "tg128", "load", "memory_peak"];

fn measure(
    out: &mut ModelAnalysis,
    run: &Run,
    model: usize,
    values: &[f64; 4],
    base: &[f64; 4],
    verdicts: [Verdict; 4],
) {
    for (i, metric) in METRICS.into_iter().enumerate() {
        let value = values[i];
        let (id, MetricSpec { unit, better, .. }) = (id(metric), id(metric).spec());
        if model > 0 {
            let ratio = value / base[i];
            let (low, high) = (Some(ratio * 0.985), Some(ratio * 1.02));
            let verdict = Some(verdicts[i]);
            out.vs_original.push(Comparison {
                id: id.clone(),
                ratio: Some(ratio),
                low,
                high,
                verdict,
                detectable: Some(0.042),
                better,
                n: 12,
            });
        }
        let (low, high) = (Some(value * 0.98), Some(value * 1.01));
        out.metrics.push(MetricSummary {
            id,
            value: Some(value),
            low,
            high,
            best: Some(value * 1.03),
            unit,
            n: 12,
            better,
            cost_s: None,
        });
    }
    out.load = Some(LoadSummary {
        model_s: values[2],
        context_s: 0.004,
        bytes: 1 << 27,
        gib_per_s: Some(0.85),
        cache: CacheState::Warm,
        first_cold_s: Some(1.2),
        n: 7,
    });
    out.memory = Some(memory(run, model, values[3]));
    answers(out, run, model, values);
}

fn memory(run: &Run, model: usize, peak: f64) -> MemorySummary {
    let visit = run.rounds[0].visits.iter().find(|v| v.model == model).expect("every measured model was visited");
    let facts = run.subjects[model].model.facts.as_ref().expect("it has a header");
    MemorySummary {
        initial_bytes: 20e6,
        after_load_bytes: peak * 0.9,
        min_bytes: peak * 0.9,
        max_bytes: peak,
        average_bytes: peak * 0.97,
        std_bytes: peak * 0.02,
        increase_bytes: peak - 20e6,
        peak_bytes: peak,
        peak_anon_bytes: Some(46e6),
        peak_file_bytes: Some(peak - 46e6),
        buffers: visit.buffers.clone(),
        totals: BufferTotals { weights_bytes: facts.weights_bytes, context_bytes: 12 << 20, compute_bytes: 24 << 20 },
        repacked_bytes: 0,
        expected_bytes: facts.expected_kv_bytes.map(|kv| kv + facts.weights_bytes),
        devices: Vec::new(),
        readings_per_s: 50.0,
        sampling_cpu_share: Some(0.004),
    }
}

fn answers(out: &mut ModelAnalysis, run: &Run, model: usize, [pp, tg, ..]: &[f64; 4]) {
    let visit = run.rounds[0].visits.iter().find(|v| v.model == model).expect("every measured model was visited");
    for generation in &visit.generations {
        let workload = &run.plan.workloads[generation.workload];
        let WorkloadKind::Prompt(prompt) = &workload.kind else { panic!("only prompts are answered") };
        let n_generated = u32::try_from(generation.tokens.len()).expect("a short answer");
        out.answers.push(AnswerRow {
            agreement: None,
            defects: Vec::new(),
            prompt: workload.id.clone(),
            category: prompt.category.clone(),
            n_prompt: generation.n_prompt,
            prompt_eval_s: f64::from(generation.n_prompt) / pp,
            prompt_tps: Some(*pp),
            n_generated,
            generation_s: Some(f64::from(n_generated - 1) / tg),
            generation_tps: Some(*tg),
            latency: Latency {
                ttft_ms: f64::from(generation.n_prompt) / pp * 1e3,
                inter_token_p50_ms: Some(1e3 / tg),
                inter_token_p95_ms: Some(1.1e3 / tg),
                inter_token_p99_ms: None,
            },
            templated: generation.templated,
            prompt_form: generation.prompt_form.clone(),
            text: generation.text.clone(),
            finish: generation.finish,
            repeatable: true,
            n: 2,
        });
        if out.categories.iter().all(|c| c.category != prompt.category) {
            out.categories.push(CategoryRow {
                category: prompt.category.clone(),
                prompts: 1,
                n_prompt: generation.n_prompt.into(),
                prompt_tps: Some(*pp),
                n_generated: n_generated.into(),
                generation_tps: Some(*tg),
            });
            for (phase, value) in [(Phase::Prefill, *pp), (Phase::Decode, *tg)] {
                let id = MetricId::Category { category: prompt.category.clone(), phase };
                let MetricSpec { unit, better, .. } = id.spec();
                out.metrics.push(MetricSummary {
                    id,
                    value: Some(value),
                    low: None,
                    high: None,
                    best: None,
                    unit,
                    n: 2,
                    better,
                    cost_s: None,
                });
            }
        }
    }
}
