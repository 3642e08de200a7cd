//! What can be typed: exactly that, nothing computed. Names and meanings of llama.cpp's flags are llama-bench's.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::{
    values::{Rounds, confidence, duration_s, not_negative, one_of, percentage},
    wishes::WishArgs,
};
use crate::{
    record::{self, Arrangement, QualityMemory, Workers},
    settings::{self, CacheType, Device, FlashAttention, Settings},
};

/// Of what concerns llama.cpp, but for the threads: those are as many as the machine lets us have.
const DEFAULTS: Settings = Settings::defaults(1);

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
    /// Compare the output of quantized checkpoints with the original's, token by token; no speed
    Quality(QualityArgs),
    /// Go on with a run that was killed or stopped, from its folder
    Resume(super::resume::ResumeArgs),
    /// Measure a model against itself: can this machine tell a difference from noise? Exit code 4 when it can't
    Selfcheck(SelfcheckArgs),
    /// Render a record as HTML, Markdown, CSV, JSON or text; several are put side by side
    Report(super::report::ReportArgs),
    /// Put the results of a run into a model card, as text and as Hugging Face metadata
    Card(super::card::CardArgs),
    /// Compare two records of the same models: another day, another build, another machine
    Diff(super::diff::DiffArgs),
    /// Show what a GGUF file holds, from its header alone
    Inspect(InspectArgs),
    /// Check whether numbers from this machine and build can be trusted
    Doctor(DoctorArgs),
    /// Print the JSON Schema of a record, or of what is printed as JSON
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t = super::schema::Document::Run)]
        of: super::schema::Document,
    },
    /// Print shell completions
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// A worker process (internal)
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The original: a GGUF file, a folder holding one, owner/name[:QUANT] on the Hugging Face Hub, ollama:NAME or lmstudio:PATH
    pub(super) original: String,
    /// The quantized checkpoints, named like the original
    #[arg(required = true)]
    pub(super) quantized: Vec<String>,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The original: a GGUF file, the first part of a split one, or a folder holding one model
    pub(super) original: String,
    /// Types to make of it, by llama-quantize's names
    #[arg(long, value_delimiter = ',', default_value = "Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q3_K_M,Q2_K", value_name = "TYPE,...")]
    pub(super) types: Vec<String>,
    /// Keep the files made here; without it they are deleted at the end
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
    /// Quantize even an already quantized original; the report labels the results
    #[arg(long)]
    pub(super) allow_requantize: bool,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

/// The same protocol as any measurement, without prompts and output unless they are asked for.
#[derive(Debug, Args)]
pub(super) struct SelfcheckArgs {
    /// A GGUF file, the first part of a split one, or a folder holding one model
    pub(super) model: String,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

/// Everything but speed: its options are there, since one measurement is like another, but not shown.
#[derive(Debug, Args)]
#[command(mut_args(|arg| if SPEED_ONLY.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg }))]
pub(super) struct QualityArgs {
    /// The original, then the quantized checkpoints; with --logits the checkpoints alone
    #[arg(required = true, value_name = "MODEL")]
    pub(super) models: Vec<String>,
    /// Compare with log-probabilities written by --save-logits or by llama-perplexity --kl-divergence-base
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save_logits", "text"], help_heading = "Quality")]
    pub(super) logits: Option<PathBuf>,
    /// Write the original's log-probabilities in llama-perplexity's format: large, and needs a single --text
    #[arg(long, value_name = "FILE", help_heading = "Quality")]
    pub(super) save_logits: Option<PathBuf>,
    #[command(flatten)]
    pub(super) measure: MeasureArgs,
}

/// Options that mean nothing where no speed is measured.
const SPEED_ONLY: [&str; 19] = [
    "pp",
    "tg",
    "depth",
    "prompts",
    "max_new_tokens",
    "rounds",
    "precision",
    "budget",
    "confidence",
    "equivalence",
    "inner",
    "arrangement",
    "workers",
    "quick",
    "no_quality",
    "temperature",
    "top_p",
    "num_prompts",
    "parallel",
];

/// Options of every command that measures.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct MeasureArgs {
    /// Folder for run.jsonl, run.json, report.html, report.md and summary.csv [default: results/<UTC time>]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) results: super::outputs::ResultArgs,
    /// Print the plan, the memory it needs and an estimate of the time; measure nothing
    #[arg(long, help_heading = "Output")]
    pub(super) dry_run: bool,

