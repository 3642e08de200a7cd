//! Models in a local Ollama store: a manifest names the blob that is the GGUF file.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

/// The registry of models that are named without one.
const HOST: &str = "registry.ollama.ai";
/// Media type of the layer that is the GGUF file.
const MODEL: &str = "application/vnd.ollama.image.model";

/// Why a name is no model of the store.
#[derive(Debug, Error)]
pub(crate) enum OllamaError {
    #[error("there is no Ollama store at {store}: set OLLAMA_MODELS to its folder", store = store.display())]
    NoStore { store: PathBuf },
    #[error("{name:?} is no name of an Ollama model: llama3.2, llama3.2:1b or owner/model:tag is")]
    BadName { name: String },
    #[error("the Ollama store has no {name}{list}; `ollama pull {name}` gets it", list = has(models))]
    NotThere { name: String, models: Vec<String> },
    #[error("read {path}: {reason}", path = path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("{name} is listed in the Ollama store, but {blob} is missing: pull it again", blob = blob.display())]
    BlobMissing { name: String, blob: PathBuf },
}

fn has(models: &[String]) -> String {
    if models.is_empty() { String::new() } else { format!("; it has {}", models.join(", ")) }
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
}

/// The file of a model by Ollama's name for it, without the `ollama:` before it, and what to call it.
pub(crate) fn find(name: &str, store: &Path) -> Result<(PathBuf, String), OllamaError> {
    let bad = || OllamaError::BadName { name: name.into() };
    let (path, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.iter().chain([&tag]).all(|part| is_part(part)) {
        return Err(bad());
    }
    let (host, owner, model) = match parts[..] {
        [model] => (HOST, "library", model),
        [owner, model] => (HOST, owner, model),
        [host, owner, model] => (host, owner, model),
        _ => return Err(bad()),
    };
    let manifests = store.join("manifests");
    if !manifests.is_dir() {
        return Err(OllamaError::NoStore { store: store.into() });
    }
    let full = format!("{path}:{tag}");
    let file = manifests.join(host).join(owner).join(model).join(tag);
    let unusable = |reason: String| OllamaError::Manifest { path: file.clone(), reason };
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(OllamaError::NotThere { name: full, models: library(&manifests) });
        }
        Err(e) => return Err(unusable(e.to_string())),
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| unusable(e.to_string()))?;
    let layer = manifest.layers.into_iter().find(|layer| layer.media_type == MODEL);
    let digest = layer.ok_or_else(|| unusable("it names no GGUF model".into()))?.digest;
    let Some(hash) = digest.strip_prefix("sha256:").filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit())) else {
        return Err(unusable(format!("{digest:?} is no digest")));
    };
    let blob = store.join("blobs").join(format!("sha256-{hash}"));
    if blob.is_file() {
        Ok((blob, format!("{model}-{tag}")))
    } else {
        Err(OllamaError::BlobMissing { name: full, blob })
    }
}

/// Part of a path below the store: nothing that leads out of it.
fn is_part(part: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !part.is_empty() && !part.starts_with('.') && part.chars().all(sign)
}

/// What the store has of Ollama's own library.
fn library(manifests: &Path) -> Vec<String> {
    let names = |folder: PathBuf| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let library = manifests.join(HOST).join("library");
    let tags = |model: String| names(library.join(&model)).into_iter().map(move |tag| format!("{model}:{tag}"));
    names(library.clone()).into_iter().flat_map(tags).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_through_its_manifest_to_its_blob() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path();
        assert!(matches!(find("llama3.2", store), Err(OllamaError::NoStore { .. })));
        let folder = store.join("manifests/registry.ollama.ai/library/llama3.2");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(store.join("blobs")).unwrap();
        let layers = r#"{"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"sha256:00"},
            {"mediaType":"application/vnd.ollama.image.model","digest":"sha256:ab12"}]}"#;
        fs::write(folder.join("1b"), layers).unwrap();
        assert!(matches!(find("llama3.2:1b", store), Err(OllamaError::BlobMissing { .. })));
        fs::write(store.join("blobs/sha256-ab12"), "GGUF").unwrap();
        assert_eq!(find("llama3.2:1b", store).unwrap(), (store.join("blobs/sha256-ab12"), "llama3.2-1b".into()));
        let error = find("llama3.2", store).unwrap_err();
        assert!(error.to_string().contains("no llama3.2:latest; it has llama3.2:1b"), "{error}");
        fs::write(folder.join("evil"), layers.replace("sha256:ab12", "sha256:../../x")).unwrap();
        assert!(matches!(find("llama3.2:evil", store), Err(OllamaError::Manifest { .. })));
        for name in ["../x", "a/b/c/d", "", "x:", ".hidden", "a b"] {
            assert!(matches!(find(name, store), Err(OllamaError::BadName { .. })), "{name}");
        }
    }
}
