//! Where results go: the run's folder, extra files, and the terminal.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{args::MeasureArgs, exit::Exit, print};
use crate::{
    analysis::{self, Analysis},
    probe,
    record::{self, Run},
    report::{self, Colour, Format, Options},
};

/// Under which names results are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// Where the results of a run go: folders that are made and writable.
pub(super) struct Outputs {
    record: PathBuf,
    reports: Vec<(PathBuf, Format)>,
}

impl Outputs {
    /// Makes the folder and checks that it can be written to, before anything slow starts.
    pub(super) fn open(args: &MeasureArgs) -> Result<Self> {
        let outputs = Self::of(args);
        let option = if args.layout == Layout::Folder { "--out" } else { "--output" };
        let reports = outputs.reports.iter().map(|(path, _)| path);
        for path in std::iter::once(&outputs.record).chain(reports) {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)
                .with_context(|| format!("make the folder {} (choose another with {option})", folder.display()))?;
            tempfile::NamedTempFile::new_in(folder)
                .with_context(|| format!("write to {} (choose another with {option})", folder.display()))?;
        }
        let extras = [&args.json, &args.csv, &args.md, &args.html];
        for path in extras.into_iter().flatten().filter(|p| p.as_os_str() != "-") {
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !parent.is_dir() {
                bail!("there is no folder {} to write {} to", parent.display(), path.display());
            }
        }
        if extras.into_iter().flatten().filter(|p| p.as_os_str() == "-").count() > 1 {
            bail!("only one of --json, --csv, --md and --html can be written to stdout");
        }
        Ok(outputs)
    }

    fn of(args: &MeasureArgs) -> Self {
        if let Layout::Files { record, report } = &args.layout {
            let reports = report.iter().map(|path| (path.clone(), Format::Html)).collect();
            return Self { record: record.clone(), reports };
        }
        let folder = args.out.clone().unwrap_or_else(|| Path::new("results").join(probe::utc_now().compact()));
        let standard = [("report.html", Format::Html), ("report.md", Format::Markdown), ("summary.csv", Format::Csv)];
        let reports = standard.map(|(name, format)| (folder.join(name), format)).into();
        Self { record: folder.join("run.json"), reports }
    }

    /// The record.
    pub(super) fn record(&self) -> PathBuf {
        self.record.clone()
    }

    /// Writes every report and prints what the person asked for; says whether stdout was taken by one of the formats.
    pub(super) fn report(&self, run: &Run, args: &MeasureArgs) -> Result<bool> {
        let analysis = analysis::analyse(run);
        for (path, format) in &self.reports {
            write(path, *format, run, &analysis)?;
        }
        let extras = [
            (&args.json, Format::Json),
            (&args.csv, Format::Csv),
            (&args.md, Format::Markdown),
            (&args.html, Format::Html),
        ];
        let mut stdout_taken = false;
        for (path, format) in extras {
            let Some(path) = path else { continue };
            stdout_taken |= path.as_os_str() == "-";
            write(path, format, run, &analysis)?;
        }
        if !stdout_taken {
            let page = self.reports.iter().find(|(_, format)| *format == Format::Html);
            let options = Options { written: page.map(|(path, _)| path.display().to_string()), ..for_terminal() };
            print(&report::render(Format::Text, run, &analysis, &options)?)?;
        }
        Ok(stdout_taken)
    }
}

/// Renders to a file, or to stdout for `-`.
pub(super) fn write(path: &Path, format: Format, run: &Run, analysis: &Analysis) -> Result<()> {
    let options = if path.as_os_str() == "-" { for_terminal() } else { Options::default() };
    put(path, &report::render(format, run, analysis, &options)?).map(drop)
}

/// Writes to a file, or to stdout for `-`.
pub(super) fn put(path: &Path, text: &str) -> Result<Exit> {
    if path.as_os_str() == "-" {
        return print(text);
    }
    record::write_atomically(path, text.as_bytes())?;
    Ok(Exit::Fine)
}

/// As wide as the terminal, in colour where it is one and the person did not say no.
pub(super) fn for_terminal() -> Options {
    let term = console::Term::stdout();
    let width = term.size_checked().map_or(100, |(_, columns)| columns);
    let colour =
        if std::io::stdout().is_terminal() && console::colors_enabled() { Colour::Always } else { Colour::Never };
    Options { width, colour, written: None }
}
