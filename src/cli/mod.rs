//! The command line: parses, calls one function a subcommand, prints one error chain, returns an exit code.

mod args;
mod bench;
mod card;
mod choices;
mod demo;
mod diff;
mod doctor;
mod exit;
mod fetch;
mod generation;
mod guide;
mod inspect;
mod machine;
mod outputs;
mod plan;
mod preview;
mod progress;
mod quality;
mod quantize;
mod report;
mod schema;
mod selfcheck;
mod subjects;
mod values;
mod wishes;
mod worker;

use std::{ffi::OsString, io::Write, process::ExitCode};

use anyhow::Result;
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use exit::Exit;
pub use guide::{benchmark_model, run_benchmark, visualize_benchmark};

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
            tell(&format!("{error:#}"));
            Exit::Failed.into()
        }
    }
}

/// A command line that clap could not know to be wrong.
fn usage(error: &str) -> Exit {
    tell(error);
    Exit::Usage
}

#[expect(clippy::print_stderr, reason = "the one place where an error is told")]
fn tell(error: &str) {
    eprintln!("error: {}", console::strip_ansi_codes(error));
}

fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Compare(args) => bench::compare(&args),
        Command::Sweep(args) => bench::sweep(&args),
        Command::Quality(args) => quality::run(&args),
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
        Command::Worker(args) => worker::run(&args.job),
    }
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

/// llama.cpp's flags have several letters behind one dash; clap wants two dashes.
fn llama_spelling(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const FLAGS: [&str; 6] = ["-ngl", "-tb", "-ub", "-ctk", "-ctv", "-fa"];
    args.map(|arg| {
        let text = arg.to_string_lossy();
        let flag = text.split('=').next().unwrap_or_default();
        if FLAGS.contains(&flag) { OsString::from(format!("-{text}")) } else { arg }
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
    fn llama_flags_are_understood() {
        let line = ["gguf-bench", "compare", "a", "b", "-ngl", "0", "-fa", "on", "-ctk=q8_0", "-t", "2", "-tb", "3"];
        let cli = Cli::parse_from(llama_spelling(line.iter().map(OsString::from)));
        let Command::Compare(args) = cli.command else { panic!("not compare") };
        assert_eq!((args.measure.n_gpu_layers, args.measure.threads_batch), (0, Some(3)));
        assert_eq!(args.measure.flash_attn, choices::FlashArg::On);
        assert_eq!(args.measure.cache_type_k, choices::CacheTypeArg::Q8_0);
    }
}
