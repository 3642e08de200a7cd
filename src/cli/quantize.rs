//! Makes the checkpoints of sweep and demo, each in a process of its own: a damaged original may abort llama.cpp.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::{
    console::size,
    interrupt, machine,
    outputs::ReplaceArgs,
    recipe::RecipeArgs,
    subjects::{Found, Recipe, Source},
};
use crate::{
    engine::QuantType,
    event::{Event, Observer},
    gguf::{self, FileType},
    models::{
        self,
        disk::{self, Room},
        names::quant_of,
        near::nearest,
    },
    protocol,
    record::{MadeFrom, ModelFacts, Outcome, Stage},
    run,
};

/// Where checkpoints are made: a folder to keep, or one that goes when this does.
pub(super) enum CheckpointDir {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl CheckpointDir {
    /// Opens it, so that an unwritable folder is known before anything slow starts.
    pub(super) fn open(keep: Option<&Path>) -> Result<Self> {
        if let Some(folder) = keep {
            std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
            Ok(Self::Kept(folder.into()))
        } else {
            interrupt::temporary_folder().map(Self::Temporary)
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// What is to be made, and how.
pub(super) struct QuantizeRequest<'a> {
    pub(super) types: &'a [QuantType],
    pub(super) n_threads: u32,
    pub(super) allow_requantize: bool,
    pub(super) options: &'a RecipeArgs,
    /// What becomes of a file that is there under the name of one to be made, and has other bytes.
    pub(super) replace: ReplaceArgs,
}

/// The types named on the command line, each once.
pub(super) fn types(names: &[String], with_imatrix: bool) -> Result<Vec<QuantType>> {
    let mut types = Vec::new();
    // A comma at the end names nothing.
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let found = QuantType::by_name(name).ok_or_else(|| anyhow!(no_type(name)))?;
        if found.needs_imatrix() && !with_imatrix {
            bail!("{} needs an importance matrix: name one with --imatrix FILE, as llama-imatrix makes it", found.name);
        }
        if !types.contains(&found) {
            types.push(found);
        }
    }
    if types.is_empty() {
        bail!("--types names no type; it takes {}", QuantType::names(with_imatrix).join(", "));
    }
    Ok(types)
}

/// Why nothing is made of this name: it is made by other programs, or is misspelt.
fn no_type(name: &str) -> String {
    let known = |names: &[&'static str]| names.iter().copied().find(|known| known.eq_ignore_ascii_case(name));
    if let Some(name) = known(&FileType::names()) {
        return format!(
            "{name} is no type that sweep makes: make the file with the program that does, and compare it; sweep makes {}",
            QuantType::names(true).join(", ")
        );
    }
    let letters =
        |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let alike = QuantType::names(true).into_iter().find(|known| letters(known) == letters(name)).map(str::to_owned);
    let near = match alike {
        Some(alike) => vec![alike],
        None => nearest(name, QuantType::names(true).into_iter().map(str::to_owned)),
    };
    if near.is_empty() {
        format!("there is no type {name:?}; sweep makes {}", QuantType::names(true).join(", "))
    } else {
        format!("there is no type {name:?}; near it: {}", near.join(", "))
    }
}

/// A file to be made.
pub(super) struct Checkpoint {
    pub(super) to: QuantType,
    /// How large it will be; `None` while the original is not here, or where llama.cpp does not say.
    pub(super) bytes: Option<u64>,
}

/// What will be made of an original, and where.
pub(super) struct Checkpoints {
    pub(super) files: Vec<Checkpoint>,
    pub(super) folder: PathBuf,
    pub(super) room: Option<Room>,
}

impl Checkpoints {
    /// Looks ahead at everything that making them takes, and refuses what can't be, or should not be, made.
    pub(super) fn planned(
        original: Option<&Found>,
        request: &QuantizeRequest<'_>,
        keep: Option<&Path>,
    ) -> Result<Self> {
        let folder = keep.map_or_else(std::env::temp_dir, Path::to_owned);
        let readable = original.and_then(|found| Some((found, found.subject.model.facts.as_ref()?)));
        let mut header = None;
        if let Some((found, facts)) = readable {
            refuse_requantizing(&found.path, facts, request)?;
            header = Some(read(&found.path)?);
        }
        request.options.check(header.as_ref())?;
        let mut files = Vec::new();
        for &to in request.types {
            let bytes = match readable {
                Some((found, facts)) => quantized_bytes(&found.path, to, request)?.map(|weights| {
                    // Metadata and the tokenizer are as they were.
                    weights + facts.file_bytes.saturating_sub(facts.weights_bytes + facts.unused_bytes)
                }),
                None => None,
            };
            files.push(Checkpoint { to, bytes });
        }
        let made = Self { room: disk::room(&folder), files, folder };
        made.check_room(keep.is_some())?;
        Ok(made)
    }

    /// Bytes of all of them; `None` while one is not known.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The same where a file system in memory says how much it holds.
    fn check_room(&self, kept: bool) -> Result<()> {
        let (Some(needed), Some(Room { free_bytes, in_memory })) = (self.bytes(), &self.room) else { return Ok(()) };
        if needed <= *free_bytes {
            return Ok(());
        }
        let memory = if *in_memory { ", which is memory (tmpfs)," } else { "" };
        let remedy =
            if kept { "choose another --keep folder" } else { "keep them on another disk with --keep, or set TMPDIR" };
        bail!(
            "the files to be made take {} in all, and {}{memory} has {} free: {remedy}, or make fewer --types",
            size(needed),
            self.folder.display(),
            size(*free_bytes)
        )
    }

    /// `Q8_0 4.4 MiB, Q4_0 2.5 MiB, 6.9 MiB in all, in /tmp (memory, of which the models need the rest)`.
    pub(super) fn words(&self) -> String {
        let each: Vec<String> = self
            .files
            .iter()
            .map(|Checkpoint { to, bytes }| {
                bytes.map_or_else(|| to.name.into(), |bytes| format!("{} {}", to.name, size(bytes)))
            })
            .collect();
        let all = self.bytes().map_or_else(String::new, |bytes| format!("; {} in all", size(bytes)));
        let free = self.room.as_ref().map_or_else(String::new, |room| format!(", {} free", size(room.free_bytes)));
        let memory = if self.room.as_ref().is_some_and(|room| room.in_memory) {
            "; that is memory (tmpfs), which the models need too"
        } else {
            ""
        };
        format!("{}{all}, in {}{free}{memory}", each.join(", "), self.folder.display())
    }
}

/// Whatever is lost already stays lost, and is not what the new type costs.
fn refuse_requantizing(original: &Path, facts: &ModelFacts, request: &QuantizeRequest<'_>) -> Result<()> {
    if facts.full_precision != Some(false) || request.allow_requantize {
        return Ok(());
    }
    let words = facts.contradiction.as_ref().unwrap_or(&facts.quant);
    bail!(
        "{} is already quantized ({words}): give the full-precision original, or --allow-requantize to go on, labelled",
        original.display()
    )
}

fn read(path: &Path) -> Result<gguf::Model> {
    gguf::Model::read(path).with_context(|| format!("read {}", path.display()))
}

/// What llama.cpp says the weights will take; `None` where it does not say, which making the file will tell.
fn quantized_bytes(original: &Path, to: QuantType, request: &QuantizeRequest<'_>) -> Result<Option<u64>> {
    let mut arguments = arguments(original, Path::new("-"), to, request);
    arguments.push("--only-size".into());
    let log = match run::run_for_log(&machine::program()?, &arguments, Duration::from_mins(10)) {
        Ok(log) => log,
        // A pattern, above all, that is no regular expression to llama.cpp.
        Err(refused) if request.options.has_rules() => {
            bail!("{} can't be quantized to {} so: {refused}", original.display(), to.name)
        }
        Err(_) => return Ok(None),
    };
    if protocol::asks_for_imatrix(&log) {
        bail!(
            "a tensor of {} would get a type that needs an importance matrix: name one with --imatrix FILE, as llama-imatrix makes it, \
             or take another type",
            to.name
        );
    }
    Ok(protocol::quantized_bytes(&log))
}

/// Makes every type; a type that can't be made is a failed row. The first source is the original.
pub(super) fn make(
    folder: &CheckpointDir,
    original: &Source,
    request: &QuantizeRequest<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Source>> {
    let resolved = models::resolve(&original.path)?;
    let path = resolved.file;
    let facts = read(&path)?.facts();
    let quant = facts.file_type.as_ref().map_or("unknown", |t| t.short);
    let from = quant.to_owned();
    let made_from = if facts.full_precision { MadeFrom::Quantized { from } } else { MadeFrom::Requantized { from } };
    let options = request.options.check(None)?;
    let called =
        original.label.clone().unwrap_or_else(|| path.file_name().unwrap_or_default().to_string_lossy().into());
    let mut sources = vec![original.clone()];
    for &to in request.types {
        observer.on(Event::Quantizing { to: to.name });
        let stem = made_stem(&called, quant, to.name) + &request.options.name_suffix();
        let parts = request.options.keep_split.then_some(resolved.parts.len());
        let made = folder.path().join(parts.map_or_else(|| format!("{stem}.gguf"), |parts| part_name(&stem, 1, parts)));
        let failed = make_one(&path, &made, to, request)
            .err()
            .map(|e| Outcome::Failed { stage: Stage::Quantize, reason: format!("{e:#}") });
        sources.push(Source {
            path: made.display().to_string(),
            label: None,
            made_from: Some(made_from.clone()),
            options: options.clone(),
            recipe: Some(Recipe::Quantized { to: to.name.into(), options: request.options.clone().absolute() }),
            failed,
            pending: None,
        });
    }
    Ok(sources)
}

/// Makes one that was made before, of the same original.
pub(super) fn again(
    original: &Path,
    path: &Path,
    type_name: &str,
    options: &RecipeArgs,
    n_threads: u32,
    observer: &mut dyn Observer,
) -> Result<()> {
    let types = types(&[type_name.to_owned()], options.has_imatrix())?;
    observer.on(Event::Quantizing { to: types[0].name });
    // Whether that was allowed was asked then.
    make_one(
        original,
        path,
        types[0],
        &QuantizeRequest {
            types: &types,
            n_threads,
            allow_requantize: true,
            options,
            replace: ReplaceArgs { overwrite: true },
        },
    )
}

/// What the worker is told.
fn arguments(original: &Path, made: &Path, to: QuantType, request: &QuantizeRequest<'_>) -> Vec<String> {
    let mut arguments = machine::worker("quantize");
    arguments.extend([original.display().to_string(), made.display().to_string(), to.name.into()]);
    arguments.extend(["--threads".into(), request.n_threads.to_string()]);
    arguments.extend(request.options.words());
    if request.allow_requantize {
        arguments.push("--allow-requantize".into());
    }
    arguments
}

/// By a temporary name first: a file under the final name is whole.
fn make_one(original: &Path, path: &Path, to: QuantType, request: &QuantizeRequest<'_>) -> Result<()> {
    if same_file(original, path) {
        bail!("{} is the original itself: choose another --keep folder", path.display());
    }
    let MadeFiles { output, files } = MadeFiles::of(path, request.options.keep_split);
    for (partial, _) in &files {
        interrupt::temporary(partial);
    }
    let arguments = arguments(original, &output, to, request);
    let made = run::run_to_end(&machine::program()?, &arguments, Duration::from_hours(24));
    if let Err(lost) = made {
        discard(&files);
        // All that llama.cpp says of a disk.
        if lost.to_string().contains("iostream error") {
            bail!("write {}: the disk is full, most likely ({lost})", path.display());
        }
        return Err(lost.into());
    }
    for (partial, path) in &files {
        std::fs::File::open(partial)
            .and_then(|file| file.sync_all())
            .with_context(|| format!("write {}", path.display()))?;
    }
    let differs = |(partial, path): &&(PathBuf, PathBuf)| path.exists() && !same_bytes(partial, path);
    if let Some((_, path)) = files.iter().find(differs).filter(|_| !request.replace.overwrite) {
        discard(&files);
        bail!(
            "{} is there, and what was made now has other bytes: choose another --keep folder, or replace it with --overwrite",
            path.display()
        );
    }
    // The first part last: where it is, all are.
    for (partial, path) in files.iter().rev() {
        std::fs::rename(partial, path).with_context(|| format!("name {}", path.display()))?;
    }
    Ok(())
}

/// Half a file is worth nothing; that it could not be removed is not the news.
fn discard(files: &[(PathBuf, PathBuf)]) {
    for (partial, _) in files {
        let _ = std::fs::remove_file(partial);
    }
}

/// Whether two files hold the same; what can't be read holds nothing that is known.
fn same_bytes(a: &Path, b: &Path) -> bool {
    let open = |path: &Path| std::fs::File::open(path).map(std::io::BufReader::new).ok();
    let size = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.len());
    let (Some(mut a_bytes), Some(mut b_bytes)) = (open(a), open(b)) else { return false };
    size(a) == size(b) && equal(&mut a_bytes, &mut b_bytes).unwrap_or(false)
}

fn equal(a: &mut impl BufRead, b: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let n = left.len().min(right.len());
        if n == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..n] != right[..n] {
            return Ok(false);
        }
        a.consume(n);
        b.consume(n);
    }
}

/// What llama.cpp is told to write, and each file of it under its temporary and its final name.
struct MadeFiles {
    output: PathBuf,
    files: Vec<(PathBuf, PathBuf)>,
}

impl MadeFiles {
    fn of(path: &Path, keep_split: bool) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(first) = gguf::SplitName::parse(&name).filter(|_| keep_split) else {
            let output = path.with_extension("gguf.partial");
            return Self { files: vec![(output.clone(), path.to_owned())], output };
        };
        // llama.cpp adds number and extension to what it is told.
        let output = path.with_file_name(format!("{}.partial", first.stem));
        let parts = first.count as usize;
        let partial = |part| path.with_file_name(part_name(&format!("{}.partial", first.stem), part, parts));
        let files = (1..=first.count).map(|part| (partial(part), path.with_file_name(first.name_of(part)))).collect();
        Self { output, files }
    }
}

