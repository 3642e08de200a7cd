//! Options that are llama.cpp's, under llama-bench's names: they become a subject's settings.

use std::ffi::OsString;

use clap::Args;

use super::values::one_of;
use crate::{
    probe::{
        DefaultThreads,
        rpc::{self, RpcError},
    },
    settings::{self, CacheType, Device, FlashAttention, Settings, ThreadsReason},
};

/// By this the guide's commands give the option another word.
pub(crate) const BATCH_SIZE: &str = "batch_size";

/// But for the threads: those are the machine's to say.
const DEFAULTS: Settings = Settings::defaults(1);

#[derive(Debug, Args)]
#[command(next_help_heading = "llama.cpp")]
pub(crate) struct EngineArgs {
    /// Where to compute (mps = metal)
    #[arg(long = settings::DEVICE.long, value_parser = one_of::<Device>(), default_value = "auto")]
    pub(crate) device: Device,
    /// Layers on the device (-1 = all)
    #[arg(
        long = settings::N_GPU_LAYERS.long,
        visible_alias = settings::N_GPU_LAYERS.word,
        default_value_t = DEFAULTS.n_gpu_layers,
        allow_negative_numbers = true,
        value_name = "N"
    )]
    pub(crate) n_gpu_layers: i32,
    /// Threads for generation [default: one a physical core, or a performance core of a hybrid CPU, as in llama-bench; unlike there, no
    /// more than the CPUs this process is bound to or a quota of CPU time allow, since threads that share a CPU stall each other]
    #[arg(
        short = settings::N_THREADS.letter,
        long = settings::N_THREADS.long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=512)
    )]
    pub(crate) threads: Option<u32>,
    /// Threads for prompt processing [default: as --threads]
    #[arg(
        long = settings::N_THREADS_BATCH.long,
        visible_alias = settings::N_THREADS_BATCH.word,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=512)
    )]
    pub(crate) threads_batch: Option<u32>,
    /// Logical batch size
    #[arg(
        id = BATCH_SIZE,
        short = settings::N_BATCH.letter,
        long = settings::N_BATCH.long,
        default_value_t = DEFAULTS.n_batch,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) batch_size: u32,
    /// Physical batch size
    #[arg(
        long = settings::N_UBATCH.long,
        visible_alias = settings::N_UBATCH.word,
        default_value_t = DEFAULTS.n_ubatch,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) ubatch_size: u32,
    /// Type of the K cache
    #[arg(
        long = settings::TYPE_K.long,
        visible_alias = settings::TYPE_K.word,
        value_parser = one_of::<CacheType>(),
        default_value = "f16",
        value_name = "TYPE"
    )]
    pub(crate) cache_type_k: CacheType,
    /// Type of the V cache
    #[arg(
        long = settings::TYPE_V.long,
        visible_alias = settings::TYPE_V.word,
        value_parser = one_of::<CacheType>(),
        default_value = "f16",
        value_name = "TYPE"
    )]
    pub(crate) cache_type_v: CacheType,
    /// Flash attention
    #[arg(
        long = settings::FLASH_ATTENTION.long,
        visible_alias = settings::FLASH_ATTENTION.word,
        value_parser = one_of::<FlashAttention>(),
        default_value = "auto",
        allow_negative_numbers = true,
        value_name = "MODE"
    )]
    pub(crate) flash_attn: FlashAttention,
    /// Compute on the devices of these servers as well (`gguf-bench rpc-server` on each machine), as llama-bench's -rpc
    #[arg(long = settings::RPC.long, value_delimiter = ',', value_parser = rpc_server, value_name = "HOST:PORT,...")]
    pub(crate) rpc: Vec<String>,
}

/// What no server needs as an empty list.
const NO_SERVER: &str = "none";

fn rpc_server(text: &str) -> Result<String, RpcError> {
    if text == NO_SERVER { Ok(text.into()) } else { rpc::endpoint(text).map(|_| text.into()) }
}

impl EngineArgs {
    /// The servers, each once.
    pub(crate) fn rpc_servers(&self) -> Vec<String> {
        let mut servers: Vec<String> = Vec::new();
        for server in self.rpc.iter().filter(|server| *server != NO_SERVER) {
            if !servers.contains(server) {
                servers.push(server.clone());
            }
        }
        servers
    }

