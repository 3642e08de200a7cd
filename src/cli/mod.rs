//! The command line: parses, calls one function a subcommand, prints one error chain, returns an exit code.

mod args;
mod bench;
mod cache;
mod card;
mod checks;
mod console;
mod demo;
mod devices;
mod diff;
mod doctor;
mod fetch;
mod fit;
mod fits;
mod gate;
mod go_on;
mod guide;
mod inspect;
mod interrupt;
mod judge;
mod left_out;
mod machine;
mod models;
mod options;
mod outputs;
mod past_speeds;
mod plan_words;
mod preview;
mod progress;
mod quality;
mod quantize;
mod recipe;
mod reference;
mod report;
mod resume;
mod rpc_server;
mod selfcheck;
mod session;
mod shell;
mod subjects;
mod tune;
mod worker;

use std::{
    ffi::{OsStr, OsString},
    process::ExitCode,
};

use anyhow::Result;
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use console::{Exit, finish, print_stdout, usage_error};
use options::engine::{LIST_DEVICES, llama_spelling};
use shell::Program;

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(word) = std::env::args_os().find(|word| word.to_str().is_none()) {
        let word = word.display();
        return usage_error(&format!("{word} is not UTF-8, and llama.cpp can open no such path: rename it")).into();
    }
    if std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| is_list_devices(&word)) {
        return finish(devices::list());
    }
    let cli = Cli::parse_from(llama_spelling(std::env::args_os()));
    finish(run(cli.command))
}

/// As in llama-bench it needs no model, so that it comes before the parts of a command that are.
fn is_list_devices(word: &OsStr) -> bool {
    word.to_str().and_then(|word| word.strip_prefix("--")).is_some_and(|word| word.replace('_', "-") == LIST_DEVICES)
}

/// The program run-benchmark.
#[must_use]
pub fn run_benchmark() -> ExitCode {
    of_guide(guide::run_benchmark)
}

/// The program benchmark-model.
#[must_use]
pub fn benchmark_model() -> ExitCode {
    of_guide(guide::benchmark_model)
}

/// The program visualize-benchmark.
#[must_use]
pub fn visualize_benchmark() -> ExitCode {
    of_guide(guide::visualize_benchmark)
}

/// Runs a command of the guide's on the process's arguments. These programs start themselves as workers, too.
fn of_guide(command: impl FnOnce(Vec<OsString>) -> Result<Exit>) -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "worker") {
        return main();
    }
    finish(interrupt::listen().and_then(|()| command(llama_spelling(std::env::args_os()))))
}

/// What a program of this package takes.
fn command_line(program: Program) -> clap::Command {
    match program {
        Program::GgufBench => Cli::command(),
        Program::RunBenchmark => guide::run_benchmark_command(),
        Program::BenchmarkModel => guide::benchmark_model_command(),
        Program::VisualizeBenchmark => guide::visualize_benchmark_command(),
    }
}

fn run(command: Command) -> Result<Exit> {
    if command.measures() {
        interrupt::listen()?;
    }
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Compare(args) => match args.reference.clone() {
            Some(reference) => quality::against_reference(reference, args),
            None => bench::compare(args),
        },
        Command::Sweep(args) => bench::sweep(args),
        Command::Quality(args) => quality::run(args),
        Command::Reference(args) => reference::run(args),
        Command::Resume(args) => resume::run(&args),
        Command::Tune(args) => tune::run(args),
        Command::Selfcheck(args) => selfcheck::run(args),
        Command::Report(args) => report::run(&args),
        Command::Card(args) => card::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::RpcServer(args) => rpc_server::run(&args),
        Command::Schema { of } => print_stdout(of.schema()),
        Command::Completions(args) => shell::completions(&args, command_line(args.program)),
        Command::Man(args) => shell::man(&args, Program::ALL.map(command_line)),
        Command::Worker(args) => worker::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(line: &str) -> bool {
        let words = ["gguf-bench"].into_iter().chain(line.split(' ')).map(OsString::from);
        Cli::try_parse_from(llama_spelling(words)).is_ok()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_takes_only_what_means_something_to_it() {
        assert!(parses("compare a b --pp 8 --no-quality --prefer size -ngl 0"));
        assert!(
            parses("compare a -pg 512,128 -pg 64,8 -d 0-4096+2048 -npl 2 -ncmoe 2") && !parses("compare a -pg 512")
        );
        assert!(parses("compare a b -p 512, -n 128,64, --depth=0,") && !parses("compare a b -p 512,,"));
        assert!(parses("quality a b --ctx 64 --force -ngl 0") && !parses("quality a b --pp 8"));
        assert!(parses("compare a b --full --budget 20m") && !parses("compare a b --full --quick"));
        assert!(parses("selfcheck a --pp 8 --prompts p.json") && !parses("selfcheck a --ctx 64"));
    }

    /// Documents with commands for people.
    const DOCUMENTS: [&str; 8] = [
        include_str!("../../README.md"),
        include_str!("../../METHODOLOGY.md"),
        include_str!("../../FORMAT.md"),
        include_str!("../../TEMPLATES.md"),
        include_str!("../../docs/guide.md"),
        include_str!("../../docs/choosing.md"),
        include_str!("../../docs/validation.md"),
        include_str!("../../docs/adding.md"),
    ];

    /// What clap makes of a line that begins with one of our programs; `None` of any other.
    fn parsed(line: &str) -> Option<Result<clap::ArgMatches, clap::Error>> {
        let words: Vec<OsString> = shlex::split(line)?.into_iter().map(OsString::from).collect();
        let mut programs = Program::ALL.into_iter().map(command_line);
        let program = programs.find(|program| words.first().is_some_and(|word| word == program.get_name()))?;
        let words = llama_spelling(words.into_iter());
        Some(program.try_get_matches_from(guide::dashed(words)))
    }

    #[test]
    fn every_command_in_the_documents_is_one() {
        use clap::error::ErrorKind;
        let (mut whole, mut named, mut wrong) = (0, 0, Vec::new());
        for text in DOCUMENTS {
            let mut is_code = false;
            for line in text.lines() {
                if line.trim_start().starts_with("```") {
                    is_code = !is_code;
                } else if is_code {
                    let line = line.split("  #").next().unwrap_or(line).split(" | ").next().unwrap_or(line);
                    if let Some(parsed) = parsed(line) {
                        wrong.extend(parsed.err().map(|error| format!("{line}: {error}")));
                        whole += 1;
                    }
                } else {
                    // In a sentence a command may stand without what it is given.
                    for code in line.split('`').skip(1).step_by(2) {
                        if let Some(Err(error)) = parsed(code) {
                            let is_cut = [
                                ErrorKind::MissingRequiredArgument,
                                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                                ErrorKind::DisplayHelp,
                            ]
                            .contains(&error.kind());
                            wrong.extend((!is_cut).then(|| format!("{code}: {error}")));
                        }
                        named += usize::from(parsed(code).is_some());
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(whole > 20 && named > 20, "{whole} commands, {named} in sentences");
    }
}
