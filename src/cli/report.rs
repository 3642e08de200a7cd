//! report: renders a record again, from the record alone, or several side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::{exit::Exit, outputs, say, values::not_negative, votes, wishes::WishArgs};
use crate::{
    analysis,
    record::{self, Run},
    report::{self, Format, LlamaBench, records::Form},
};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A record written by a run, or its folder; several are put side by side, each held against the first
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// What to render
    #[arg(long, value_enum, default_value_t = FormatArg::Html)]
    format: FormatArg,
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
    wishes: WishArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Html,
    Md,
    Csv,
    Json,
    Text,
    /// llama-bench's rows as Markdown; likewise below
    LlamaBenchMd,
    LlamaBenchCsv,
    LlamaBenchJson,
    LlamaBenchJsonl,
    LlamaBenchSql,
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Html => Self::Html,
            FormatArg::Md => Self::Markdown,
            FormatArg::Csv => Self::Csv,
            FormatArg::Json => Self::Json,
            FormatArg::Text => Self::Text,
            FormatArg::LlamaBenchMd => Self::LlamaBench(LlamaBench::Markdown),
            FormatArg::LlamaBenchCsv => Self::LlamaBench(LlamaBench::Csv),
            FormatArg::LlamaBenchJson => Self::LlamaBench(LlamaBench::Json),
            FormatArg::LlamaBenchJsonl => Self::LlamaBench(LlamaBench::JsonLines),
            FormatArg::LlamaBenchSql => Self::LlamaBench(LlamaBench::Sql),
        }
    }
}

impl FormatArg {
    /// The form in which several records are put side by side; `None` for llama-bench's, which are of one.
    fn of_several(self) -> Option<Form> {
        match self {
            Self::Html => Some(Form::Html),
            Self::Md => Some(Form::Markdown),
            Self::Csv => Some(Form::Csv),
            Self::Json => Some(Form::Json),
            Self::Text => Some(Form::Text),
            Self::LlamaBenchMd
            | Self::LlamaBenchCsv
            | Self::LlamaBenchJson
            | Self::LlamaBenchJsonl
            | Self::LlamaBenchSql => None,
        }
    }
}

pub(super) fn run(args: &ReportArgs) -> Result<Exit> {
    match args.runs.as_slice() {
        [path] => one(args, &record::locate(path)),
        paths => several(args, paths),
    }
}

fn one(args: &ReportArgs, path: &Path) -> Result<Exit> {
    let mut run = record::read_run(path)?;
    let typed = args.wishes.record().is_some() || args.max_kld.is_some();
    if typed {
        // The page carries the record it shows, so that it can be drawn again: with the wishes it was drawn by.
        run.wishes = Some(args.wishes.over(run.wishes.take(), args.max_kld));
    }
    let mut analysis = analysis::analyse(&run);
    analysis.votes = args.votes.as_deref().map(|votes| votes::counted(votes, &run)).transpose()?;
    if let Some(template) = &args.template {
        let source =
            std::fs::read_to_string(template).with_context(|| format!("read the template {}", template.display()))?;
        let text = report::render_template(&template.to_string_lossy(), &source, &analysis)
            .with_context(|| format!("the template {}", template.display()))?;
        return match args.out.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => outputs::put(path, &text),
            // The analysis that a template may name holds the record's own letters.
            None => say(&text),
        };
    }
    let format = if args.recommend { Format::Recommendation } else { args.format.into() };
    let beside = || path.with_file_name("report.html");
    match (&args.out, format) {
        (Some(path), _) => outputs::write(path, format, &run, &analysis)?,
        (None, Format::Html) => {
            outputs::write(&beside(), format, &run, &analysis)?;
            say(&format!("{}\n", beside().display()))?;
        }
        (None, _) => outputs::write("-".as_ref(), format, &run, &analysis)?,
    }
    Ok(Exit::Fine)
}

/// Records side by side. What recommends a model is of one record.
fn several(args: &ReportArgs, paths: &[PathBuf]) -> Result<Exit> {
    let of_one = [
        (args.template.is_some(), "--template"),
        (args.recommend, "--recommend"),
        (args.wishes.record().is_some() || args.max_kld.is_some(), "a limit or a preference"),
    ];
    if let Some((_, option)) = of_one.iter().find(|(given, _)| *given) {
        return Ok(super::usage(&format!("{option} is for one record, and here are {}", paths.len())));
    }
    let Some(form) = args.format.of_several() else {
        return Ok(super::usage(&format!("llama-bench's rows are of one record, and here are {}", paths.len())));
    };
    let runs: Vec<Run> = paths.iter().map(|path| record::read_run(path)).collect::<Result<_, _>>()?;
    let several = analysis::several::several(&runs).context("there is no record")?;
    let page = Path::new("records.html");
    let out = match (&args.out, form) {
        (Some(out), _) => out.as_path(),
        (None, Form::Html) => page,
        (None, _) => "-".as_ref(),
    };
    let options = if out.as_os_str() == "-" { outputs::for_terminal() } else { report::Options::default() };
    outputs::put(out, &report::records::render(form, &several, &options)?)?;
    if args.out.is_none() && form == Form::Html {
        say(&format!("{}\n", page.display()))?;
    }
    Ok(Exit::Fine)
}
