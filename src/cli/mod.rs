//! The command line: parses, calls one function a subcommand, prints one error chain, returns an exit code.

mod args;
mod bench;
mod card;
mod demo;
mod diff;
mod doctor;
mod exit;
mod fetch;
mod fits;
mod generation;
mod guide;
mod inspect;
mod interrupt;
mod machine;
mod outputs;
mod plan;
mod preview;
mod progress;
mod quality;
mod quantize;
mod remake;
mod report;
mod resume;
mod schema;
mod selfcheck;
mod session;
mod subjects;
mod values;
mod votes;
mod wishes;
mod worker;

use std::{ffi::OsString, io::Write, process::ExitCode};

use anyhow::Result;
use clap::{CommandFactory, Parser};
use serde::Serialize;

use args::{Cli, Command};
use exit::Exit;
pub use guide::{benchmark_model, run_benchmark, visualize_benchmark};

use crate::{
    settings::Settings,
    text::{inert_json, inert_text},
};

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(llama_spelling(std::env::args_os()));
    finish(run(cli.command))
}

/// Tells the error, if there is one, and turns the result into what the system is told.
fn finish(result: Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&in_words(&error));
            Exit::Failed.into()
        }
    }
}

/// An error and its causes, each once: some say their cause themselves.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !words.ends_with(&cause) {
            words.push_str(if words.is_empty() { "" } else { ": " });
            words.push_str(&cause);
        }
    }
    words
}

/// A command line that clap could not know to be wrong.
fn usage(error: &str) -> Exit {
    tell(error);
    Exit::Usage
}

#[expect(clippy::print_stderr, reason = "the one place where an error is told")]
fn tell(error: &str) {
    // It may quote what others wrote: names, paths, answers of a server, the last lines of a log.
    eprintln!("error: {}", inert_text(error));
}

fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Compare(args) => bench::compare(&args),
        Command::Sweep(args) => bench::sweep(&args),
        Command::Quality(args) => quality::run(&args),
        Command::Resume(args) => resume::run(&args),
        Command::Selfcheck(args) => selfcheck::run(args),
        Command::Report(args) => report::run(&args),
        Command::Card(args) => card::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Schema { of } => schema::run(of),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gguf-bench", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(&String::from_utf8_lossy(&page))
        }
        Command::Worker(args) => worker::run(&args),
    }
}

/// Words for a person to stdout: what others wrote in them steers no terminal.
fn say(words: &str) -> Result<Exit> {
    print(&inert_text(words))
}

/// A value as indented JSON to stdout, likewise.
fn say_json(value: &impl Serialize) -> Result<Exit> {
    print(&format!("{}\n", inert_json(&serde_json::to_string_pretty(value)?)))
}

/// Results go to stdout, and nothing else does.
fn print(text: &str) -> Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Fine)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// llama.cpp's flags may have several letters behind one dash; clap wants two dashes.
fn llama_spelling(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let table = Settings::defaults(1).table();
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
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_its_option_under_every_spelling() {
        for (setting, value) in Settings::defaults(2).table() {
            let spellings = [Some(format!("--{}", setting.long)), Some(setting.flag())];
            for spelling in spellings.into_iter().flatten() {
                let line =
                    ["gguf-bench".into(), "compare".into(), "a".into(), "b".into(), format!("{spelling}={value}")];
                let cli = Cli::try_parse_from(llama_spelling(line.iter().map(OsString::from)));
                assert!(cli.is_ok(), "{spelling}");
            }
        }
    }

    #[test]
    fn llama_flags_are_understood() {
        let line = ["gguf-bench", "compare", "a", "b", "-ngl", "0", "-fa", "on", "-ctk=q8_0", "-t", "2", "-tb", "3"];
        let cli = Cli::parse_from(llama_spelling(line.iter().map(OsString::from)));
        let Command::Compare(args) = cli.command else { panic!("not compare") };
        assert_eq!((args.measure.n_gpu_layers, args.measure.threads_batch), (0, Some(3)));
        assert_eq!(args.measure.flash_attn, crate::settings::FlashAttention::On);
        assert_eq!(args.measure.cache_type_k, crate::settings::CacheType::Q8_0);
    }
}
