//! reference: evaluates an original once, and writes a file that stands for it wherever candidates are compared.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::{
    bench::{self, Job, Taken},
    console::{Exit, print_stdout},
    fetch,
    gate::GateArgs,
    interrupt,
    machine::Environment,
    options::{
        engine::EngineArgs,
        execution::ExecutionArgs,
        precision::{PrecisionArgs, Scale},
        quality::{OutputComparison, QualityArgs, Texts},
    },
    outputs::{self, Layout, OutputArgs, ReplaceArgs, ResultArgs},
    subjects,
};
use crate::{
    prompts,
    record::{DEFAULT_TOP_K, Outcome, Plan, PromptPolicy, Purpose, QualityMemory, Role, Sampling},
    run::quality::Inputs,
    text::printable,
    units::in_gib,
};

#[derive(Debug, Args)]
pub(super) struct ReferenceArgs {
    /// The original, named as in compare
    original: String,
    /// The file to write
    #[arg(long, value_name = "FILE.gbref")]
    out: PathBuf,
    #[command(flatten)]
    replace: ReplaceArgs,
    /// Tokens kept at each position
    #[arg(long, default_value_t = DEFAULT_TOP_K, value_name = "N")]
    top_k: usize,
    /// Tokens a window
    #[arg(long, visible_alias = "ctx-size", default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=1_000_000))]
    ctx: u32,
    /// A text to evaluate; may be repeated [default: the documents that come with the program]
    #[arg(long, value_name = "FILE|NAME=FILE")]
    text: Vec<String>,
    /// Most windows, over all texts (0 = no limit) [default: one of each document]
    #[arg(long, value_name = "N")]
    max_windows: Option<usize>,
    #[command(flatten)]
    execution: ExecutionArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: ReferenceArgs) -> Result<Exit> {
    let ReferenceArgs { original, out, replace, top_k, ctx, text, max_windows, execution, engine } = args;
    // One window of each keeps the file of a large vocabulary under 40 MB.
    let documents = text.is_empty().then(|| prompts::documents().len());
    outputs::check_writable(&out, "--out")?;
    replace.check_file(&out, "--out")?;
    let quality = QualityArgs {
        ctx: Some(ctx),
        text,
        quality_precision: 0.0,
        max_windows: max_windows.or(documents),
        max_kld: None,
        quality_memory: QualityMemory::Cached,
        cache_top_k: top_k,
        positions: None,
        no_statistics: false,
        overlap: false,
    };
    let texts = Texts { defaults: prompts::documents, quick: false, most_windows: None };
    let OutputComparison { plan, inputs } = quality.into_plan(texts)?;
    let environment = Environment::read()?;
    let variants = engine.into_variants(environment.threads)?;
    variants.only()?;
    let scale = Scale { aim_s: None, ..Scale::usual() };
    let plan = Plan {
        min_ctx: None,
        race: None,
        workloads: Vec::new(),
        protocol: PrecisionArgs::defaults()?.into_protocol(scale, &[], PromptPolicy::Always),
        sampling: Sampling::Greedy,
        seed: execution.seed,
        quality: Some(plan),
        threads: Some(variants.threads),
        task_work: None,
        left_out: Vec::new(),
    };
    let results = ResultArgs::default();
    let downloads = execution.downloads();
    let sources = fetch::sources([&*original], Role::Original, downloads, bench::observer(&results).as_mut());
    let subjects = subjects::find(sources, &variants);
    // Its record is of no use to anybody once the file is there.
    let folder = interrupt::temporary_folder()?;
    interrupt::nothing_is_kept();
    let taken = bench::take(Job {
        tuning: None,
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs: Inputs { save_reference: Some(out.clone()), ..inputs },
        constraints: None,
        execution,
        environment,
        layout: Layout::Folder,
        output: OutputArgs { out: Some(folder.path().join("run")), replace, results },
        gate: GateArgs::default(),
    })?;
    let finished = match taken {
        Taken::Finished(finished) => finished,
        Taken::Planned(exit) => return Ok(exit),
    };
    if let Some(Outcome::Failed { reason, .. }) = finished.run.subjects.first().map(|subject| &subject.outcome) {
        bail!("{}", printable(reason));
    }
    let Ok(file) = std::fs::metadata(&out) else { return Ok(bench::exit(&finished.run)) };
    let windows: usize = finished.run.quality.iter().flat_map(|quality| &quality.workers).map(|w| w.n_windows).sum();
    print_stdout(&format!("Reference: {}, {windows} windows, {:.1} MiB\n", out.display(), 1024.0 * in_gib(file.len())))
}
