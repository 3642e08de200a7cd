//! The subcommands.

use clap::{Parser, Subcommand, ValueEnum};

use super::{
    bench::{CompareArgs, SweepArgs},
    card::CardArgs,
    demo::DemoArgs,
    diff::DiffArgs,
    doctor::DoctorArgs,
    fit::FitArgs,
    inspect::InspectArgs,
    models::ModelsArgs,
    quality::QualityCommand,
    reference::ReferenceArgs,
    report::ReportArgs,
    resume::ResumeArgs,
    rpc_server::RpcServerArgs,
    selfcheck::SelfcheckArgs,
    shell::{CompletionsArgs, ManArgs},
    tune::TuneArgs,
    worker::WorkerArgs,
};
/// What does quantizing a GGUF model cost, and what does it buy, on this machine?
#[derive(Debug, Parser)]
#[command(name = "gguf-bench", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gguf-bench demo                                     try it on the bundled model
  gguf-bench compare model-F16.gguf model-Q4_K_M.gguf compare two files
  gguf-bench sweep model-F16.gguf --types Q8_0,Q4_K_M quantize, then compare
  gguf-bench resume results/2026-11-23T05-20-11Z      go on after a kill, a crash or Ctrl-C
  gguf-bench report results/*/run.json --format md    render a record again";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Quantize the bundled model and compare the results: a minute, no downloads
    Demo(DemoArgs),
    /// Measure an original and its quantized checkpoints
    Compare(CompareArgs),
    /// Quantize an original to several types, then compare them
    Sweep(SweepArgs),
    /// Find the best settings of a model on this machine by racing them: threads, batch, flash attention, offload, cache types
    Tune(TuneArgs),
    /// Compare the output of quantized checkpoints with the original's, token by token; no speed
    Quality(QualityCommand),
    /// Evaluate an original once and write a file that stands for it: compare --reference needs no original
    Reference(ReferenceArgs),
    /// Go on with a run that was killed or stopped, from its folder
    Resume(ResumeArgs),
    /// Measure a model against itself: can this machine tell a difference from noise? Exit code 4: it differs from itself; 6: not resolved
    Selfcheck(SelfcheckArgs),
    /// Render a record as HTML, Markdown, CSV, JSON or text; several are put side by side
    Report(ReportArgs),
    /// Put the results of a run into a model card, as text and as Hugging Face metadata
    Card(CardArgs),
    /// Compare two records of the same models: another day, another build, another machine
    Diff(DiffArgs),
    /// Show what a GGUF file holds, from its header alone
    Inspect(InspectArgs),
    /// Say what models will take in memory here, and how they fit, from their headers alone: a file, or quants on the Hub
    Fit(FitArgs),
    /// List the models of this machine, from every store and the folders named, and what can be compared
    Models(ModelsArgs),
    /// Check whether numbers from this machine and build can be trusted
    Doctor(DoctorArgs),
    /// Lend this machine's devices to gguf-bench or llama.cpp on another: llama.cpp's own RPC server, of the same build
    RpcServer(RpcServerArgs),
    /// Print the JSON Schema of a record, or of what is printed as JSON
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t = Described::Run)]
        of: Described,
    },
    /// Print what a shell completes commands and options by
    Completions(CompletionsArgs),
    /// Print a page of the manual, or write all of them
    Man(ManArgs),
    /// A worker process (internal)
    #[command(hide = true)]
    Worker(WorkerArgs),
}

impl Command {
    /// Whether it takes its time for something that an interruption must not lose, or leave half done.
    pub(super) fn measures(&self) -> bool {
        matches!(
            self,
            Self::Demo(_)
                | Self::Compare(_)
                | Self::Sweep(_)
                | Self::Quality(_)
                | Self::Reference(_)
                | Self::Resume(_)
                | Self::Selfcheck(_)
                | Self::Tune(_)
        )
    }
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Described {
    /// The record: run.json
    Run,
    /// What `report --format json` and `--json` print
    Report,
    /// What `report A B --format json` prints of several records
    Records,
}

impl Described {
    /// As it is published. A test holds it to the types, so that only tests are compiled with what makes a schema of a type.
    pub(super) fn schema(self) -> &'static str {
        match self {
            Self::Run => include_str!("../../schema/run.schema.json"),
            Self::Report => include_str!("../../schema/report.schema.json"),
            Self::Records => include_str!("../../schema/records.schema.json"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests, which write what is to be committed")]
mod tests {
    use super::*;
    use crate::{record, report};

    #[test]
    fn the_published_schemas_are_those_of_the_types() -> Result<(), Box<dyn std::error::Error>> {
        let made = [
            (Described::Run, "run", record::schema::of_record()?),
            (Described::Report, "report", report::schema()?),
            (Described::Records, "records", report::history::schema()?),
        ];
        let is_to_be_written = std::env::var("INSTA_UPDATE").is_ok_and(|way| way == "always");
        for (of, name, schema) in made {
            if is_to_be_written {
                let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
                std::fs::write(folder.join(format!("{name}.schema.json")), schema)?;
            } else {
                assert!(
                    of.schema() == schema,
                    "a type has changed: INSTA_UPDATE=always cargo test --release --lib published_schemas writes schema/{name}.schema.json"
                );
            }
        }
        Ok(())
    }
}