    /// The settings, and why they have the threads that they have.
    pub(crate) fn into_settings(self, default: DefaultThreads) -> (Settings, ThreadsReason) {
        let rpc = self.rpc_servers();
        let Self {
            device,
            n_gpu_layers,
            threads,
            threads_batch,
            batch_size,
            ubatch_size,
            cache_type_k,
            cache_type_v,
            flash_attn,
            rpc: _,
        } = self;
        let reason = threads.map_or(default.reason, |_| ThreadsReason::Asked);
        let n_threads = threads.unwrap_or(default.n_threads);
        let settings = Settings {
            device,
            n_gpu_layers,
            n_threads,
            n_threads_batch: threads_batch.unwrap_or(n_threads),
            n_batch: batch_size,
            n_ubatch: ubatch_size.min(batch_size),
            type_k: cache_type_k,
            type_v: cache_type_v,
            flash_attention: flash_attn,
            rpc,
        };
        (settings, reason)
    }
}

/// llama.cpp's flags may have several letters behind one dash; clap wants two dashes.
pub(crate) fn llama_spelling(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let table = DEFAULTS.table();
    let is_word = |flag: &str| table.iter().any(|(setting, _)| setting.word == Some(flag));
    args.map(|arg| {
        let text = arg.to_string_lossy();
        let flag = text.split('=').next().unwrap_or_default();
        if flag.strip_prefix('-').is_some_and(is_word) { OsString::from(format!("-{text}")) } else { arg }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        engine: EngineArgs,
    }

    /// On a machine of seven cores.
    const SEVEN: DefaultThreads = DefaultThreads { n_threads: 7, reason: ThreadsReason::PhysicalCores };

    fn typed(words: &[&str]) -> Result<Settings, clap::Error> {
        with_reason(words).map(|(settings, _)| settings)
    }

    fn with_reason(words: &[&str]) -> Result<(Settings, ThreadsReason), clap::Error> {
        let line = std::iter::once(&"x").chain(words).map(OsString::from);
        Typed::try_parse_from(llama_spelling(line)).map(|typed| typed.engine.into_settings(SEVEN))
    }

    #[test]
    fn threads_are_the_machines_unless_asked_for() {
        let reason = |words: &[&str]| with_reason(words).expect("options").1;
        assert_eq!(reason(&["-tb", "3"]), ThreadsReason::PhysicalCores);
        // Even where they are as many.
        assert_eq!(reason(&["-t", "7"]), ThreadsReason::Asked);
    }

    #[test]
    fn nothing_typed_is_what_llama_bench_does() {
        assert_eq!(typed(&[]).expect("no option is needed"), Settings::defaults(7));
    }

    #[test]
    fn every_setting_has_its_option_under_each_of_its_flags() {
        for (setting, value) in Settings::defaults(7).table() {
            for flag in [format!("--{}", setting.long), setting.flag()] {
                assert_eq!(typed(&[&format!("{flag}={value}")]).expect("a flag"), Settings::defaults(7), "{flag}");
            }
        }
    }

    #[test]
    fn llama_flags_are_understood() {
        let line = [
            "-ngl",
            "0",
            "-fa",
            "1",
            "-ctk=q8_0",
            "-t",
            "2",
            "-tb",
            "3",
            "-b",
            "64",
            "--device",
            "mps",
            "-rpc",
            "a:1,b:2,a:1",
        ];
        let read = typed(&line).expect("llama.cpp's flags");
        let expected = Settings {
            device: Device::Metal,
            n_gpu_layers: 0,
            n_threads: 2,
            n_threads_batch: 3,
            n_batch: 64,
            n_ubatch: 64,
            type_k: CacheType::Q8_0,
            flash_attention: FlashAttention::On,
            rpc: vec!["a:1".into(), "b:2".into()],
            ..DEFAULTS
        };
        assert_eq!(read, expected);
        assert!(typed(&["-rpc", "a"]).is_err());
        assert!(typed(&["-fa", "-1"]).is_ok() && typed(&["-ncmoe", "3"]).is_err());
    }
}
