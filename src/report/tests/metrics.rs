//! Every metric there is reaches its section and every output, or its table says why it is left out there.

use crate::{
    analysis::{Analysis, analyse, diff::tests::outputs::with_outputs},
    metric::{KldOf, MetricId, Output, Section, all_work, every_metric},
    record::{DeviceMemory, Phase, Reference, Run, Sample, Sharing, WorkloadKind},
    report::{Format, Options, Report, RunReport, render},
};

/// A run in which whatever can be measured was measured; its KLD is of this.
fn everything(of: KldOf) -> Run {
    let mut run = with_outputs(super::fixture::run(), |window| 0.01 + 0.001 * window as f64);
    run.plan.workloads = all_work();
    let prompts = run.plan.workloads.iter().filter(|w| matches!(w.kind, WorkloadKind::Prompt(_))).count();
    let synthetic = run.plan.workloads.len() - prompts;
    for (round, visit) in (0_u64..).zip(&mut run.rounds).flat_map(|(i, r)| r.visits.iter_mut().map(move |v| (i, v))) {
        if visit.samples.is_empty() {
            continue;
        }
        let wall_ns = 1_000_000_000 * (10 + visit.model as u64) + round % 3 * 1_000_000;
        let at_ns = visit.started_ns;
        let sample = |workload, phase| Sample {
            workload,
            phase,
            inner: 0,
            n_tokens: 512,
            wall_ns,
            native_ns: None,
            at_ns,
            energy_uj: Some(wall_ns / 50),
        };
        visit.generations.truncate(prompts);
        for (i, answer) in visit.generations.iter_mut().enumerate() {
            answer.workload = synthetic + i;
        }
        let answered = visit.generations.iter().map(|answer| answer.workload);
        let phases = |workload| [Phase::Prefill, Phase::Decode].map(|phase| sample(workload, phase));
        let timed = (0..synthetic).map(|workload| sample(workload, Phase::Decode));
        visit.samples = timed.chain(answered.flat_map(phases)).collect();
        if let Some(memory) = &mut visit.memory {
            let free_after_bytes = 4_000_000_000 + round % 3 * 1_000_000;
            let name = "GPU0".into();
            let device =
                DeviceMemory { name, free_before_bytes: 8_000_000_000, free_after_bytes, total_bytes: 8 << 30 };
            memory.devices = vec![device];
        }
        (visit.warmup, visit.skipped) = (None, Vec::new());
    }
    if let Some(quality) = run.quality.as_mut() {
        match of {
            KldOf::Whole => {}
            KldOf::MostLikely => {
                quality.sharing =
                    Sharing::Cached { pair_bytes: 3, needed_bytes: 2, cache_bytes: 1, available_bytes: 2, top_k: 256 };
            }
            KldOf::Rounded => quality.reference = Reference::LogitsFile { file: "base.kld".into() },
        }
    }
    run
}

/// What a person reads of a page: the sentences, the summary and every section.
fn page(run: &Run, analysis: &Analysis) -> (String, Vec<&'static str>) {
    let report = RunReport::new(run, analysis);
    let document = report.document().expect("it can be drawn");
    let read = (&document.sentences, &document.summary, &document.sections);
    let text = serde_json::to_string(&read).expect("it can be written");
    (text, document.sections.iter().map(|section| section.id).collect())
}

fn anchor(section: Section) -> Option<&'static str> {
    match section {
        Section::Summary => None,
        Section::Speed => Some("speed"),
        Section::Depth => Some("depth"),
        Section::Parallel => Some("together"),
        Section::Memory => Some("memory"),
        Section::Load => Some("load"),
        Section::Energy => Some("energy"),
        Section::Quality => Some("quality"),
        Section::Prompts => Some("prompts"),
    }
}

#[test]
fn every_metric_is_shown_or_says_why_not() {
    let runs = KldOf::ALL.map(everything);
    let found = runs.each_ref().map(|run| Analysis { warnings: Vec::new(), ..analyse(run) });
    let has = |a: &Analysis, id: &MetricId| {
        a.models.iter().any(|m| m.metric(id).is_some() || m.comparison(id).is_some_and(|c| c.verdict.is_some()))
    };
    let options = Options { width: 2_000, ..Options::default() };
    for id in every_metric() {
        let measured = runs.iter().zip(&found).find(|(_, a)| has(a, &id));
        let (run, analysis) =
            measured.unwrap_or_else(|| panic!("{id} is not measured in a run that measures everything"));
        let mut without = analysis.clone();
        for model in &mut without.models {
            model.metrics.retain(|m| m.id != id);
            model.vs_original.retain(|c| c.id != id);
        }
        let spec = id.spec();
        // Whoever reads the metric itself changes without it; whoever reads its details names it by its head.
        let named = |text: &str| {
            let heads = spec.column.iter().map(|column| column.title.clone()).chain([id.to_string()]);
            heads.into_iter().any(|head| text.contains(&head))
        };
        let text = |format, analysis| {
            render(format, &RunReport::new(run, analysis), &options).unwrap_or_else(|e| panic!("{id}: {e}"))
        };
        let (read, sections) = page(run, analysis);
        assert!(named(&read) || read != page(run, &without).0, "no section shows {id}");
        assert!(anchor(spec.section).is_none_or(|own| sections.contains(&own)), "{id} has no section");
        assert!(text(Format::Json, analysis).contains(&format!("\"{id}\": {{")), "{id} is not in JSON");
        let is_left_out = |output| spec.left_out.iter().any(|(own, _)| *own == output);
        let csv = text(Format::Csv, analysis);
        let in_csv = csv.lines().any(|line| line.split(',').nth(1) == Some(&id.to_string()));
        assert_ne!(in_csv, is_left_out(Output::Csv), "{id} in CSV");
        let terminal = text(Format::Text, analysis);
        // Heads are wrapped there: all their words stand above the line.
        let head: Vec<&str> =
            terminal.lines().take_while(|l| !l.starts_with('─')).flat_map(str::split_whitespace).collect();
        let has_column = spec.column.iter().any(|c| c.title.split_whitespace().all(|word| head.contains(&word)));
        let in_terminal = has_column || terminal != text(Format::Text, &without);
        assert_ne!(in_terminal, is_left_out(Output::Terminal), "{id} in the terminal:\n{terminal}");
    }
}
