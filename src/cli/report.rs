//! report: renders a record again, from the record alone.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::{exit::Exit, outputs, print, values::not_negative, votes, wishes::WishArgs};
use crate::{
    analysis, record,
    report::{self, Format, LlamaBench},
};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A record written by a run, or its folder
    run: PathBuf,
    /// What to render
    #[arg(long, value_enum, default_value_t = FormatArg::Html)]
    format: FormatArg,
    /// Where to (- = stdout) [default: stdout; for html, report.html beside the record]
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

pub(super) fn run(args: &ReportArgs) -> Result<Exit> {
    let path = if args.run.is_dir() { args.run.join("run.json") } else { args.run.clone() };
    let mut run = record::read_run(&path)?;
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
        let text = report::render_template(&template.to_string_lossy(), &source, &run, &analysis)
            .with_context(|| format!("the template {}", template.display()))?;
        return outputs::put(args.out.as_deref().unwrap_or("-".as_ref()), &text);
    }
    let format = if args.recommend { Format::Recommendation } else { args.format.into() };
    let beside = || path.with_file_name("report.html");
    match (&args.out, format) {
        (Some(path), _) => outputs::write(path, format, &run, &analysis)?,
        (None, Format::Html) => {
            outputs::write(&beside(), format, &run, &analysis)?;
            print(&format!("{}\n", beside().display()))?;
        }
        (None, _) => outputs::write("-".as_ref(), format, &run, &analysis)?,
    }
    Ok(Exit::Fine)
}