    /// Prompt lengths to time, in tokens (0 = none)
    #[arg(
        short = 'p',
        long,
        value_delimiter = ',',
        default_value = "512",
        value_name = "N,...",
        help_heading = "Work"
    )]
    pub(super) pp: Vec<u32>,
    /// Generation lengths to time, in tokens (0 = none)
    #[arg(
        short = 'n',
        long,
        value_delimiter = ',',
        default_value = "128",
        value_name = "N,...",
        help_heading = "Work"
    )]
    pub(super) tg: Vec<u32>,
    /// Prompts to answer: a file (JSON, JSON Lines or text), or none [default: the built-in suite]
    #[arg(long, value_name = "FILE|none", help_heading = "Work")]
    pub(super) prompts: Option<String>,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 64, value_name = "N", help_heading = "Work")]
    pub(super) max_new_tokens: u32,
    /// Rounds, at least and at most, or exactly; an interval needs 6, a verdict among several more [default: 10..40]
    #[arg(long, value_name = "MIN..MAX|N", value_parser = Rounds::parse, help_heading = "Precision")]
    pub(super) rounds: Option<Rounds>,
    /// Stop when every speed ratio is known this well
    #[arg(long, default_value = "1%", value_name = "P%", value_parser = percentage, help_heading = "Precision")]
    pub(super) precision: f64,
    /// Time to spend, as 90s, 10m or 1h; nothing begins that would not end in it [default: an aim of 150s a model]
    #[arg(long, value_name = "TIME", value_parser = duration_s, help_heading = "Precision")]
    pub(super) budget: Option<u64>,
    /// Confidence of every interval
    #[arg(long, default_value = "0.95", value_name = "P", value_parser = confidence, help_heading = "Precision")]
    pub(super) confidence: f64,
    /// Differences up to this are not relevant
    #[arg(long, default_value = "1%", value_name = "P%", value_parser = percentage, help_heading = "Precision")]
    pub(super) equivalence: f64,
    /// Samples of each workload in a round, whose median is the round's datum [default: what the first rounds find best]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Precision")]
    pub(super) inner: Option<u32>,
    // The winner of the experiment in benches/design.rs; METHODOLOGY.md has its table.
    /// How the models of a round share its time
    #[arg(long, value_enum, default_value_t = Arrangement::Alternating, value_name = "HOW", help_heading = "Precision")]
    pub(super) arrangement: Arrangement,
    /// How long a worker process lives
    #[arg(long, value_enum, default_value_t = Workers::Auto, value_name = "HOW", help_heading = "Precision")]
    pub(super) workers: Workers,
    /// Two rounds: a quick look without intervals, labelled as such
    #[arg(long, conflicts_with_all = ["rounds", "budget"], help_heading = "Precision")]
    pub(super) quick: bool,
    /// Seed of the order of models and of the token ids
    #[arg(long, default_value_t = 42, value_name = "N", help_heading = "Work")]
    pub(super) seed: u64,
    /// Longest silence of a worker before it is stopped, in seconds [default: 20 times what the same work took before, at least
    /// 60; 1800 for what was not seen before]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Work")]
    pub(super) timeout: Option<u64>,
    /// Load even what is expected not to fit in memory
    #[arg(long, help_heading = "Work")]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) generation: super::generation::GenerationArgs,
    /// Where results go under the names of the benchmarking guide.
    #[arg(skip)]
    pub(super) layout: super::outputs::Layout,

    /// Do not compare outputs
    #[arg(long, help_heading = "Quality")]
    pub(super) no_quality: bool,
    /// Tokens a window; as in llama-perplexity, the second half is scored
    #[arg(long, visible_alias = "ctx-size", default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=1_000_000), help_heading = "Quality")]
    pub(super) ctx: u32,
    /// A text to compare on; may be repeated [default: texts of eight domains that come with the program]
    #[arg(long, value_name = "FILE|NAME=FILE", help_heading = "Quality")]
    pub(super) text: Vec<String>,
    /// Stop when the mean KLD is known this well (0 = score all windows)
    #[arg(long, default_value = "5%", value_name = "P%", value_parser = percentage, help_heading = "Quality")]
    pub(super) quality_precision: f64,
    /// Most windows to score, over all texts (0 = no limit) [default: no limit; 16 in demo and with --quick]
    #[arg(long, value_name = "N", help_heading = "Quality")]
    pub(super) max_windows: Option<usize>,
    /// The mean KLD you accept, in nats: every candidate is judged by it, and what is above is not recommended
    #[arg(long, value_name = "NATS", value_parser = not_negative, help_heading = "Quality")]
    pub(super) max_kld: Option<f64>,
    /// What to hold in memory together: all models, pairs of the original and one candidate, or one model at a time, compared
    /// through a cache of the original's most likely tokens, which makes KLD a lower bound (auto = the first that fits)
    #[arg(long, value_parser = one_of::<QualityMemory>(), default_value = "auto", value_name = "MODE", help_heading = "Quality")]
    pub(super) quality_memory: QualityMemory,
    /// Tokens kept at each position of an original that is evaluated alone
    #[arg(long, default_value_t = record::DEFAULT_TOP_K, value_name = "N", help_heading = "Quality")]
    pub(super) cache_top_k: usize,
    /// Evaluate the windows and compare nothing (internal)
    #[arg(long, hide = true)]
    pub(super) no_statistics: bool,
    /// Compare while the next window is evaluated, as on a GPU (internal)
    #[arg(long, hide = true)]
    pub(super) overlap: bool,

    #[command(flatten)]
    pub(super) wishes: WishArgs,

    /// Where to compute (mps = metal)
    #[arg(long = settings::DEVICE.long, value_parser = one_of::<Device>(), default_value = "auto", help_heading = "llama.cpp")]
    pub(super) device: Device,
    /// Layers on the device (-1 = all)
    #[arg(long = settings::N_GPU_LAYERS.long, visible_alias = settings::N_GPU_LAYERS.word, default_value_t = DEFAULTS.n_gpu_layers, allow_negative_numbers = true, value_name = "N", help_heading = "llama.cpp")]
    pub(super) n_gpu_layers: i32,
    /// Threads for generation [default: the CPUs this process may use]
    #[arg(short = settings::N_THREADS.letter, long = settings::N_THREADS.long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512), help_heading = "llama.cpp")]
    pub(super) threads: Option<u32>,
    /// Threads for prompt processing [default: as --threads]
    #[arg(long = settings::N_THREADS_BATCH.long, visible_alias = settings::N_THREADS_BATCH.word, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512), help_heading = "llama.cpp")]
    pub(super) threads_batch: Option<u32>,
    /// Logical batch size
    #[arg(short = settings::N_BATCH.letter, long = settings::N_BATCH.long, default_value_t = DEFAULTS.n_batch, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "llama.cpp")]
    pub(super) batch_size: u32,
    /// Physical batch size
    #[arg(long = settings::N_UBATCH.long, visible_alias = settings::N_UBATCH.word, default_value_t = DEFAULTS.n_ubatch, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "llama.cpp")]
    pub(super) ubatch_size: u32,
    /// Type of the K cache
    #[arg(long = settings::TYPE_K.long, visible_alias = settings::TYPE_K.word, value_parser = one_of::<CacheType>(), default_value = "f16", value_name = "TYPE", help_heading = "llama.cpp")]
    pub(super) cache_type_k: CacheType,
    /// Type of the V cache
    #[arg(long = settings::TYPE_V.long, visible_alias = settings::TYPE_V.word, value_parser = one_of::<CacheType>(), default_value = "f16", value_name = "TYPE", help_heading = "llama.cpp")]
    pub(super) cache_type_v: CacheType,
    /// Flash attention
    #[arg(long = settings::FLASH_ATTENTION.long, visible_alias = settings::FLASH_ATTENTION.word, value_parser = one_of::<FlashAttention>(), default_value = "auto", allow_negative_numbers = true, value_name = "MODE", help_heading = "llama.cpp")]
    pub(super) flash_attn: FlashAttention,

    /// Follow a script instead of llama.cpp (internal)
    #[arg(long, hide = true, value_name = "FILE")]
    pub(super) script: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A GGUF file, the first part of a split one, or a folder holding one model
    pub(super) model: String,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// End at once when stdin does: the parent is gone.
    #[arg(long)]
    pub(super) tied: bool,
    #[command(subcommand)]
    pub(super) job: WorkerJob,
}

#[derive(Debug, Subcommand)]
pub(super) enum WorkerJob {
    /// Hold one model and answer requests.
    Serve {
        #[arg(long)]
        script: Option<PathBuf>,
    },
    /// Print devices and llama.cpp's system info as JSON.
    Describe,
    /// Quantize one file.
    Quantize {
        input: PathBuf,
        output: PathBuf,
        to: String,
        #[arg(long)]
        threads: u32,
        #[arg(long)]
        allow_requantize: bool,
    },
}
