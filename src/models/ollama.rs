//! Models in Ollama's stores: a manifest names the blob that is the GGUF file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use thiserror::Error;

use super::{
    access::{self, AccessError},
    near::{PROPOSED, by_nearness},
};

/// The registry of models that are named without one.
const HOST: &str = "registry.ollama.ai";
/// The owner of models that are named without one.
const OWNER: &str = "library";
/// Media types of layers begin so.
const LAYER: &str = "application/vnd.ollama.image.";

/// Ollama's stores on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OllamaStores {
    /// `models` folders, in the order in which they are looked at.
    pub(crate) places: Vec<PathBuf>,
    /// What `OLLAMA_MODELS` says, as it was typed.
    pub(crate) variable: Option<String>,
}

impl OllamaStores {
    /// The places that a machine may have: those of a person, of the service that the installers make, and of distributions.
    pub(crate) fn new(variable: Option<String>, home: Option<&Path>, root: &Path) -> Self {
        let named = variable.as_deref().map(|value| match (value.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(value),
        });
        let own = home.map(|home| home.join(".ollama/models"));
        let of_service = [
            "usr/share/ollama/.ollama/models",
            "var/lib/ollama/.ollama/models",
            "var/lib/ollama/models",
            "var/lib/ollama",
            "var/snap/ollama/common/models",
        ];
        let of_service = of_service.iter().map(|folder| root.join(folder));
        Self { places: named.into_iter().chain(own).chain(of_service).collect(), variable }
    }
}

/// Why a name is no model of a store.
#[derive(Debug, Error)]
pub(crate) enum OllamaError {
    #[error("there is no Ollama store{variable}; looked in {list}: set OLLAMA_MODELS to its folder", variable = misspelt(variable.as_ref()), list = places.join(", "))]
    NoStore { places: Vec<String>, variable: Option<String> },
    #[error("{name:?} is no name of an Ollama model: llama3.2, llama3.2:1b or owner/model:tag is")]
    BadName { name: String },
    #[error("Ollama has no {name}{list}; `ollama pull {name}` gets it{variable}", list = has(name, models), variable = misspelt(variable.as_ref()))]
    NotThere { name: String, models: Vec<String>, variable: Option<String> },
    #[error("{name} is not in the stores of Ollama that can be read; {cause}")]
    Forbidden { name: String, cause: AccessError },
    #[error("{path} is no manifest of Ollama: {reason}", path = path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("Ollama has {name}, but {reason}")]
    NotUsable { name: String, reason: String },
    #[error("{name} is listed in the Ollama store, but {blob} is missing: pull it again", blob = blob.display())]
    BlobMissing { name: String, blob: PathBuf },
    #[error(transparent)]
    Access(#[from] AccessError),
}

fn has(name: &str, models: &[String]) -> String {
    let sorted = by_nearness(name, models, |name| name);
    match sorted.len() {
        0 => String::new(),
        few if few <= 2 * PROPOSED => format!("; it has {}", sorted.join(", ")),
        many => format!("; nearest to it are {}, of {many} models", sorted[..PROPOSED].join(", ")),
    }
}

/// What is wrong with the variable, when it leads to no store.
fn misspelt(variable: Option<&String>) -> String {
    let Some(value) = variable else { return String::new() };
    let inside = Path::new(value).join("models/manifests");
    let hint = if access::look(&inside).is_ok_and(|found| found.is_some()) {
        format!(", though {}/models is", value.trim_end_matches('/'))
    } else if value.starts_with(['"', '\'']) {
        ": the quotation marks are part of it".to_owned()
    } else {
        String::new()
    };
    format!(" (OLLAMA_MODELS is {value}, which has no folder manifests{hint})")
}

/// A model of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OllamaModel {
    pub(crate) path: PathBuf,
    /// What to call it.
    pub(crate) label: String,
    pub(crate) notes: Vec<String>,
}

/// A name of Ollama's, taken apart.
struct Name<'a> {
    host: &'a str,
    owner: &'a str,
    model: &'a str,
    tag: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        // A colon before a slash is of a port.
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (name, "latest"),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let (host, owner, model) = match parts[..] {
            [model] => (HOST, OWNER, model),
            [owner, model] => (HOST, owner, model),
            [host, owner, model] => (host, owner, model),
            _ => return None,
        };
        let port = |c: char| c == ':';
        let fine = [owner, model, tag].iter().all(|part| is_part(part)) && is_part(&host.replace(port, ""));
        fine.then_some(Self { host, owner, model, tag })
    }

    fn full(&self) -> String {
        full(self.host, self.owner, self.model, self.tag)
    }
}

