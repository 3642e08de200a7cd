//! What a GGUF file is: a model that generates text, another model, or something that belongs to one.
//!
//! The header is asked. A name answers only where no header can be had, by the rule of llama.cpp's `-hf`.

use serde::Serialize;

use super::metadata::Metadata;
use crate::record::NoNextToken;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A model that generates text, token by token.
    Model,
    /// It turns a text into a vector.
    Embedding,
    /// It scores how well a text answers a question.
    Reranker,
    /// The encoder of an encoder-decoder model, without its decoder.
    Encoder,
    /// An encoder whose output a decoder is given, like T5.
    EncoderDecoder,
    /// It generates whole texts by taking away noise.
    Diffusion,
    /// A language model whose tokens see those after them.
    Bidirectional,
    /// It makes sound out of codes.
    Vocoder,
    /// It proposes tokens that a model then checks.
    DraftHead,
    /// It turns images or sound into what a model reads.
    Projector,
    /// A difference to the weights of a model.
    Adapter,
    /// A direction that is added to a model's activations.
    ControlVector,
    /// Which weights of a model matter, for quantizing it.
    ImportanceMatrix,
    /// A tokenizer without weights.
    Vocabulary,
    /// It makes images or video.
    ImageModel,
    /// A language model with its projector in one file, which Ollama reads alone.
    OllamaPacking,
}

/// Architectures of llama.cpp that embed texts.
const EMBEDDING: [&str; 10] = [
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "llama-embed",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
];
/// Architectures of llama.cpp that are not autoregressive.
const DIFFUSION: [&str; 4] = ["dream", "llada", "llada-moe", "rnd1"];
/// Architectures that programs for images and video give their files.
const IMAGE: [&str; 15] = [
    "aura",
    "chroma",
    "cosmos",
    "flux",
    "flux2",
    "hidream",
    "hyvid",
    "ltxv",
    "lumina2",
    "omnigen",
    "qwen_image",
    "sd1",
    "sd3",
    "sdxl",
    "wan",
];
/// `llama_pooling_type`: everything from here to `RANK` pools.
const POOLING_MEAN: u64 = 1;
const POOLING_RANK: u64 = 4;

