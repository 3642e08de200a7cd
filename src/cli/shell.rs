//! What shells and `man` read: completions and manual pages, made from the definitions of the command lines.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::console::{Exit, Misused, print_stdout};

/// The programs of this package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    #[default]
    GgufBench,
    RunBenchmark,
    BenchmarkModel,
    VisualizeBenchmark,
}

impl Program {
    pub(super) const ALL: [Self; 4] =
        [Self::GgufBench, Self::RunBenchmark, Self::BenchmarkModel, Self::VisualizeBenchmark];
}

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
    /// The program whose options are completed
    #[arg(value_enum, default_value_t)]
    pub(super) program: Program,
}

const COMPLETIONS: &str = "\
Where shells look for them:
  bash  gguf-bench completions bash > ~/.local/share/bash-completion/completions/gguf-bench
  zsh   gguf-bench completions zsh > _gguf-bench, in a folder that $fpath names
  fish  gguf-bench completions fish > ~/.config/fish/completions/gguf-bench.fish";

/// Those of a program with this command line.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<Exit> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script).context("the completions are text")?;
    print_stdout(&if args.shell == Shell::Bash { with_one_name(&name, &script) } else { script })
}

/// The script with the program's name written one way. `clap_complete` writes a hyphen in it in two ways, and then knows the options of
/// no subcommand (clap-rs/clap#6421).
fn with_one_name(program: &str, script: &str) -> String {
    script.replace(&program.replace('-', "__subcmd__"), &program.replace('-', "__"))
}

#[derive(Debug, Args)]
#[command(after_help = MANUAL)]
pub(super) struct ManArgs {
    /// The page: a command such as compare, or another program of this package [default: gguf-bench]
    page: Option<String>,
    /// Write all pages into this folder, which is made
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    dir: Option<PathBuf>,
}

const MANUAL: &str = "\
Examples:
  gguf-bench man compare | man -l -
  gguf-bench man --dir ~/.local/share/man/man1    then: man gguf-bench-compare";

/// A page with the name that `man` knows it by.
struct Page {
    name: String,
    text: Vec<u8>,
}

/// Of programs with these command lines.
pub(super) fn man(args: &ManArgs, programs: impl IntoIterator<Item = Command>) -> Result<Exit> {
    let pages = pages(programs)?;
    if let Some(dir) = &args.dir {
        return write(dir, &pages);
    }
    let wanted = args.page.as_deref().unwrap_or(PROGRAM);
    let found = pages.iter().find(|page| page.name == wanted || short(page) == wanted);
    let Some(page) = found else {
        let known: Vec<&str> = pages.iter().map(short).collect();
        return Err(Misused(format!("there is no page {wanted}; there are {}", known.join(", "))).into());
    };
    print_stdout(&String::from_utf8_lossy(&page.text))
}

const PROGRAM: &str = "gguf-bench";

/// As a person names it: `compare`.
fn short(page: &Page) -> &str {
    page.name.strip_prefix(PROGRAM).and_then(|rest| rest.strip_prefix('-')).unwrap_or(&page.name)
}

/// A page a program, and a page a subcommand that is no secret.
fn pages(programs: impl IntoIterator<Item = Command>) -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    for program in programs {
        let mut command = program.disable_help_subcommand(true);
        command.build();
        pages.push(page(&command)?);
        for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            pages.push(page(subcommand)?);
        }
    }
    Ok(pages)
}

fn page(command: &Command) -> Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = Vec::new();
    Man::new(command.clone())
        .source(concat!("gguf-bench ", env!("CARGO_PKG_VERSION")))
        .manual("gguf-bench")
        .render(&mut text)
        .with_context(|| format!("render the page {name}"))?;
    Ok(Page { name, text })
}

#[expect(clippy::disallowed_methods, reason = "a command's output goes where it is told")]
fn write(dir: &Path, pages: &[Page]) -> Result<Exit> {
    std::fs::create_dir_all(dir).with_context(|| format!("make the folder {}", dir.display()))?;
    for page in pages {
        let path = dir.join(format!("{}.1", page.name));
        std::fs::write(&path, &page.text).with_context(|| format!("write {}", path.display()))?;
    }
    print_stdout(&format!("{} pages in {}\n", pages.len(), dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command_line;

    #[test]
    fn every_command_has_a_page_with_each_of_its_options() {
        let pages = pages(Program::ALL.map(command_line)).expect("they are rendered");
        let all = Program::ALL.into_iter().flat_map(|program| {
            let mut command = command_line(program);
            command.build();
            let own = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help").cloned();
            own.chain([command.clone()]).collect::<Vec<_>>()
        });
        let mut seen = 0;
        for command in all {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            let page = pages.iter().find(|page| page.name == name).expect(name);
            let text = String::from_utf8(page.text.clone()).expect("text").replace("\\-", "-");
            for long in command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(clap::Arg::get_long) {
                assert!(text.contains(&format!("--{long}")), "--{long} in {name}");
                seen += 1;
            }
        }
        assert!(seen > 300, "{seen} options");
        assert_eq!(pages.iter().map(short).filter(|name| *name == "compare").count(), 1);
    }

    #[test]
    fn a_hyphen_is_written_one_way() {
        assert_eq!(with_one_name("a-b", "a__subcmd__b__subcmd__c) a__b,c"), "a__b__subcmd__c) a__b,c");
    }
}