fn full(host: &str, owner: &str, model: &str, tag: &str) -> String {
    match (host, owner) {
        (HOST, OWNER) => format!("{model}:{tag}"),
        (HOST, owner) => format!("{owner}/{model}:{tag}"),
        (host, owner) => format!("{host}/{owner}/{model}:{tag}"),
    }
}

/// Part of a path below the store: nothing that leads out of it.
fn is_part(part: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !part.is_empty() && !part.starts_with('.') && part.chars().all(sign)
}

/// The file of a model by Ollama's name for it, without the `ollama:` before it. The first store that has the model wins.
pub(crate) fn find(name: &str, stores: &OllamaStores) -> Result<OllamaModel, OllamaError> {
    let asked = Name::parse(name).ok_or_else(|| OllamaError::BadName { name: name.into() })?;
    let (mut forbidden, mut broken, mut any) = (None, None, false);
    for place in &stores.places {
        match in_store(place, &asked) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => any |= matches!(access::look(&place.join("manifests")), Ok(Some(_))),
            Err(OllamaError::Access(cause)) => forbidden = forbidden.or(Some(cause)),
            // What one store has lost another may still have.
            Err(other) => broken = broken.or(Some(other)),
        }
    }
    let name = asked.full();
    Err(match (broken, forbidden) {
        (Some(broken), _) => broken,
        (None, Some(cause)) => OllamaError::Forbidden { name, cause },
        (None, None) if any => {
            let variable = stores.variable.clone().filter(|_| !is_store(&stores.places[0]));
            OllamaError::NotThere { name, models: list(stores), variable }
        }
        (None, None) => OllamaError::NoStore {
            places: stores.places.iter().map(|place| place.display().to_string()).collect(),
            variable: stores.variable.clone(),
        },
    })
}

fn is_store(place: &Path) -> bool {
    matches!(access::look(&place.join("manifests")), Ok(Some(_)))
}

fn in_store(store: &Path, asked: &Name<'_>) -> Result<Option<OllamaModel>, OllamaError> {
    let mut file = store.join("manifests");
    if access::look(&file)?.is_none() {
        return Ok(None);
    }
    for part in [asked.host, asked.owner, asked.model, asked.tag] {
        match access::child(&file, part)? {
            Some(path) => file = path,
            None => return Ok(None),
        }
    }
    let text = fs::read(&file).map_err(|error| access::failure(&file, error))?;
    let name = asked.full();
    let layers = Layers::read(&text).map_err(|reason| OllamaError::Manifest { path: file.clone(), reason })?;
    let unusable = |reason: String| OllamaError::NotUsable { name: name.clone(), reason };
    let Some(digest) = layers.of("model").next() else { return Err(unusable(layers.why_no_model(store, asked.tag))) };
    let Some(hash) = digest.strip_prefix("sha256:").filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit())) else {
        return Err(OllamaError::Manifest { path: file, reason: format!("{digest:?} is no digest") });
    };
    let blob = store.join("blobs").join(format!("sha256-{hash}"));
    if access::look(&blob)?.is_none() {
        return Err(OllamaError::BlobMissing { name, blob });
    }
    if layers.of("adapter").next().is_some() {
        return Err(unusable(format!(
            "it is a base model with an adapter (LoRA), which is not applied here: merge the two with llama-export-lora, \
             or measure the base model alone, {}",
            blob.display()
        )));
    }
    let mut notes = Vec::new();
    if layers.of("projector").next().is_some() {
        notes.push(format!("ollama:{name}: its projector is left out; the language model alone is measured"));
    }
    Ok(Some(OllamaModel { path: blob, label: format!("{}-{}", asked.model, asked.tag), notes }))
}

/// Layers of a manifest: media type and digest.
struct Layers {
    layers: Vec<(String, String)>,
    config: Option<String>,
}

impl Layers {
    fn read(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON".to_owned())?;
        let layers = value.get("layers").and_then(Value::as_array).ok_or("its layers are missing")?;
        let text = |layer: &Value, key: &str| layer.get(key).and_then(Value::as_str).map(str::to_owned);
        let layers = layers.iter().filter_map(|layer| Some((text(layer, "mediaType")?, text(layer, "digest")?)));
        let config = value.get("config").and_then(|config| text(config, "digest"));
        Ok(Self { layers: layers.collect(), config })
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let is = move |media: &str| media.strip_prefix(LAYER) == Some(kind);
        self.layers.iter().filter(move |(media, _)| is(media)).map(|(_, digest)| digest.as_str())
    }