impl Kind {
    /// The kind of the file that has this metadata and tensors of these names, of all parts together.
    #[must_use]
    pub fn of<'a>(metadata: &Metadata, tensors: &(impl Iterator<Item = &'a str> + Clone)) -> Self {
        let text = |key: &str| metadata.text(key).map(|text| text.kept.to_lowercase());
        let architecture = text("general.architecture").unwrap_or_default();
        let number = |name: &str| metadata.unsigned(&format!("{architecture}.{name}"));
        let all = |test: &dyn Fn(&str) -> bool| tensors.clone().next().is_some() && tensors.clone().all(test);
        let any = |test: &dyn Fn(&str) -> bool| tensors.clone().any(test);
        match text("general.type").as_deref() {
            Some("mmproj") => return Self::Projector,
            Some("adapter") => return Self::Adapter,
            Some("imatrix") => return Self::ImportanceMatrix,
            _ => {}
        }
        let senses = |name: &str| ["v.", "mm.", "a.", "resampler."].iter().any(|prefix| name.starts_with(prefix));
        if architecture == "clip" || all(&senses) {
            Self::Projector
        } else if metadata.get("adapter.type").is_some() || all(&|name| is_adapters(name)) {
            Self::Adapter
        } else if architecture == "controlvector" || all(&|name| name.starts_with("direction.")) {
            Self::ControlVector
        } else if metadata.get("imatrix.datasets").is_some() || all(&is_statistics) {
            Self::ImportanceMatrix
        } else if is_draft(&architecture) || only_predicts_next(&architecture, metadata, tensors.clone()) {
            Self::DraftHead
        } else if IMAGE.contains(&architecture.as_str()) {
            Self::ImageModel
        } else if architecture == "wavtokenizer-dec" {
            Self::Vocoder
        } else if tensors.clone().next().is_none() {
            Self::Vocabulary
        } else if any(&senses) && any(&|name| name.starts_with("blk.")) {
            Self::OllamaPacking
        } else if number("pooling_type") == Some(POOLING_RANK) {
            Self::Reranker
        } else if architecture == "t5encoder" {
            Self::Encoder
        } else if EMBEDDING.contains(&architecture.as_str())
            || number("pooling_type").is_some_and(|pooling| (POOLING_MEAN..POOLING_RANK).contains(&pooling))
        {
            Self::Embedding
        } else if architecture == "t5" {
            Self::EncoderDecoder
        } else if DIFFUSION.contains(&architecture.as_str()) {
            Self::Diffusion
        } else if metadata.flag(&format!("{architecture}.attention.causal")) == Some(false) {
            Self::Bidirectional
        } else {
            Self::Model
        }
    }

    /// What the name of a file says it is beside a model; `None` of a name that may be a model's. The folder counts.
    #[must_use]
    pub fn by_name(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        let lower = name.to_lowercase();
        let stem = lower.strip_suffix(".gguf").unwrap_or(&lower);
        let heads = ["eagle3-", "dflash-", "dspark-"];
        if lower.contains("mmproj") {
            Some(Self::Projector)
        } else if lower.contains("imatrix") {
            Some(Self::ImportanceMatrix)
        } else if heads.iter().any(|head| lower.contains(head))
            // In capitals and further on it says that a whole model has such layers, too.
            || name.contains("mtp-")
            || lower.starts_with("mtp-")
            || stem.ends_with("-mtp")
            || folder.split('/').any(|folder| folder.eq_ignore_ascii_case("mtp"))
        {
            Some(Self::DraftHead)
        } else if is_vocabularys(stem) {
            Some(Self::Vocabulary)
        } else {
            None
        }
    }

    /// Whether it is a model that can be asked for the next token.
    #[must_use]
    pub fn generates(self) -> bool {
        self == Self::Model
    }

    /// Whether it is no model of its own, but something that lies beside one.
    #[must_use]
    pub fn is_side_file(self) -> bool {
        match self {
            Self::DraftHead
            | Self::Projector
            | Self::Adapter
            | Self::ControlVector
            | Self::ImportanceMatrix
            | Self::Vocabulary
            | Self::Vocoder => true,
            Self::Model
            | Self::Embedding
            | Self::Reranker
            | Self::Encoder
            | Self::EncoderDecoder
            | Self::Diffusion
            | Self::Bidirectional
            | Self::ImageModel
            | Self::OllamaPacking => false,
        }
    }

    /// What it is, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "a language model",
            Self::Embedding => "an embedding model",
            Self::Reranker => "a reranking model",
            Self::Encoder => "an encoder alone",
            Self::EncoderDecoder => "an encoder-decoder model",
            Self::Diffusion => "a diffusion language model",
            Self::Bidirectional => "a model with non-causal attention",
            Self::Vocoder => "a vocoder",
            Self::DraftHead => "a draft head",
            Self::Projector => "a projector (mmproj)",
            Self::Adapter => "an adapter (LoRA)",
            Self::ControlVector => "a control vector",
            Self::ImportanceMatrix => "an importance matrix",
            Self::Vocabulary => "a vocabulary without weights",
            Self::ImageModel => "an image or video model",
            Self::OllamaPacking => "Ollama's own packing of a model",
        }
    }

    /// What it gives instead of a next token, of a model that can be loaded and read all the same.
    #[must_use]
    pub fn no_next_token(self) -> Option<NoNextToken> {
        match self {
            Self::Embedding => Some(NoNextToken::Embedding),
            Self::Reranker => Some(NoNextToken::Reranking),
            Self::Encoder => Some(NoNextToken::Encoder),
            Self::EncoderDecoder => Some(NoNextToken::EncoderDecoder),
            Self::Diffusion => Some(NoNextToken::Diffusion),
            Self::Bidirectional => Some(NoNextToken::NonCausal),
            Self::Model
            | Self::Vocoder
            | Self::DraftHead
            | Self::Projector
            | Self::Adapter
            | Self::ControlVector
            | Self::ImportanceMatrix
            | Self::Vocabulary
            | Self::ImageModel
            | Self::OllamaPacking => None,
        }
    }

    /// Why it can't be measured at all, and what to do about it; `None` of a model.
    #[must_use]
    pub fn refusal(self) -> Option<&'static str> {
        Some(match self {
            Self::Model
            | Self::Embedding
            | Self::Reranker
            | Self::Encoder
            | Self::EncoderDecoder
            | Self::Diffusion
            | Self::Bidirectional => return None,
            Self::Vocoder => "a vocoder, which makes sound: name the language model that it belongs to",
            Self::DraftHead => "a draft head for speculative decoding, not a model: name the model it belongs to",
            Self::Projector => "a projector (mmproj) for images or sound, not a model: name the model it belongs to",
            Self::Adapter => {
                "an adapter (LoRA), not a model: it needs its base model; merge the two with llama-export-lora, and name the result"
            }
            Self::ControlVector => "a control vector, not a model: name the model it belongs to",
            Self::ImportanceMatrix => {
                "an importance matrix, not a model: llama-quantize takes it with --imatrix; name the model"
            }
            Self::Vocabulary => "a vocabulary alone, without weights: name the model",
            Self::ImageModel => "a model of images or video, which llama.cpp does not run: name a language model",
            Self::OllamaPacking => {
                "Ollama's own packing, a language model with its projector in one file, which llama.cpp does not load: \
                 take the model from the Hub (owner/name:Q4_K_M)"
            }
        })
    }
}

