//! What the guide's commands accept: its own words, and every option of `compare`.

use std::path::PathBuf;

use clap::{Args, Parser};

use crate::cli::{
    gate::GateArgs,
    options::{MeasureArgs, engine, precision, speed},
    outputs::{ReplaceArgs, ResultArgs},
};

/// Benchmark an original and its quantized checkpoints, write the results and an HTML report, and open it
#[derive(Debug, Parser)]
#[command(name = "run-benchmark", version, about, max_term_width = 100, after_help = RUN)]
pub(super) struct RunBenchmark {
    #[command(flatten)]
    pub(super) what: What,
    /// Folder for `benchmark_results_<time>.json` and `report_<time>/benchmark_report.html`
    #[arg(long, value_name = "DIR", default_value = "benchmark_results", help_heading = "Output")]
    pub(super) output_dir: PathBuf,
    /// Print the report's path instead of opening it
    #[arg(long, help_heading = "Output")]
    pub(super) no_open: bool,
}

/// Benchmark an original and its quantized checkpoints
#[derive(Debug, Parser)]
#[command(name = "benchmark-model", version, about, max_term_width = 100, after_help = MODEL)]
pub(super) struct BenchmarkModel {
    #[command(flatten)]
    pub(super) what: What,
}

/// Draw the HTML report of saved results
#[derive(Debug, Parser)]
#[command(name = "visualize-benchmark", version, about, max_term_width = 100, after_help = VISUALIZE)]
pub(super) struct VisualizeBenchmark {
    /// Results that benchmark-model, run-benchmark or gguf-bench saved
    #[arg(long, value_name = "FILE")]
    pub(super) input: PathBuf,
    /// Folder for `benchmark_report.html`
    #[arg(long, value_name = "DIR", default_value = "benchmark_report")]
    pub(super) output_dir: PathBuf,
}

/// What is benchmarked. Some options of `compare` have another word, or another default, in the guide.
#[derive(Debug, Args)]
#[command(
    mut_arg(speed::PROMPTS, |arg| arg.long("prompts-file").alias("prompts").default_value("suite")),
    mut_arg(speed::MAX_NEW_TOKENS, |arg| arg.visible_alias("max-tokens").default_value("100")),
    mut_arg(precision::BUDGET, |arg| arg.help("Time limit for measuring, e.g. 90s, 10m, 1h [default: about 45s]")),
    // The guide's word for prompts side by side is llama.cpp's for tokens evaluated together.
    mut_arg(engine::BATCH_SIZE, |arg| arg.long("n-batch")),
    mut_arg(speed::PARALLEL, |arg| arg.long("batch-size").alias("parallel"))
)]
pub(super) struct What {
    /// The original: a GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    #[arg(long, value_name = "MODEL")]
    pub(super) original: String,
    /// A quantized checkpoint, named like the original; may be repeated
    #[arg(long, value_name = "MODEL", required = true)]
    pub(super) quantized: Vec<String>,
    /// Save the results here, as a record that visualize-benchmark and gguf-bench read
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) replace: ReplaceArgs,
    /// Put the results into the README.md beside each quantized checkpoint
    #[arg(long, help_heading = "Output")]
    pub(super) update_model_card: bool,
    #[command(flatten)]
    pub(super) results: ResultArgs,
    #[command(flatten)]
    pub(super) gate: GateArgs,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

const RUN: &str = "\
Examples:
  run-benchmark --original model-F16.gguf --quantized model-Q4_K_M.gguf
  run-benchmark --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-4bit \\
      --device cpu --max_tokens 50 --output_dir benchmark_results
  run-benchmark --original google/gemma-2b --quantized ./gemma-2b-quantized \\
      --device cuda --max_tokens 100 --output_dir presentation_benchmarks

Options may be spelled with underscores or dashes.";

const MODEL: &str = "\
Examples:
  benchmark-model --original model-F16.gguf --quantized model-Q4_K_M.gguf --device cpu
  benchmark-model --original microsoft/Phi-4-mini-instruct --quantized ./phi4-mini-4bit \\
      --max_new_tokens 100 --temperature 0.7 --top_p 0.9 --output custom_benchmark.json
  benchmark-model --original ./phi4-mini-8bit --quantized ./phi4-mini-4bit --output comparison.json
  benchmark-model --original model-F16.gguf --quantized model-Q4_K_M.gguf \\
      --prompts-file custom_prompts.json
  benchmark-model --original model-F16.gguf --quantized model-Q4_K_M.gguf --batch-size 4

Options may be spelled with underscores or dashes.";

const VISUALIZE: &str = "\
Example:
  visualize-benchmark --input benchmark_results.json --output_dir benchmark_report";