    /// Why there is no GGUF file in it.
    fn why_no_model(&self, store: &Path, tag: &str) -> String {
        if self.of("tensor").next().is_some() {
            return "keeps it as safetensors, which llama.cpp does not read: take a GGUF of it from the Hub".into();
        }
        let config = self.config.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
        let config = config.filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()));
        let config = config.and_then(|hash| fs::read(store.join("blobs").join(format!("sha256-{hash}"))).ok());
        let config = config.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let remote =
            config.is_some_and(|config| config.get("remote_host").is_some() || config.get("remote_model").is_some());
        if remote || tag == "cloud" || tag.ends_with("-cloud") {
            return "it runs in the cloud: there is no file of it here".into();
        }
        if self.of("projector").next().is_some() {
            return "has a projector of it alone, without a language model".into();
        }
        "names no GGUF model in its manifest".into()
    }
}

/// The models that the stores have, of all hosts and owners, by their names there.
pub(crate) fn list(stores: &OllamaStores) -> Vec<String> {
    let mut found: Vec<String> = stores.places.iter().flat_map(|place| in_place(place)).collect();
    found.sort();
    found.dedup();
    found
}

fn in_place(store: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let names = access::entries(folder).ok().flatten().unwrap_or_default();
        names.iter().filter_map(|name| name.to_str()).filter(|name| !name.starts_with('.')).map(str::to_owned).collect()
    };
    let manifests = store.join("manifests");
    let mut found = Vec::new();
    for host in names(&manifests) {
        for owner in names(&manifests.join(&host)) {
            for model in names(&manifests.join(&host).join(&owner)) {
                for tag in names(&manifests.join(&host).join(&owner).join(&model)) {
                    found.push(full(&host, &owner, &model, &tag));
                }
            }
        }
    }
    found
}

