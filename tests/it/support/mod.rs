//! Runs the real binary in a folder of its own, on the bundled model and on files made from it.

#[cfg(unix)]
pub(crate) mod gguf;
pub(crate) mod hub;
#[cfg(unix)]
pub(crate) mod mutate;
#[cfg(target_os = "linux")]
pub(crate) mod processes;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, OnceLock, RwLock},
};

use gguf_bench::testing::{engine::LlamaEngine, probe::Monotonic};
use serde_json::Value;
use tempfile::TempDir;

/// The bundled model.
pub(crate) const POCKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/models/pocket-4m-f16.gguf");

/// llama.cpp in this process, which can be started once.
pub(crate) fn engine() -> &'static LlamaEngine {
    static ENGINE: OnceLock<LlamaEngine> = OnceLock::new();
    ENGINE.get_or_init(|| LlamaEngine::start(Arc::new(Monotonic::start())).unwrap())
}

/// A folder and a command line that runs in it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    args: Vec<String>,
    through: Vec<String>,
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) folder: TempDir,
}

impl Bench {
    /// A command line of words, `{pocket}` standing for the bundled model.
    ///
    /// What measures does so on one thread: tests run side by side, and llama.cpp's threads wait for each other by spinning.
    pub(crate) fn new(line: &str) -> Self {
        let mut args: Vec<String> = line.split_whitespace().map(|w| w.replace("{pocket}", POCKET)).collect();
        let measures =
            args.first().is_some_and(|command| ["compare", "sweep", "demo", "selfcheck"].contains(&command.as_str()));
        if measures && args.len() > 1 && !line.contains("--help") {
            args.extend(["-t".into(), "1".into()]);
        }
        Self { folder: TempDir::new().unwrap(), args, through: Vec::new() }
    }

    /// One more word, as it is.
    pub(crate) fn arg(mut self, word: impl AsRef<Path>) -> Self {
        self.args.push(word.as_ref().display().to_string());
        self
    }

    /// Started by another program, which is given the command line; what was named before is started by this one.
    pub(crate) fn through(mut self, program: &[&str]) -> Self {
        self.through.splice(0..0, program.iter().map(|&word| word.to_owned()));
        self
    }

    /// A file in the folder.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    pub(crate) fn run(self) -> Ran {
        let child = self.spawn();
        self.ran(child)
    }

    /// What a process of this command line left behind, once it has ended.
    pub(crate) fn ran(self, child: Child) -> Ran {
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
            folder: self.folder,
        }
    }

    pub(crate) fn spawn(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self) -> Command {
        let words: Vec<&str> =
            self.through.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_gguf-bench")]).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(&self.args)
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .stdin(Stdio::null());
        untouched(&mut command);
        command
    }
}

/// Takes out of a command's environment what a person may have set for this program, for llama.cpp or for the way to the network.
pub(crate) fn untouched(command: &mut Command) -> &mut Command {
    const BEGINNINGS: [&str; 10] =
        ["OMP_", "GOMP_", "KMP_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "OLLAMA_", "LLAMA_", "GGML_", "CLICOLOR"];
    const NAMES: [&str; 5] = ["NO_COLOR", "COLUMNS", "LINES", "MANWIDTH", "KMP_BLOCKTIME"];
    let theirs = |name: &str| {
        BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) || name.to_lowercase().ends_with("_proxy")
    };
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| theirs(name));
    // The last is set by llama.cpp in a process that starts it, as some tests of this one do at any moment.
    for name in set.chain(NAMES.map(str::to_owned)) {
        command.env_remove(name);
    }
    command
}

/// A command line that runs in a folder that is there.
impl Bench {
    pub(crate) fn at(folder: TempDir, line: &str) -> Self {
        Self { folder, ..Self::new(line) }
    }
}

impl Ran {
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Whether standard output has these words, wherever its lines are broken.
    pub(crate) fn says(&self, words: &str) -> bool {
        words_of(&self.stdout).contains(words)
    }

    /// Whether standard output begins with these words, wherever its lines are broken.
    pub(crate) fn begins(&self, words: &str) -> bool {
        words_of(&self.stdout).starts_with(words)
    }

    /// Whether standard error has these words, wherever its lines are broken.
    pub(crate) fn tells(&self, words: &str) -> bool {
        words_of(&self.stderr).contains(words)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub(crate) fn stdout_json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// For whoever has the kernel kill for want of memory, to write, and to read for whoever kills and is to be named: the kernel counts its own
/// kills for the machine as a whole.
pub(crate) fn killing_for_memory() -> &'static RwLock<()> {
    static KILLING: RwLock<()> = RwLock::new(());
    KILLING.clear_poison();
    &KILLING
}

/// What a run gives that waits no longer for a worker than it has to: this machine may be slow, or stop for seconds, and what works is then
/// taken for silent in haste. Says with which `--timeout` it was.
pub(crate) fn patiently<T>(run: impl Fn(u32) -> T, is_hasty: impl Fn(&T) -> bool) -> (u32, T) {
    let longest = 60;
    for seconds in [1, 8] {
        let ran = run(seconds);
        if !is_hasty(&ran) {
            return (seconds, ran);
        }
    }
    (longest, run(longest))
}

/// A text in one line, with one space between its words.
pub(crate) fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Says that something can't be tested here, past what the test runner keeps to itself.
pub(crate) fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// `Q8_0`, `Q4_K_M` and `Q2_K` of the bundled model, made once.
pub(crate) fn quants() -> &'static [PathBuf; 3] {
    static QUANTS: OnceLock<(TempDir, [PathBuf; 3])> = OnceLock::new();
    let (_, files) = QUANTS.get_or_init(|| {
        let ran = Bench::new(
            "sweep {pocket} --types Q8_0,Q4_K_M,Q2_K --keep quants --quick --pp 8 --tg 0 --prompts none --no-quality",
        )
        .run()
        .ok();
        let file = |name: &str| ran.folder.path().join("quants").join(format!("pocket-4m-{name}.gguf"));
        let files = ["Q8_0", "Q4_K_M", "Q2_K"].map(file);
        (ran.folder, files)
    });
    files
}
