//! Where results go: the run's folder, extra files, and the terminal.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    console::{Exit, error_chain, print_stdout},
    interrupt,
};
use crate::{
    probe, record,
    report::{self, Colour, Format, Options, Report, RunReport},
};

/// Under which names results are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layout {
    /// run.json and its reports in one folder.
    #[default]
    Folder,
    /// Where the benchmarking guide's commands say.
    Files {
        /// The record.
        record: PathBuf,
        /// The HTML report.
        report: Option<PathBuf>,
    },
}

/// Where the results of a run go.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Folder for run.jsonl, run.json, report.html, report.md and summary.csv [default: results/<UTC time>]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) replace: ReplaceArgs,
    #[command(flatten)]
    pub(super) results: ResultArgs,
}

/// What becomes of results that are already where new ones are to go.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct ReplaceArgs {
    /// Replace what an earlier run left in the same place
    #[arg(long, help_heading = "Output")]
    pub(super) overwrite: bool,
}

impl ReplaceArgs {
    /// Refuses a file that would be replaced without a word.
    pub(super) fn check_file(self, path: &Path, option: &str) -> Result<()> {
        if !self.overwrite && path.is_file() {
            bail!("{} is there already: choose another {option}, or replace it with --overwrite", path.display());
        }
        Ok(())
    }
}

impl OutputArgs {
    /// With its folder named, which by default is named after the time.
    pub(super) fn settled(self) -> Self {
        Self { out: Some(self.out.unwrap_or_else(default_folder)), ..self }
    }

    /// Where results would go; nothing is made there.
    pub(super) fn place(&self, layout: &Layout) -> Outputs {
        Outputs::of(layout, || self.out.clone().unwrap_or_else(default_folder))
    }
}

fn default_folder() -> PathBuf {
    Path::new("results").join(probe::utc_now().compact())
}

/// What is written besides the run's own files, and what is shown meanwhile.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Args)]
pub(super) struct ResultArgs {
    /// Write the analysis as JSON (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write one CSV row a metric (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Write Markdown (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    md: Option<PathBuf>,
    /// Write the HTML report (- = stdout)
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    html: Option<PathBuf>,
    /// No progress display
    #[arg(short, long, help_heading = "Output")]
    #[serde(skip)]
    pub(super) quiet: bool,
}

/// Whether stdout is one of the formats', so that nothing else may be printed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    Free,
    Taken,
}

impl ResultArgs {
    fn formats(&self) -> impl Iterator<Item = (&Path, Format)> {
        self.options().map(|(_, path, format)| (path, format))
    }

    /// With the option of each.
    fn options(&self) -> impl Iterator<Item = (&'static str, &Path, Format)> {
        let Self { json, csv, md, html, quiet: _ } = self;
        let all = [
            ("--json", json, Format::Json),
            ("--csv", csv, Format::Csv),
            ("--md", md, Format::Md),
            ("--html", html, Format::Html),
        ];
        all.into_iter().filter_map(|(option, path, format)| Some((option, path.as_deref()?, format)))
    }

    /// The files among them, the same from any folder: what goes to stdout is for whoever reads it now.
    pub(super) fn files(&self) -> Self {
        let file = |path: &Option<PathBuf>| path.as_deref().filter(|path| path.as_os_str() != "-").map(absolute);
        let Self { json, csv, md, html, quiet: _ } = self;
        Self { json: file(json), csv: file(csv), md: file(md), html: file(html), quiet: false }
    }

    /// What is given now, and of what is not, what was given before.
    pub(super) fn or(&self, before: &Self) -> Self {
        let either = |now: &Option<PathBuf>, then: &Option<PathBuf>| now.clone().or_else(|| then.clone());
        let Self { json, csv, md, html, quiet } = self;
        Self {
            json: either(json, &before.json),
            csv: either(csv, &before.csv),
            md: either(md, &before.md),
            html: either(html, &before.html),
            quiet: *quiet,
        }
    }

    /// Whether one of them goes to stdout.
    pub(super) fn stdout(&self) -> Stdout {
        if self.formats().any(|(path, _)| path.as_os_str() == "-") { Stdout::Taken } else { Stdout::Free }
    }

    /// Checks before anything slow starts that what is asked for can be written.
    pub(super) fn check(&self) -> Result<()> {
        for (option, path, _) in self.options().filter(|(_, path, _)| path.as_os_str() != "-") {
            check_writable(path, option)?;
        }
        if self.formats().filter(|(path, _)| path.as_os_str() == "-").count() > 1 {
            bail!("only one of --json, --csv, --md and --html can be written to stdout");
        }
        Ok(())
    }
}

/// Where the results of a run go: folders that are made and writable.
pub(super) struct Outputs {
    record: PathBuf,
    reports: Vec<(PathBuf, Format)>,
    /// The option that names another place.
    option: &'static str,
}

impl Outputs {
    /// Makes the folder and checks that it can be written to, before anything slow starts.
    pub(super) fn open(layout: &Layout, out: Option<PathBuf>, results: &ResultArgs) -> Result<Self> {
        let folder = || out.unwrap_or_else(default_folder);
        let outputs = Self::of(layout, folder);
        let option = outputs.option;
        let reports = outputs.reports.iter().map(|(path, _)| path);
        for path in std::iter::once(&outputs.record).chain(reports) {
            make_folder(folder_of(path), option)?;
        }
        results.check()?;
        Ok(outputs)
    }