fn is_adapters(tensor: &str) -> bool {
    [".lora_a", ".lora_b", ".lora_magnitude_vector"].iter().any(|end| tensor.ends_with(end))
}

/// A tensor of an importance matrix: sums of squares and how many there were.
fn is_statistics(tensor: &str) -> bool {
    tensor.ends_with(".in_sum2") || tensor.ends_with(".counts")
}

fn is_draft(architecture: &str) -> bool {
    let begins = ["eagle", "p-eagle", "dflash", "dspark", "medusa"];
    begins.iter().any(|start| architecture.starts_with(start))
        || ["-assistant", "-mtp", "-draft"].iter().any(|end| architecture.ends_with(end))
}

/// Whether all layers there are predict the token after the next: those of the model itself are missing.
fn only_predicts_next<'a>(architecture: &str, metadata: &Metadata, tensors: impl Iterator<Item = &'a str>) -> bool {
    let Some(layers) = Layers::of(architecture, metadata).filter(|layers| layers.predicting > 0) else { return false };
    let mut present = tensors.filter_map(layer_of).peekable();
    present.peek().is_some() && present.all(|layer| layer >= layers.run())
}

/// The layers of a model, as its header counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) all: u64,
    /// How many of the last ones predict the tokens after the next one, for speculative decoding.
    pub(super) predicting: u64,
}

impl Layers {
    pub(super) fn of(architecture: &str, metadata: &Metadata) -> Option<Self> {
        let all = metadata.unsigned(&format!("{architecture}.block_count"))?;
        let predicting = metadata.unsigned(&format!("{architecture}.nextn_predict_layers")).unwrap_or(0);
        Some(Self { all, predicting: predicting.min(all) })
    }

    /// How many run for every token.
    pub(super) fn run(self) -> u64 {
        self.all - self.predicting
    }
}

