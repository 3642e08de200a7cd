//! demo: the bundled model, quantized here and compared, without a download.

use std::path::Path;

use anyhow::{Context, Result};

use super::{
    args::DemoArgs,
    bench::{self, Job},
    exit::Exit,
    machine,
    plan::{self, Setting},
    preview, quality,
    quantize::{self, Workshop},
    remake::Recipe,
    subjects::{self, Source},
};

use crate::{prompts, record::Purpose};

/// The bundled model, 4.2 million parameters, in F16.
const POCKET: &[u8] = include_bytes!("../../vendor/models/pocket-4m-f16.gguf");
const POCKET_FILE: &str = "pocket-4m-f16.gguf";
const TYPES: [&str; 3] = ["Q8_0", "Q4_K_M", "Q2_K"];
/// Its samples last milliseconds, so a round takes many.
const QUICK_INNER: u32 = 8;
/// A minute, so that a person watches to the end.
const BUDGET_S: u64 = 60;

pub(super) fn run(args: &DemoArgs) -> Result<Exit> {
    let here = machine::here()?;
    let quality = quality::quick(&args.measure, prompts::pocket_texts)?;
    let setting = Setting { n_models: 1 + TYPES.len(), quick_inner: QUICK_INNER, budget_s: Some(BUDGET_S) };
    let plan = plan::plan(&args.measure, &setting, &quality, &here.machine)?;
    let settings = plan::settings(&args.measure, here.machine.allowed_cpus);
    let types = quantize::types(&TYPES.map(String::from))?;
    let workshop = Workshop::open(None)?;
    let original = workshop.path().join(POCKET_FILE);
    unpack(&original)?;
    let original = original.display().to_string();
    if args.measure.dry_run {
        let found = subjects::find(&[Source::found(&original)], &settings);
        return preview::show(found, &plan, &settings, &here, &types, args.measure.force);
    }
    let mut observer = bench::observer(&args.measure);
    let request = quantize::Request {
        original: &original,
        types: &types,
        n_threads: settings.n_threads,
        allow_requantize: false,
    };
    let mut sources = quantize::make(&workshop, &request, observer.as_mut())?;
    if let Some(bundled) = sources.first_mut() {
        bundled.recipe = Some(Recipe::Bundled);
    }
    drop(observer);
    bench::measure(Job { args: &args.measure, plan, settings, here, sources, quality, purpose: Purpose::Comparison })
}

/// Writes the bundled model to a file.
pub(super) fn unpack(path: &Path) -> Result<()> {
    crate::record::write_atomically(path, POCKET).context("unpack the bundled model")
}