/// As llama.cpp names the part of a split model, from 1.
fn part_name(stem: &str, part: u32, parts: usize) -> String {
    format!("{stem}-{part:05}-of-{parts:05}.gguf")
}

/// Whether both paths lead to one existing file.
fn same_file(a: &Path, b: &Path) -> bool {
    std::fs::canonicalize(a).ok().zip(std::fs::canonicalize(b).ok()).is_some_and(|(a, b)| a == b)
}

/// `model-F16-00001-of-00002.gguf` becomes `model-Q8_0`: the new type takes the old one's place. A store's name is one, too.
fn made_stem(called: &str, quant: &str, to: &str) -> String {
    // A name of Ollama's has a tag, and may have folders.
    let called = called.replace(['/', ':', '\\'], "-");
    let stem = gguf::stem(&called);
    let named = quant_of(stem).filter(|named| stem.ends_with(named)).unwrap_or(quant);
    let cut = stem.len().checked_sub(named.len()).filter(|&at| stem.is_char_boundary(at));
    let stem = match cut {
        Some(at) if stem[at..].eq_ignore_ascii_case(named) => stem[..at].trim_end_matches(['-', '.', '_']),
        _ => stem,
    };
    if stem.is_empty() { to.to_owned() } else { format!("{stem}-{to}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_type_takes_the_old_ones_place() {
        assert_eq!(made_stem("pocket-4m-f16.gguf", "F16", "Q8_0"), "pocket-4m-Q8_0");
        assert_eq!(made_stem("SmolLM2.Q4_1.gguf", "Q4_1", "Q8_0"), "SmolLM2-Q8_0");
        assert_eq!(made_stem("model.gguf", "F16", "Q8_0"), "model-Q8_0");
        assert_eq!(made_stem("x-F16-00001-of-00002.gguf", "F16", "Q8_0"), "x-Q8_0");
        // What its tensors say may be another type than its name.
        assert_eq!(made_stem("x-BF16.gguf", "F32", "Q8_0"), "x-Q8_0");
        assert_eq!(made_stem("hf.co/o/n:F16", "F16", "Q8_0"), "hf.co-o-n-Q8_0");
        assert_eq!(made_stem("é.gguf", "F16", "Q8_0"), "é-Q8_0");
        // A name that began with a dash would be an option to the next program.
        assert_eq!(made_stem("F16.gguf", "F16", "Q8_0"), "Q8_0");
    }

    #[test]
    fn parts_are_written_under_temporary_names() {
        let path = Path::new("kept/x-Q8_0-00001-of-00002.gguf");
        let made = MadeFiles::of(path, true);
        assert_eq!(made.output, Path::new("kept/x-Q8_0.partial"));
        let names: Vec<_> = made.files.iter().map(|(partial, path)| (partial.to_str(), path.to_str())).collect();
        assert_eq!(
            names,
            [
                (Some("kept/x-Q8_0.partial-00001-of-00002.gguf"), Some("kept/x-Q8_0-00001-of-00002.gguf")),
                (Some("kept/x-Q8_0.partial-00002-of-00002.gguf"), Some("kept/x-Q8_0-00002-of-00002.gguf")),
            ]
        );
        let whole = MadeFiles::of(Path::new("kept/x-Q8_0.gguf"), false);
        assert_eq!((whole.output.to_str(), whole.files.len()), (Some("kept/x-Q8_0.gguf.partial"), 1));
    }

    #[test]
    fn types_are_checked_and_named_once() {
        let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let said =
            |list: &[&str]| types(&names(list), false).map_or_else(|e| e.to_string(), |t| format!("{} types", t.len()));
        assert_eq!(said(&["q8_0", "Q8_0", ""]), "1 types");
        assert!(said(&["IQ2_XXS"]).starts_with("IQ2_XXS needs an importance matrix: name one with --imatrix"));
        let made = types(&names(&["IQ2_XXS", "q2_k_s", "iq1_m"]), true);
        assert_eq!(made.map_or(0, |types| types.len()), 3);
        assert!(said(&["q2_k_s"]).starts_with("Q2_K_S needs an importance matrix"));
        assert!(said(&["MXFP4_MOE"]).starts_with("MXFP4_MOE is no type that sweep makes"));
        assert_eq!(said(&["q4km"]), "there is no type \"q4km\"; near it: Q4_K_M");
        assert!(said(&["Q4_K_N"]).contains("near it: Q4_K_M, Q4_K_S"), "{}", said(&["Q4_K_N"]));
        assert!(said(&["banana"]).contains("sweep makes F32, F16"));
        assert!(said(&[""]).starts_with("--types names no type"));
    }
}
