//! demo: the bundled model, quantized here and compared, without a download.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use super::{
    bench::{self, Job, observer},
    console::Exit,
    gate::GateArgs,
    machine::Environment,
    options::{MeasureArgs, Request, precision::Scale, quality::Texts},
    outputs::{Layout, OutputArgs},
    quantize::{self, CheckpointDir, Checkpoints, QuantizeRequest},
    recipe::RecipeArgs,
    session,
    subjects::{self, Recipe, Source},
};
use crate::{prompts, record::Purpose};

/// The bundled model, 4.2 million parameters, in F16.
const POCKET: &[u8] = include_bytes!("../../vendor/models/pocket-4m-f16.gguf");
const POCKET_FILE: &str = "pocket-4m-f16.gguf";
const TYPES: [&str; 3] = ["Q8_0", "Q4_K_M", "Q2_K"];
/// Its samples last milliseconds, so a round takes many.
const QUICK_INNER: u32 = 8;
/// Of as many documents: a second's work.
const WINDOWS: usize = 16;
/// A minute, so that a person watches to the end.
const BUDGET_S: u64 = 60;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    measure: MeasureArgs,
}

pub(super) fn run(args: DemoArgs) -> Result<Exit> {
    let DemoArgs { output, measure } = args;
    let environment = Environment::with_servers(&measure.engine.rpc_servers())?;
    let scale = Scale { quick_inner: QUICK_INNER, aim_s: Some(BUDGET_S), ..Scale::usual() };
    let texts = Texts { defaults: prompts::pocket_documents, quick: false, most_windows: Some(WINDOWS) };
    let Request { plan, variants, inputs, constraints, execution } =
        measure.into_request(scale, texts, &environment)?;
    let types = quantize::types(&TYPES.map(String::from), false)?;
    let folder = CheckpointDir::open(None)?;
    let original = folder.path().join(POCKET_FILE);
    unpack(&original)?;
    let source = Source { recipe: Some(Recipe::Bundled), ..Source::found(&original.display().to_string()) };
    let (n_threads, options) = (variants.base().n_threads, RecipeArgs::default());
    let replace = output.replace;
    let request = QuantizeRequest { types: &types, n_threads, allow_requantize: false, options: &options, replace };
    if execution.dry_run {
        session::check_place(&output.place(&Layout::Folder), output.replace)?;
        let subjects = subjects::find(vec![source], &variants);
        let made = Checkpoints::planned(subjects.first(), &request, None)?;
        return bench::show_plan(subjects, &plan, &environment, Some(&made), execution.force);
    }
    let sources = quantize::make(&folder, &source, &request, observer(&output.results).as_mut())?;
    let subjects = subjects::find(sources, &variants);
    bench::measure(Job {
        purpose: Purpose::Comparison,
        plan,
        subjects,
        inputs,
        constraints,
        tuning: None,
        execution,
        environment,
        layout: Layout::Folder,
        output,
        gate: GateArgs::default(),
    })
}

/// Writes the bundled model to a file.
pub(super) fn unpack(path: &Path) -> Result<()> {
    crate::record::write_atomically(path, POCKET).context("unpack the bundled model")
}
