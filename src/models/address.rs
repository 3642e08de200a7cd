//! What a person typed or pasted for a model is read once, before anything else: a path, a name of a store, or one of the Hub.

use thiserror::Error;

use super::hub::{HubName, Pick, decoded, stays_inside};

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A file or a folder of this machine.
    Path(String),
    /// A model of Ollama, by its name there.
    Ollama(String),
    /// A model of LM Studio, by its path there.
    LmStudio(String),
    Hub(HubName),
}

/// Why an address leads to no model.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("{text} is a page of Ollama's library: use ollama:{name}, which Ollama must have pulled")]
    OllamaPage { text: String, name: String },
    #[error("{text} is an address that gguf-bench does not fetch from: download the file, and name its path")]
    Elsewhere { text: String },
    #[error("{text} names no model of the Hub: owner/name, owner/name:Q4_K_M or owner/name/file.gguf does")]
    NoModel { text: String },
}

const HUB: [&str; 4] = ["huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"];
const OLLAMA: [&str; 3] = ["ollama.com", "www.ollama.com", "registry.ollama.ai"];

/// Reads what was typed. `endpoint` is the Hub's address, where it is another.
pub(crate) fn read(text: &str, endpoint: Option<&str>) -> Result<Address, AddressError> {
    let typed = || text.to_owned();
    for (prefix, address) in [
        ("ollama:", Address::Ollama as fn(String) -> Address),
        ("lmstudio:", Address::LmStudio as fn(String) -> Address),
    ] {
        if let Some(name) = text.strip_prefix(prefix) {
            return Ok(address(name.trim_start_matches("//").trim_end_matches('/').to_owned()));
        }
    }
    if let Some(path) = text.strip_prefix("file://") {
        return Ok(Address::Path(decoded(path.strip_prefix("localhost").unwrap_or(path))));
    }
    let hub = |rest: &str| {
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let plain = rest.trim_start_matches('/');
        let name = HubName::parse(plain).or_else(|| HubName::parse(&decoded(plain)));
        let name = name.map(|name| {
            let pick = match name.pick {
                Pick::File(file) => Pick::File(decoded(&file)),
                other => other,
            };
            HubName { pick, ..name }
        });
        // What was encoded may lead elsewhere than its letters say.
        let name = name.filter(|name| !matches!(&name.pick, Pick::File(file) if !stays_inside(file)));
        name.map(Address::Hub).ok_or_else(|| AddressError::NoModel { text: typed() })
    };
    if let Some(rest) = text.strip_prefix("hf://").or_else(|| text.strip_prefix("huggingface://")) {
        return hub(rest);
    }
    let schemeless = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let (host, rest) = schemeless.unwrap_or(text).split_once('/').unwrap_or((schemeless.unwrap_or(text), ""));
    let own_host = endpoint.map(|endpoint| endpoint.split_once("://").map_or(endpoint, |(_, host)| host));
    let lower = host.to_ascii_lowercase();
    if HUB.contains(&lower.as_str()) || own_host.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
        return hub(rest);
    }
    if OLLAMA.contains(&lower.as_str()) {
        let name = rest.split(['?', '#']).next().unwrap_or(rest).trim_matches('/');
        let name = name.strip_prefix("library/").unwrap_or(name).to_owned();
        return Err(AddressError::OllamaPage { text: typed(), name });
    }
    if schemeless.is_some() || text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return Err(AddressError::Elsewhere { text: typed() });
    }
    Ok(HubName::parse(text).map_or_else(|| Address::Path(typed()), Address::Hub))
}

/// One letter is a drive.
fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn hub(text: &str) -> String {
        match read(text, Some("http://127.0.0.1:8080")).unwrap() {
            Address::Hub(HubName { repo, revision, pick }) => format!("{repo} {revision:?} {pick:?}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn addresses_of_the_hub_are_names_of_it() {
        for text in [
            "o/n:Q4_K_M",
            "hf.co/o/n:Q4_K_M",
            "huggingface.co/o/n:Q4_K_M",
            "https://huggingface.co/o/n:Q4_K_M",
            "https://www.hf.co/o/n:Q4_K_M/",
            "hf://o/n:Q4_K_M",
            "http://127.0.0.1:8080/o/n:Q4_K_M",
            "127.0.0.1:8080/o/n:Q4_K_M",
            "https://huggingface.co/o/n/tree/main/Q4_K_M",
        ] {
            assert_eq!(hub(text), "o/n None Quant(\"Q4_K_M\")", "{text}");
        }
        for text in [
            "https://huggingface.co/o/n/blob/main/F%201.gguf",
            "https://huggingface.co/o/n/resolve/main/F%201.gguf?download=true",
            "hf.co/o/n/F 1.gguf",
            "o/n/resolve/main/F 1.gguf",
        ] {
            assert_eq!(hub(text), "o/n None File(\"F 1.gguf\")", "{text}");
        }
        for text in ["https://huggingface.co/o/n", "https://huggingface.co/o/n/", "hf.co/o/n#files", "o/n@main", "o/n:"]
        {
            assert_eq!(hub(text), "o/n None Usual", "{text}");
        }
        assert_eq!(hub("https://huggingface.co/o/n/tree/v2"), "o/n Some(\"v2\") Usual");
        for text in ["https://huggingface.co/models", "hf.co/o", "https://huggingface.co/o/n/blob/main/README.md/x/.."]
        {
            assert!(matches!(read(text, None), Err(AddressError::NoModel { .. })), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_stores_paths_or_refused() {
        let path = |path: &str| Ok(Address::Path(path.into()));
        assert_eq!(read("file:///x%20y.gguf", None), path("/x y.gguf"));
        assert_eq!(read("ollama://x", None), Ok(Address::Ollama("x".into())));
        assert_eq!(read("ollama:x:1b", None), Ok(Address::Ollama("x:1b".into())));
        assert_eq!(read("lmstudio:o/m/", None), Ok(Address::LmStudio("o/m".into())));
        for text in ["https://ollama.com/library/llama3.2:1b", "ollama.com/library/llama3.2:1b"] {
            let error = read(text, None).unwrap_err().to_string();
            assert!(error.contains("use ollama:llama3.2:1b"), "{error}");
        }
        for text in ["s3://bucket/m.gguf", "https://example.org/m.gguf", "oci://x/y"] {
            assert!(matches!(read(text, None), Err(AddressError::Elsewhere { .. })), "{text}");
        }
        for text in ["C:\\m.gguf", "./a/b", "m.gguf", "models/m.gguf", "C://m.gguf"] {
            assert_eq!(read(text, None), path(text), "{text}");
        }
    }
}
