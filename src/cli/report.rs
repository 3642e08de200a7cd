//! report: renders a record again, from the record alone, or several side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use super::{
    console::{Exit, error_chain, notice, print_text, usage_error},
    gate::{self, GateArgs, LIMITS},
    options::{recommendation::RecommendationArgs, values::not_negative},
    outputs,
};
use crate::{
    analysis::{
        self,
        history::{History, LeftOut},
        votes::{Cast, VoteCount},
    },
    record::{self, Run},
    report::{self, Format, Report, RunReport, gate::Held},
};

#[derive(Debug, Args)]
#[command(after_help = LIMITS)]
pub(super) struct ReportArgs {
    /// A record written by a run, or its folder; several are put side by side, each held against the first. Of any other folder all
    /// records below it are put in order of time, each held against the earliest of its machine and models
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// What to render
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Where to (- = stdout) [default: stdout; for html, report.html beside the record, of several records.html here]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Render this minijinja template instead; TEMPLATES.md says what it can name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "recommend"])]
    template: Option<PathBuf>,
    /// Count the votes that someone cast on this record's page, judging its answers blind
    #[arg(long, value_name = "FILE")]
    votes: Option<PathBuf>,
    /// Say which model to take and why, and nothing else
    #[arg(long, conflicts_with = "format", help_heading = "Recommendation")]
    recommend: bool,
    /// Recommend only what diverges at most so far: mean KLD in nats [default: the record's, else 0.05]
    #[arg(long, value_name = "NATS", value_parser = not_negative, help_heading = "Recommendation")]
    max_kld: Option<f64>,
    #[command(flatten)]
    recommendation: RecommendationArgs,
    #[command(flatten)]
    gate: GateArgs,
}

pub(super) fn run(args: &ReportArgs) -> Result<Exit> {
    args.gate.check_file()?;
    match args.runs.as_slice() {
        [path] if path.is_dir() && !record::locate(path).is_file() => below(args, path),
        [path] => one(args, &record::locate(path)),
        paths => {
            if let Some(refused) = of_one_record(args, paths.len()) {
                return Ok(refused);
            }
            let runs: Vec<Run> = paths.iter().map(|path| record::read_run(path)).collect::<Result<_, _>>()?;
            history(args, &analysis::history::history(&runs).context("there is no record")?, runs.len())
        }
    }
}

fn one(args: &ReportArgs, path: &Path) -> Result<Exit> {
    let mut run = record::read_run(path)?;
    let typed = args.recommendation.constraints().is_some() || args.max_kld.is_some();
    if typed {
        // The page carries the record it shows, so that it can be drawn again: with the constraints it was drawn by.
        run.constraints = Some(args.recommendation.over(run.constraints.take(), args.max_kld));
    }
    let mut analysis = analysis::analyse(&run);
    analysis.votes = args.votes.as_deref().map(|votes| counted_votes(votes, &run)).transpose()?;
    let gate = args.gate.of_run(&run)?;
    let report = RunReport::new(&run, &analysis).gated(gate.as_ref());
    args.gate.write(gate.as_ref(), Held::Run, "gguf-bench report")?;
    let exit = gate::exit(gate.as_ref(), Exit::Fine);
    if let Some(template) = &args.template {
        let source =
            std::fs::read_to_string(template).with_context(|| format!("read the template {}", template.display()))?;
        let text = report::render_template(&template.to_string_lossy(), &source, &*report.document()?, &analysis)
            .with_context(|| format!("the template {}", template.display()))?;
        match args.out.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => outputs::write_text(path, &text)?,
            // The analysis that a template may name holds the record's own letters.
            None => print_text(&text)?,
        };
        return Ok(exit);
    }
    let format = if args.recommend { Format::Recommendation } else { args.format };
    let beside = || path.with_file_name("report.html");
    match (&args.out, format) {
        (Some(path), _) => outputs::write_report(path, format, &report)?,
        (None, Format::Html) => {
            outputs::write_report(&beside(), format, &report)?;
            print_text(&format!("{}\n", beside().display()))?;
        }
        (None, _) => outputs::write_report("-".as_ref(), format, &report)?,
    }
    Ok(exit)
}

/// All records below a folder, by machine and model over time.
fn below(args: &ReportArgs, folder: &Path) -> Result<Exit> {
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    collect(folder, &mut |path| match record::read_run(path) {
        Ok(run) => runs.push(run),
        Err(error) => {
            left_out.push(LeftOut { file: path.display().to_string(), reason: error_chain(&error.into()) });
        }
    })?;
    if let Some(refused) = of_one_record(args, runs.len()) {
        return Ok(refused);
    }
    for LeftOut { reason, .. } in &left_out {
        notice(&format!("left out: {reason}\n"));
    }
    let n = runs.len();
    let found = analysis::history::over_time(runs, left_out)
        .with_context(|| format!("there is no record in {} or below", folder.display()))?;
    history(args, &found, n)
}

/// Hands over every folder of a run and every other JSON file below a folder, in order. Links are not followed: they may lead back.
fn collect(folder: &Path, found: &mut impl FnMut(&Path)) -> Result<()> {
    let read = || -> std::io::Result<Vec<std::fs::DirEntry>> { std::fs::read_dir(folder)?.collect() };
    let mut entries = read().with_context(|| format!("look into {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let own = record::locate(folder);
    if own.is_file() {
        found(folder);
    }
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().with_context(|| format!("look at {}", path.display()))?;
        if kind.is_dir() {
            collect(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "json") {
            let of_the_run = own.is_file() && path.file_name().is_some_and(|name| name == "run.json");
            if !of_the_run {
                found(&path);
            }
        }
    }
    Ok(())
}

/// Refuses what is of one record: what recommends a model, and a template.
fn of_one_record(args: &ReportArgs, records: usize) -> Option<Exit> {
    let of_one = [
        (args.template.is_some(), "--template"),
        (args.recommend, "--recommend"),
        (args.recommendation.constraints().is_some() || args.max_kld.is_some(), "a limit or a preference"),
        (!args.gate.limits().is_empty(), "--fail-if"),
    ];
    let (_, option) = of_one.iter().find(|(given, _)| *given)?;
    Some(usage_error(&format!("{option} is for one record, and here are {records}")))
}

/// Writes records side by side.
fn history(args: &ReportArgs, history: &History, records: usize) -> Result<Exit> {
    let page = Path::new("records.html");
    let out = match (&args.out, args.format) {
        (Some(out), _) => out.as_path(),
        (None, Format::Html) => page,
        (None, _) => "-".as_ref(),
    };
    match outputs::write_report(out, args.format, history) {
        Err(error) if matches!(error.downcast_ref(), Some(report::Error::NotOneRecord)) => {
            return Ok(usage_error(&format!("{error}, and here are {records}")));
        }
        written => written?,
    }
    if args.out.is_none() && args.format == Format::Html {
        print_text(&format!("{}\n", page.display()))?;
    }
    Ok(Exit::Fine)
}

/// Counts the votes of a file that the page's blind judging saved.
fn counted_votes(path: &Path, run: &Run) -> Result<Vec<VoteCount>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the votes in {}", path.display()))?;
    let cast: Cast =
        serde_json::from_str(&text).with_context(|| format!("understand the votes in {}", path.display()))?;
    analysis::votes::count(run, &cast).with_context(|| format!("count the votes in {}", path.display()))
}