    /// The files of a layout; `folder` is asked for where the layout does not say.
    pub(super) fn of(layout: &Layout, folder: impl FnOnce() -> PathBuf) -> Self {
        if let Layout::Files { record, report } = layout {
            let reports = report.iter().map(|path| (path.clone(), Format::Html)).collect();
            // Of the guide's commands the one that draws a report has a folder for both.
            let option = if report.is_some() { "--output or --output_dir" } else { "--output" };
            return Self { record: record.clone(), reports, option };
        }
        let folder = folder();
        let standard = [("report.html", Format::Html), ("report.md", Format::Md), ("summary.csv", Format::Csv)];
        let reports = standard.map(|(name, format)| (folder.join(name), format)).into();
        Self { record: folder.join("run.json"), reports, option: "--out" }
    }

    /// What to do where this place is taken.
    pub(super) fn choose(&self) -> String {
        format!("choose another {}", self.option)
    }

    /// The record.
    pub(super) fn record(&self) -> &Path {
        &self.record
    }

    /// The journal: run.jsonl beside run.json.
    pub(super) fn journal(&self) -> PathBuf {
        let taken = self.record.extension().is_some_and(|extension| extension == "jsonl");
        self.record.with_extension(if taken { "journal.jsonl" } else { "jsonl" })
    }

    /// Writes every report and prints what the person asked for. Whatever can't be written, the rest is, and the terminal is told.
    pub(super) fn report(&self, report: &RunReport<'_>, args: &ResultArgs) -> Result<Stdout> {
        let own = self.reports.iter().map(|(path, format)| (path.as_path(), *format));
        let failed: Vec<String> = own
            .chain(args.formats())
            .filter_map(|(path, format)| write_report(path, format, report).err())
            .map(|error| error_chain(&error))
            .collect();
        let stdout = args.stdout();
        if stdout == Stdout::Free {
            let page = self.reports.iter().find(|(path, format)| *format == Format::Html && path.is_file());
            let options = Options { written: page.map(|(path, _)| path.display().to_string()), ..for_terminal() };
            print_stdout(&report::render(Format::Text, report, &options)?)?;
        }
        if failed.is_empty() { Ok(stdout) } else { bail!("{}", failed.join("\n       ")) }
    }
}

/// Refuses, before anything slow starts, a file that could not be written in the end. Devices and pipes are not tried.
pub(super) fn check_writable(path: &Path, option: &str) -> Result<()> {
    let there = std::fs::metadata(path);
    if there.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
        bail!("{} is a folder: name the file to write ({option})", path.display());
    }
    if there.is_ok_and(|there| !there.is_file()) {
        return Ok(());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!("there is no folder {} to write {} to ({option})", folder.display(), path.display());
    }
    check_folder(folder, option)
}

/// Makes a folder where there is none, and refuses one that can't be written to.
pub(super) fn make_folder(folder: &Path, option: &str) -> Result<()> {
    interrupt::new_folders(folder);
    std::fs::create_dir_all(folder)
        .with_context(|| format!("make the folder {} (choose another with {option})", folder.display()))?;
    check_folder(folder, option)
}

/// Whether a file can be made there is seen by making one.
fn check_folder(folder: &Path, option: &str) -> Result<()> {
    tempfile::NamedTempFile::new_in(folder)
        .map(drop)
        .map_err(record::system_reason)
        .with_context(|| format!("write to {} (choose another with {option})", folder.display()))
}

/// A path that is right from any folder. A name that no Unicode spells can't be kept, and would be told as missing.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    PathBuf::from(absolute.to_string_lossy().into_owned())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Renders to a file, or to stdout for `-`.
pub(super) fn write_report(path: &Path, format: Format, report: &dyn Report) -> Result<()> {
    let options = if path.as_os_str() == "-" { for_terminal() } else { Options::default() };
    write_text(path, &report::render(format, report, &options)?).map(drop)
}

/// Writes to a file, or to stdout for `-`.
pub(super) fn write_text(path: &Path, text: &str) -> Result<Exit> {
    if path.as_os_str() == "-" {
        return print_stdout(text);
    }
    record::write_atomically(path, text.as_bytes())?;
    Ok(Exit::Fine)
}

/// As wide as the terminal, in colour where that is wanted.
pub(super) fn for_terminal() -> Options {
    let term = console::Term::stdout();
    let width = term.size_checked().map_or(100, |(_, columns)| columns);
    Options { width, colour: Wishes::of_environment().colour(std::io::stdout().is_terminal()), written: None }
}

/// What a person wishes of colours, by the conventions of no-color.org and bixense.com/clicolors: what is set to nothing is not set.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    never: bool,
    always: bool,
    /// Not even on a terminal, or on one that has none.
    off: bool,
}

impl Wishes {
    fn of_environment() -> Self {
        let is = |name, value| std::env::var_os(name).is_some_and(|set| set == value);
        let set = |name| std::env::var_os(name).is_some_and(|set| !set.is_empty());
        Self {
            never: set("NO_COLOR"),
            always: set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0"),
            off: is("CLICOLOR", "0") || is("TERM", "dumb"),
        }
    }

    fn colour(self, is_terminal: bool) -> Colour {
        if !self.never && (self.always || (is_terminal && !self.off)) { Colour::Always } else { Colour::Never }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_stronger_than_always_and_always_than_a_pipe() {
        let colour = |never, always, off| [true, false].map(|terminal| Wishes { never, always, off }.colour(terminal));
        assert_eq!(colour(false, false, false), [Colour::Always, Colour::Never]);
        assert_eq!(colour(false, true, false), [Colour::Always; 2]);
        assert_eq!(colour(false, true, true), [Colour::Always; 2]);
        assert_eq!(colour(true, true, false), [Colour::Never; 2]);
        assert_eq!(colour(false, false, true), [Colour::Never; 2]);
    }
}
