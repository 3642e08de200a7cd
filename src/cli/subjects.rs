//! The models of a run before it starts: found, their headers read, hashed, named. What is wrong with one is its row.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    options::engine::{SEPARATOR, Variant, Variants},
    recipe::{RecipeArgs, file_name},
};
use crate::{
    event::{Event, Observer},
    gguf, models,
    record::{
        Build, Machine, MadeFrom, Model, ModelFacts, Outcome, Plan, QuantizeRecipe, Role, Settings, Stage, Subject,
        TensorGroup, TokenizerFacts,
    },
    text::printable,
};

/// A subject of the run, and where its file lies.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) subject: Subject,
    /// The first part; what was typed when nothing was found.
    pub(super) path: PathBuf,
    /// What its header says of its dimensions, once it was read.
    pub(super) shape: Option<gguf::Shape>,
    /// How this run made it.
    pub(super) recipe: Option<Recipe>,
    /// What must be fetched before anything is known of it.
    pub(super) pending: Option<String>,
}

impl Found {
    /// A subject whose header was read before, or that has none.
    pub(super) fn unread(subject: Subject, path: PathBuf) -> Self {
        Self { subject, path, shape: None, recipe: None, pending: None }
    }
}

/// How a file comes about that a run makes for itself, and makes again when it goes on after the file is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recipe {
    /// The model in this program is unpacked.
    Bundled,
    /// The original is quantized to the type of this name.
    Quantized { to: String, options: RecipeArgs },
}

/// What is known of a model before its header is read.
#[derive(Clone)]
pub(super) struct Source {
    /// Path as typed or as made.
    pub(super) path: String,
    /// What to call it where its file's name says nothing.
    pub(super) label: Option<String>,
    /// What this run made it from.
    pub(super) made_from: Option<MadeFrom>,
    /// With which options, for the record.
    pub(super) options: Option<QuantizeRecipe>,
    /// How this run made it.
    pub(super) recipe: Option<Recipe>,
    /// Why it could not be made.
    pub(super) failed: Option<Outcome>,
    /// What must be fetched first, in words.
    pub(super) pending: Option<String>,
}

impl Source {
    /// A file that was there.
    pub(super) fn found(path: &str) -> Self {
        Self {
            path: path.into(),
            label: None,
            made_from: None,
            options: None,
            recipe: None,
            failed: None,
            pending: None,
        }
    }
}

/// Finds every model, reads its header, once, and gives it every combination of settings. The first is the original.
pub(super) fn find(sources: Vec<Source>, variants: &Variants) -> Vec<Found> {
    let mut files = files(sources, variants.base());
    if let ([alone], true) = (&mut files[..], variants.all().len() > 1) {
        // What is the same of all is not what tells them apart.
        let quant = alone.subject.model.facts.as_ref().map(|facts| facts.quant.clone());
        alone.subject.name = quant.filter(|quant| quant != "unknown").unwrap_or_else(|| alone.subject.name.clone());
    }
    let combined = files.into_iter().flat_map(|file| {
        let with = |variant: &Variant| {
            let varied = variant.name().map(|varied| format!("{}{SEPARATOR}{varied}", file.subject.name));
            let name = varied.unwrap_or_else(|| file.subject.name.clone());
            let subject = Subject { name, settings: variant.settings.clone(), ..file.subject.clone() };
            Found { subject, ..file.clone() }
        };
        variants.all().iter().map(with).collect::<Vec<_>>()
    });
    let role = |index: usize| if index == 0 { Role::Original } else { Role::Candidate };
    let with_role =
        |(index, found): (usize, Found)| Found { subject: Subject { role: role(index), ..found.subject }, ..found };
    combined.enumerate().map(with_role).collect()
}