/// Models of the stores that a bare name may mean.
pub(crate) fn like(name: &str, stores: &OllamaStores) -> Vec<String> {
    if Name::parse(name).is_none() {
        return Vec::new();
    }
    let model = |full: &str| full.split(':').next().map(str::to_ascii_lowercase);
    let wanted = name.to_ascii_lowercase();
    list(stores)
        .into_iter()
        .filter(|full| full.eq_ignore_ascii_case(name) || model(full).is_some_and(|model| model == wanted))
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, which write their own fixtures")]
mod tests {
    use super::*;

    const LAYERS: &str = r#"{"layers":[{"mediaType":"application/vnd.ollama.image.license","digest":"sha256:00"},
            {"mediaType":"application/vnd.ollama.image.model","digest":"sha256:ab12"}]}"#;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn stores(&self, variable: Option<String>) -> OllamaStores {
            OllamaStores::new(variable, Some(&self.at("home")), self.0.path())
        }

        fn with(self, store: &str, name: &str, manifest: &str) -> Self {
            let file = self.at(store).join("manifests").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::create_dir_all(self.at(store).join("blobs")).unwrap();
            fs::write(file, manifest).unwrap();
            fs::write(self.at(store).join("blobs/sha256-ab12"), "GGUF").unwrap();
            self
        }

        fn fails(&self, name: &str) -> String {
            find(name, &self.stores(None)).unwrap_err().to_string()
        }
    }

    const OWN: &str = "home/.ollama/models";

    #[test]
    fn a_name_leads_through_its_manifest_to_its_blob() {
        let machine = Machine::new();
        assert!(matches!(find("llama3.2", &machine.stores(None)), Err(OllamaError::NoStore { .. })));
        let machine = machine.with(OWN, "registry.ollama.ai/library/llama3.2/1b", LAYERS);
        let found = find("llama3.2:1b", &machine.stores(None)).unwrap();
        assert_eq!((found.path, found.label.as_str()), (machine.at(OWN).join("blobs/sha256-ab12"), "llama3.2-1b"));
        assert!(find("LLAMA3.2:1B", &machine.stores(None)).is_ok(), "Ollama minds no case");
        let error = machine.fails("llama3.2");
        assert!(error.contains("no llama3.2:latest; it has llama3.2:1b"), "{error}");
        fs::remove_file(machine.at(OWN).join("blobs/sha256-ab12")).unwrap();
        assert!(machine.fails("llama3.2:1b").contains("is missing: pull it again"));
        for name in ["../x", "a/b/c/d", "", "x:", ".hidden", "a b"] {
            assert!(matches!(find(name, &machine.stores(None)), Err(OllamaError::BadName { .. })), "{name}");
        }
    }

    #[test]
    fn every_place_is_looked_at_and_an_empty_one_hides_nothing() {
        for place in [
            "usr/share/ollama/.ollama/models",
            "var/lib/ollama/.ollama/models",
            "var/lib/ollama/models",
            "var/lib/ollama",
            "var/snap/ollama/common/models",
        ] {
            let machine = Machine::new().with(place, "registry.ollama.ai/library/x/latest", LAYERS);
            fs::create_dir_all(machine.at(OWN).join("manifests")).unwrap();
            assert_eq!(find("x", &machine.stores(None)).unwrap().path, machine.at(place).join("blobs/sha256-ab12"));
        }
    }

    #[test]
    fn a_misspelt_variable_is_quoted_with_what_is_missing_there() {
        let machine = Machine::new().with("elsewhere/models", "registry.ollama.ai/library/x/latest", LAYERS);
        let value = machine.at("elsewhere").display().to_string();
        let error = find("x", &machine.stores(Some(value.clone()))).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "OLLAMA_MODELS is {value}, which has no folder manifests, though {value}/models is"
            )),
            "{error}"
        );
        let quoted = format!("\"{value}/models\"");
        let error = find("x", &machine.stores(Some(quoted))).unwrap_err().to_string();
        assert!(error.contains("the quotation marks are part of it"), "{error}");
        let home = Machine::new().with("home/o", "registry.ollama.ai/library/x/latest", LAYERS);
        assert!(find("x", &home.stores(Some("~/o".into()))).is_ok());
    }

    #[test]
    fn models_of_all_hosts_are_listed_and_the_nearest_first() {
        let machine = Machine::new().with(OWN, "hf.co/unsloth/X-GGUF/UD-Q4_K_XL", LAYERS).with(
            OWN,
            "registry.ollama.ai/me/tuned/latest",
            LAYERS,
        );
        assert_eq!(list(&machine.stores(None)), ["hf.co/unsloth/X-GGUF:UD-Q4_K_XL", "me/tuned:latest"]);
        let error = machine.fails("hf.co/unsloth/X-GGUF:UD-Q4_K_L");
        assert!(error.contains("it has hf.co/unsloth/X-GGUF:UD-Q4_K_XL, me/tuned:latest"), "{error}");
        assert!(find("hf.co/unsloth/x-gguf:ud-q4_k_xl", &machine.stores(None)).is_ok());
        assert_eq!(like("me/tuned", &machine.stores(None)), ["me/tuned:latest"]);
        assert_eq!(like("./me", &machine.stores(None)), [""; 0]);
    }

    #[test]
    fn what_is_no_gguf_or_more_than_one_is_said() {
        let layer =
            |kind: &str| format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:ab12"}}"#);
        let manifest = |kinds: &[&str]| {
            let layers: Vec<String> = kinds.iter().map(|kind| layer(kind)).collect();
            format!(r#"{{"layers":[{}]}}"#, layers.join(","))
        };
        for (text, words) in [
            (manifest(&["model", "adapter"]), "a base model with an adapter (LoRA), which is not applied here"),
            (manifest(&["tensor"]), "keeps it as safetensors"),
            (manifest(&["projector"]), "a projector of it alone"),
            (manifest(&["license"]), "names no GGUF model"),
            ("[]".into(), "no manifest of Ollama: its layers are missing"),
            (r#"{"layers":null}"#.into(), "its layers are missing"),
            (String::new(), "it is not JSON"),
            ("text".into(), "it is not JSON"),
            (LAYERS.replace("sha256:ab12", "sha256:../../x"), "is no digest"),
        ] {
            let machine = Machine::new().with(OWN, "registry.ollama.ai/library/x/latest", &text);
            let error = machine.fails("x");
            assert!(error.contains(words), "{error}");
        }
        let cloud = Machine::new().with(OWN, "registry.ollama.ai/library/x/120b-cloud", &manifest(&[]));
        assert!(cloud.fails("x:120b-cloud").contains("it runs in the cloud"));
        let sees = Machine::new().with(OWN, "registry.ollama.ai/library/x/latest", &manifest(&["model", "projector"]));
        let notes = find("x", &sees.stores(None)).unwrap().notes;
        assert!(notes[0].contains("its projector is left out"), "{notes:?}");
    }

    #[cfg(unix)]
    #[test]
    fn what_may_not_be_read_is_not_missing() {
        use std::os::unix::fs::PermissionsExt as _;
        let service = "usr/share/ollama/.ollama/models";
        let machine = Machine::new().with(service, "registry.ollama.ai/library/x/latest", LAYERS);
        let set = |path: &str, mode| fs::set_permissions(machine.at(path), fs::Permissions::from_mode(mode)).unwrap();
        set("usr/share/ollama", 0o0);
        let closed = find("x", &machine.stores(None));
        set("usr/share/ollama", 0o700);
        set(&format!("{service}/blobs"), 0o0);
        let blobs = find("x", &machine.stores(None));
        set(&format!("{service}/blobs"), 0o700);
        for (answer, folder) in [(closed, "usr/share/ollama"), (blobs, "blobs")] {
            match answer {
                // Root may read everything.
                Ok(_) => assert!(rustix::process::geteuid().is_root()),
                Err(error) => {
                    let words = format!("{folder}: join the group ollama, or use sudo");
                    let said = error.to_string();
                    assert!(said.contains("not allowed to read") && said.contains(&words), "{said}");
                }
            }
        }
    }
}
