//! The formats for scripts and for other people's tools: llama-bench's rows, templates of one's own, the recommendation alone.

use super::fixture::{analysis, read_again, run};
use crate::{
    record::{Run, WorkloadKind},
    report::{Format, Options, Report, RunReport, format::PageError, render, render_template},
};

fn rows(format: Format) -> String {
    let run = run();
    render(format, &RunReport::new(&run, &analysis(&run)), &Options::default()).expect("the fixture renders")
}

/// Models with samples, and the synthetic workloads.
fn expected_rows(run: &Run) -> usize {
    let synthetic = run.plan.workloads.iter().filter(|w| !matches!(w.kind, WorkloadKind::Prompt(_))).count();
    let sampled =
        |model: usize| run.rounds.iter().flat_map(|r| &r.visits).any(|v| v.model == model && !v.samples.is_empty());
    synthetic * (0..run.subjects.len()).filter(|&m| sampled(m)).count()
}

/// The fields of llama-bench b11434 in its order, from its own `-o csv`.
const FIELDS: &str = "build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,model_size,model_n_params,\
    n_batch,n_ubatch,n_threads,cpu_mask,cpu_strict,poll,type_k,type_v,n_gpu_layers,n_cpu_moe,split_mode,main_gpu,no_kv_offload,\
    flash_attn,devices,tensor_split,tensor_buft_overrides,load_mode,lazy_mode,embeddings,no_op_offload,no_host,repack,fit_target,\
    fit_min_ctx,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_ts";

#[test]
fn llama_bench_rows_have_its_fields() {
    let csv = rows(Format::LlamaBenchCsv);
    assert_eq!(csv.lines().next(), Some(FIELDS));
    assert_eq!(csv.lines().count(), 1 + expected_rows(&run()));
    let json: Vec<serde_json::Value> = serde_json::from_str(&rows(Format::LlamaBenchJson)).expect("JSON");
    let lines: Vec<serde_json::Value> =
        rows(Format::LlamaBenchJsonl).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(json, lines);
    for row in &json {
        assert!(FIELDS.split(',').all(|f| row.get(f).is_some()), "{row}");
        assert!(row["cpu_strict"].is_boolean() && row["n_threads"].is_u64() && row["avg_ts"].is_f64());
        let samples: Vec<f64> =
            row["samples_ns"].as_array().expect("samples").iter().filter_map(serde_json::Value::as_f64).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        assert!((mean - row["avg_ns"].as_f64().expect("a number")).abs() <= 1.0, "the plain mean of the samples");
    }
}

#[test]
fn llama_bench_sql_creates_what_it_fills() {
    let mut run = run();
    run.machine.cpu = "O'Brien); DROP TABLE llama_bench; --".into();
    let sql = render(Format::LlamaBenchSql, &RunReport::new(&run, &analysis(&run)), &Options::default()).expect("SQL");
    assert!(sql.starts_with("CREATE TABLE IF NOT EXISTS llama_bench (\n  build_commit TEXT,\n  build_number INTEGER,"));
    assert_eq!(sql.matches("INSERT INTO llama_bench (build_commit, ").count(), expected_rows(&run));
    assert!(sql.contains("'O''Brien); DROP TABLE llama_bench; --'"));
}

#[test]
fn llama_bench_markdown() {
    insta::assert_snapshot!(rows(Format::LlamaBenchMd));
}

fn own_template(name: &str, source: &str, run: &Run) -> Result<String, PageError> {
    let analysis = analysis(run);
    let report = RunReport::new(run, &analysis);
    render_template(name, source, &report.document().expect("it can be drawn"), &analysis)
}

#[test]
fn the_example_template_renders() {
    let run = run();
    let source = include_str!("../../../examples/model-card.md.jinja");
    let card = own_template("model-card.md.jinja", source, &run).expect("it renders");
    let table: Vec<&str> = card.lines().filter(|l| l.starts_with('|')).collect();
    assert_eq!(table.len(), 2 + run.subjects.len(), "{card}");
    assert!(table.iter().all(|l| l.matches('|').count() == table[0].matches('|').count()), "{card}");
    assert!(card.ends_with('\n') && card.contains("No recommendation"), "{card}");
}

#[test]
fn a_template_sees_all_and_its_mistakes_are_told() {
    let run = run();
    let own = |name, source| own_template(name, source, &run);
    let all = own("x.txt", "{{ sections|length }} {{ charts|length }} {{ analysis.models[0].metrics.tg128.value }}");
    assert!(all.expect("it renders").ends_with(" 20.0"));
    let charts =
        own("x.txt", "{% for c in charts if c.section == 'load' %}{{ c.id }} {{ c.svg|length > 0 }}{% endfor %}");
    assert_eq!(charts.expect("it renders"), "chart-load True");
    assert_eq!(own("x.html", "{{ '<b>' }}").expect("it renders"), "&lt;b&gt;");
    assert_eq!(own("x.txt", "{{ '<b>' }}").expect("it renders"), "<b>");
    for source in ["{{ view.nothing }}", "{{ view.title", "{% include 'other' %}"] {
        let Err(PageError::Template { message }) = own("x.txt", source) else { panic!("{source} renders") };
        assert!(!message.is_empty());
    }
}

#[test]
fn the_recommendation_alone() {
    let run = run();
    let text = render(Format::Recommendation, &RunReport::new(&run, &analysis(&run)), &Options::default())
        .expect("it renders");
    assert!(text.starts_with("No recommendation. Outputs were not compared"), "{text}");
    assert!(text.contains("--max-kld"), "{text}");
}

#[test]
fn a_page_of_ten_models_is_small() {
    let (mut run, mut analysis) = (run(), analysis(&run()));
    for i in analysis.models.len()..10 {
        let (mut model, mut info) = (analysis.models[1].clone(), run.subjects[1].clone());
        model.name = format!("Q{i}_K");
        info.name.clone_from(&model.name);
        analysis.models.push(model);
        run.subjects.push(info);
        for round in &mut run.rounds {
            let mut visit = round.visits[0].clone();
            visit.model = i;
            round.visits.push(visit);
        }
    }
    read_again(&mut analysis, &run);
    let page = render(Format::Html, &RunReport::new(&run, &analysis), &Options::default()).expect("it renders");
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}