/// The number of the layer that a tensor belongs to.
pub(super) fn layer_of(tensor: &str) -> Option<u64> {
    tensor.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// A vocabulary is named so, and by no quantization.
fn is_vocabularys(stem: &str) -> bool {
    let mut words = stem.split(['-', '.', '_']);
    words.clone().any(|word| word == "vocab" || word == "vocabulary") && !words.any(begins_quant)
}

/// Whether a word of a file's name is, or begins, the name of a quantization.
pub(crate) fn begins_quant(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    if matches!(word.as_str(), "F16" | "F32" | "BF16" | "FP16" | "FP32" | "MXFP4" | "NVFP4") {
        return true;
    }
    let digits = ["IQ", "TQ", "Q"].iter().find_map(|prefix| word.strip_prefix(prefix));
    digits.is_some_and(|digits| matches!(digits.as_bytes(), [b'1'..=b'8']))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::gguf::{Header, types::GgmlType};

    fn kind(fixture: &Fixture) -> Kind {
        let bytes = fixture.bytes();
        let header = Header::parse(bytes.as_slice(), bytes.len() as u64).expect("a whole file");
        Kind::of(&header.metadata, &header.tensors.iter().map(|tensor| tensor.name.as_str()))
    }

    fn bare(architecture: &str) -> Fixture {
        Fixture::default().text("general.architecture", architecture)
    }

    fn with_layer(architecture: &str) -> Fixture {
        bare(architecture).tensor("blk.0.attn_q.weight", &[32, 32], GgmlType::F16)
    }

    #[test]
    fn the_header_says_what_a_file_is() {
        assert_eq!(kind(&Fixture::llama()), Kind::Model);
        for (said, expected) in
            [("mmproj", Kind::Projector), ("adapter", Kind::Adapter), ("imatrix", Kind::ImportanceMatrix)]
        {
            assert_eq!(kind(&Fixture::llama().text("general.type", said)), expected);
        }
        assert_eq!(kind(&Fixture::llama().text("general.type", "model")), Kind::Model);
        for (architecture, expected) in [
            ("clip", Kind::Projector),
            ("controlvector", Kind::ControlVector),
            ("gemma4-assistant", Kind::DraftHead),
            ("eagle3", Kind::DraftHead),
            ("dflash", Kind::DraftHead),
            ("bert", Kind::Embedding),
            ("nomic-bert-moe", Kind::Embedding),
            ("t5", Kind::EncoderDecoder),
            ("t5encoder", Kind::Encoder),
            ("llada", Kind::Diffusion),
            ("flux", Kind::ImageModel),
            ("qwen2", Kind::Model),
            ("an-architecture-of-tomorrow", Kind::Model),
        ] {
            assert_eq!(kind(&with_layer(architecture)), expected, "{architecture}");
        }
    }

    #[test]
    fn tensors_say_it_where_no_key_does() {
        let of = |names: &[&str]| {
            kind(&names.iter().fold(bare("llama"), |file, name| file.tensor(name, &[32], GgmlType::F32)))
        };
        assert_eq!(of(&[]), Kind::Vocabulary);
        assert_eq!(of(&["v.blk.0.attn_q.weight", "mm.0.weight"]), Kind::Projector);
        assert_eq!(of(&["blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"]), Kind::Adapter);
        assert_eq!(of(&["blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts"]), Kind::ImportanceMatrix);
        assert_eq!(of(&["direction.1", "direction.2"]), Kind::ControlVector);
        assert_eq!(of(&["blk.0.attn_q.weight", "v.blk.0.attn_q.weight"]), Kind::OllamaPacking);
        assert_eq!(of(&["blk.0.attn_q.weight", "mm.input_projection.weight"]), Kind::OllamaPacking);
        assert_eq!(of(&["token_embd.weight", "blk.0.attn_v.weight"]), Kind::Model);
    }

    #[test]
    fn attention_and_pooling_say_whether_it_generates() {
        let with_pooling = |pooling| kind(&with_layer("qwen3").u32("qwen3.pooling_type", pooling));
        assert_eq!([0, 1, 2, 3].map(with_pooling), [Kind::Model, Kind::Embedding, Kind::Embedding, Kind::Embedding]);
        assert_eq!(with_pooling(4), Kind::Reranker);
        let causal = |flag: u8| kind(&with_layer("llama").raw("llama.attention.causal", 7, &[flag]));
        assert_eq!([causal(1), causal(0)], [Kind::Model, Kind::Bidirectional]);
    }

    #[test]
    fn a_head_of_prediction_layers_alone_is_no_model() {
        let file = bare("glm4moe").u32("glm4moe.block_count", 5).u32("glm4moe.nextn_predict_layers", 1);
        let head = file.clone().tensor("blk.4.nextn.eh_proj.weight", &[32], GgmlType::F32);
        assert_eq!(kind(&head), Kind::DraftHead);
        assert_eq!(kind(&head.tensor("blk.0.attn_q.weight", &[32], GgmlType::F32)), Kind::Model);
    }

    #[test]
    fn names_say_it_as_llama_cpp_reads_them() {
        for (name, expected) in [
            ("mmproj-F16.gguf", Kind::Projector),
            ("m.mmproj-f16.gguf", Kind::Projector),
            ("Gemma4_26B.BF16-mmproj.gguf", Kind::Projector),
            ("llava13b_f16_mmproj_f16.gguf", Kind::Projector),
            ("imatrix_unsloth.gguf", Kind::ImportanceMatrix),
            ("m.imatrix.gguf", Kind::ImportanceMatrix),
            ("mtp-ornith-9b-Q8_0.gguf", Kind::DraftHead),
            ("MTP-x.gguf", Kind::DraftHead),
            ("g-E4B-it-qat-Q8_0-MTP.gguf", Kind::DraftHead),
            ("MTP/g-E4B.gguf", Kind::DraftHead),
            ("sub/eagle3-gpt-oss-120b-BF16.gguf", Kind::DraftHead),
            ("ggml-vocab-llama.gguf", Kind::Vocabulary),
            ("vocab.gguf", Kind::Vocabulary),
        ] {
            assert_eq!(Kind::by_name(name), Some(expected), "{name}");
        }
        for model in ["g-Q4_K_M.gguf", "Qwen3.6-27B-MTP-Q4_K_M.gguf", "MTP-GGUF-x/m.gguf", "m-32k-vocab-Q4_0.gguf"] {
            assert_eq!(Kind::by_name(model), None, "{model}");
        }
    }

    #[test]
    fn all_but_models_have_a_reason_and_a_way_out() {
        let refused = [Kind::Adapter, Kind::OllamaPacking, Kind::DraftHead, Kind::Projector, Kind::Vocabulary];
        for kind in refused {
            let reason = kind.refusal().expect("it is refused");
            assert!(reason.contains(": "), "{reason}");
        }
        for kind in [Kind::Embedding, Kind::EncoderDecoder, Kind::Bidirectional] {
            assert!(kind.refusal().is_none() && kind.no_next_token().is_some() && !kind.generates(), "{kind:?}");
        }
        let model = Kind::Model;
        assert!(model.refusal().is_none() && model.no_next_token().is_none() && model.generates());
    }
}