/// Every file with the same settings.
fn files(sources: Vec<Source>, settings: &Settings) -> Vec<Found> {
    let resolved: Vec<Result<PathBuf, String>> =
        sources.iter().map(|s| models::resolve(&s.path).map(|r| r.file).map_err(|e| e.to_string())).collect();
    let called = sources.iter().zip(&resolved).map(|(source, resolved)| {
        let file = || resolved.as_ref().map_or_else(|_| PathBuf::from(&source.path), Clone::clone);
        source.label.as_ref().map_or_else(file, PathBuf::from)
    });
    let called: Vec<PathBuf> = called.collect();
    let names = models::short_names(&called.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let all = sources.into_iter().zip(resolved).zip(called.iter().zip(names));
    all.map(|((source, resolved), (called, name))| {
        let Source { path, label: _, made_from, options, recipe, failed, pending } = source;
        let path = resolved.as_ref().map_or_else(|_| PathBuf::from(path), Clone::clone);
        let read = resolved.and_then(|file| gguf::Model::read(&file).map_err(|e| e.to_string()));
        let read = read.and_then(|model| {
            let facts = model.facts();
            if let Some(refusal) = facts.refusal() {
                return Err(refusal);
            }
            Ok((ModelFacts { made_from, recipe: options, ..model_facts(&facts)? }, facts.shape))
        });
        let (facts, shape, outcome) = match read {
            Ok((facts, shape)) => (Some(facts), Some(shape), Outcome::Done),
            Err(reason) => (None, None, Outcome::Failed { stage: Stage::Inspect, reason }),
        };
        let file = called.file_name().unwrap_or(called.as_os_str()).to_string_lossy();
        let subject = Subject {
            name: printable(&name),
            role: Role::Candidate,
            model: Model { file: printable(&file), facts },
            settings: settings.clone(),
            outcome: failed.unwrap_or(outcome),
        };
        Found { subject, path, shape, recipe, pending }
    })
    .collect()
}

/// Puts a file in the original's place, called by its own name or that of the model it came from, of which no more is known.
pub(super) fn compare_with_file(found: &mut Vec<Found>, file: &Path, name: Option<&str>, settings: &Settings) {
    for found in found.iter_mut() {
        found.subject.role = Role::Candidate;
    }
    let own = printable(&file.file_name().unwrap_or(file.as_os_str()).to_string_lossy());
    let name = name.map_or_else(|| own.clone(), |name| printable(&format!("{name} (reference)")));
    let model = Model { file: own, facts: None };
    let settings = settings.clone();
    let subject = Subject { name, role: Role::Original, model, settings, outcome: Outcome::Done };
    found.insert(0, Found::unread(subject, file.into()));
}

/// Adds what depends on the plan, the machine and the build: the KV cache to expect, and the weights held twice.
pub(super) fn expect_memory(found: &mut [Found], plan: &Plan, machine: &Machine, build: &Build) {
    let instructions = build.compiled_to_use();
    for Found { subject, shape, .. } in found {
        let Some(facts) = &mut subject.model.facts else { continue };
        let repacked = gguf::repacked_bytes(&facts.tensors, &subject.settings, machine, &instructions);
        facts.expected_repacked_bytes = Some(repacked);
        // Most of these keep nothing of what they have read.
        let Some(shape) = shape.as_ref().filter(|_| facts.no_next_token.is_none()) else { continue };
        let n_ctx = plan.largest_synthetic_context(facts.n_ctx_train);
        let types = (subject.settings.type_k.into(), subject.settings.type_v.into());
        facts.expected_kv_bytes = shape.kv_cache_bytes(n_ctx, types.0, types.1).ok();
    }
}

/// Hashes every model that can be measured; the hashes are kept between runs.
pub(super) fn hash(found: &mut [Found], cache: Option<&Path>, observer: &mut dyn Observer) {
    for Found { subject, path, .. } in found {
        let Some(facts) = &mut subject.model.facts else { continue };
        let Ok(resolved) = models::resolve(&path.to_string_lossy()) else { continue };
        let total_bytes = facts.file_bytes;
        let mut progress = |done_bytes| observer.on(Event::Hashing { model: &subject.name, done_bytes, total_bytes });
        match models::sha256(&resolved.parts, cache, &mut progress) {
            Ok(hash) => facts.sha256 = Some(hash),
            Err(e) => subject.outcome = Outcome::Failed { stage: Stage::Inspect, reason: e.to_string() },
        }
    }
}

pub(super) fn model_facts(facts: &gguf::Facts) -> Result<ModelFacts, String> {
    let narrow = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok());
    let text = |s: &Option<String>| s.as_deref().map(printable);
    let tokenizer = facts.tokenizer.as_ref().ok_or("it has no tokenizer: it is not a language model's file")?;
    let groups = facts.mix.iter().map(|row| TensorGroup {
        class: row.class.name().into(),
        ggml_type: row.ty.to_string(),
        count: u32::try_from(row.totals.tensors).unwrap_or(u32::MAX),
        n_params: row.totals.params,
        bytes: row.totals.bytes,
    });
    Ok(ModelFacts {
        file_bytes: facts.file_bytes,
        sha256: None,
        parts: u32::try_from(facts.files).unwrap_or(u32::MAX),
        quant: facts.file_type.as_ref().map_or("unknown", |t| t.short).into(),
        contradiction: facts.contradiction.as_ref().map(ToString::to_string),
        full_precision: Some(facts.full_precision),
        row_fallback: facts.row_fallback(),
        bits_per_weight: facts.bits_per_weight.ok_or("it holds no tensors: a vocabulary alone can't be measured")?,
        n_params: facts.weights.params,
        weights_bytes: facts.weights.bytes,
        unused_bytes: facts.unused.bytes,
        architecture: text(&facts.shape.architecture).unwrap_or_else(|| "unknown".into()),
        title: text(&facts.name),
        n_ctx_train: narrow(facts.shape.n_ctx_train),
        n_layer: narrow(facts.shape.n_layer),
        n_embd: narrow(facts.shape.n_embd),
        n_expert: narrow(facts.shape.n_expert),
        tensors: groups.collect(),
        tokenizer: TokenizerFacts {
            model: text(&tokenizer.model).unwrap_or_else(|| "unknown".into()),
            pre: text(&tokenizer.pre),
            n_vocab: narrow(facts.shape.n_vocab).unwrap_or(0),
            fingerprint: tokenizer.fingerprint.clone(),
            add_bos: tokenizer.add_bos,
        },
        no_next_token: facts.kind.no_next_token(),
        chat_template: facts.chat_template.is_some(),
        imatrix: facts.imatrix.as_ref().map(imatrix),
        expected_kv_bytes: None,
        expected_repacked_bytes: None,
        made_from: None,
        recipe: None,
    })
}

fn imatrix(facts: &gguf::Imatrix) -> String {
    // Whoever made the file may have typed a path of theirs.
    let named = facts.dataset.as_ref().or(facts.file.as_ref());
    let named = named.map_or_else(|| "unnamed".into(), |name| printable(file_name(name)));
    facts.chunks.map_or(named.clone(), |chunks| format!("{named}, {chunks} chunks"))
}
