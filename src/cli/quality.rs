//! quality, and the part of every measurement that compares outputs: from what was typed to texts and a plan.

use anyhow::{Context, Result, bail};
use base16ct::lower::encode_string as hex;
use sha2::{Digest, Sha256};

use super::{
    args::{MeasureArgs, QualityArgs},
    bench::{self, Job},
    exit::Exit,
    fetch, machine,
    plan::{self, Setting},
    subjects::Source,
};
use crate::{
    prompts::{self, Text},
    record::{Purpose, QualityMemory, QualityPlan, TextPlan},
    run::quality::{Inputs, Pace},
};

/// Never stop for precision before so many windows: the estimate of the spread must be one.
const MIN_WINDOWS: usize = 20;
/// Windows of a quick look, two of each of the texts that come with the program.
const QUICK_WINDOWS: usize = 16;

/// How outputs are to be compared, and on what.
pub(super) struct Wanted {
    /// `None` when they are not.
    pub(super) plan: Option<QualityPlan>,
    pub(super) inputs: Inputs,
}

/// What the options ask for; `defaults` are the texts when none is named.
pub(super) fn wanted(args: &MeasureArgs, defaults: fn() -> Vec<Text>) -> Result<Wanted> {
    within(args, defaults, args.quick)
}

/// The same, but no more than a quick look unless more is asked for.
pub(super) fn quick(args: &MeasureArgs, defaults: fn() -> Vec<Text>) -> Result<Wanted> {
    within(args, defaults, true)
}

fn within(args: &MeasureArgs, defaults: fn() -> Vec<Text>, quick: bool) -> Result<Wanted> {
    if args.no_quality {
        return Ok(Wanted { plan: None, inputs: Inputs::default() });
    }
    // Asking for all windows is asking for more than a quick look.
    let limit = (quick && args.quality_precision > 0.0).then_some(QUICK_WINDOWS);
    let texts = if args.text.is_empty() {
        defaults()
    } else {
        let read = |spec: &String| prompts::read_text(spec).with_context(|| format!("read the text {spec}"));
        args.text.iter().map(read).collect::<Result<_>>()?
    };
    let plan = QualityPlan {
        n_ctx: args.ctx,
        texts: texts.iter().map(text_plan).collect(),
        precision: args.quality_precision,
        min_windows: MIN_WINDOWS,
        max_windows: args.max_windows.map_or(limit, |most| (most > 0).then_some(most)),
        max_kld_nats: args.max_kld,
        memory: args.quality_memory,
        cache_top_k: args.cache_top_k,
    };
    let inputs = Inputs {
        texts: texts.iter().map(|text| text.scored().to_owned()).collect(),
        skip_statistics: args.no_statistics,
        pace: args.overlap.then_some(Pace::Overlapped),
        ..Inputs::default()
    };
    Ok(Wanted { plan: Some(plan), inputs })
}

fn text_plan(text: &Text) -> TextPlan {
    TextPlan {
        name: text.name.clone(),
        domain: text.domain.clone(),
        sha256: Some(hex(&Sha256::digest(text.body.as_bytes()))),
        bytes: Some(text.body.len() as u64),
    }
}

pub(super) fn run(args: &QualityArgs) -> Result<Exit> {
    let measure = &args.measure;
    if measure.no_quality {
        bail!("nothing to do: this command only compares outputs");
    }
    let mut quality = wanted(measure, prompts::builtin_texts)?;
    quality.inputs.logits.clone_from(&args.logits);
    quality.inputs.save_logits.clone_from(&args.save_logits);
    if args.logits.is_some() && measure.quality_memory == QualityMemory::Cached {
        bail!("--quality-memory cached keeps a part of the original's output; with --logits all of it is there");
    }
    if args.save_logits.is_some() {
        if quality.inputs.texts.len() != 1 {
            bail!("--save-logits writes the windows of one text: name it with --text");
        }
        // The file's header says how many windows follow.
        if let Some(plan) = &mut quality.plan {
            plan.precision = 0.0;
        }
    }
    let here = machine::here()?;
    let allowed_cpus = here.machine.allowed_cpus;
    let setting = Setting { n_models: args.models.len(), quick_inner: 1, budget_s: None };
    let mut plan = plan::plan(measure, &setting, &quality, &here.machine)?;
    plan.workloads.clear();
    (plan.protocol.min_rounds, plan.protocol.max_rounds, plan.protocol.prompt_rounds) = (0, 0, 0);
    plan.protocol.budget_s = None;
    let sources: Vec<Source> = fetch::sources(
        args.models.iter().map(String::as_str),
        fetch::Downloads::of(measure),
        bench::observer(measure).as_mut(),
    );
    if let Some(path) = &args.logits {
        if let Some(plan) = &mut plan.quality {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            plan.texts = vec![TextPlan { domain: name.clone(), name, sha256: None, bytes: None }];
        }
    } else if sources.len() < 2 && args.save_logits.is_none() {
        bail!("name the original and at least one quantized checkpoint to compare with it");
    }
    let settings = plan::settings(measure, allowed_cpus);
    bench::measure(Job { args: measure, plan, settings, here, sources, quality, purpose: Purpose::Comparison })
}
