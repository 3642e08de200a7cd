//! Recognises what a file that is not GGUF is, from its first bytes, so that the error can say what to do.

use std::fmt;

/// How many bytes of a file's start [`Foreign::sniff`] looks at: every magic is shorter, and so many zeros are no header.
pub(super) const SNIFF_BYTES: usize = 512;

/// What a file without the GGUF magic looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    Safetensors,
    /// A llama.cpp model from before GGUF (`ggml`, `ggmf`, `ggjt`, `ggla`).
    OldGgml,
    /// A zip archive, which a checkpoint of `PyTorch` is.
    Zip,
    Pickle,
    Html,
    Json,
    /// An importance matrix as llama-imatrix wrote it before GGUF.
    Imatrix,
    /// The pointer that git-lfs leaves where the file was not fetched.
    LfsPointer,
    Gzip,
    /// A logits file written by `llama-perplexity`.
    Logits,
    /// Nothing but zero bytes.
    Zeros,
    Unknown,
}

impl Foreign {
    /// Guesses from `head`, the first bytes (up to `SNIFF_BYTES`) of a file.
    pub(super) fn sniff(head: &[u8]) -> Self {
        let text = head.trim_ascii_start();
        let starts_with_word = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
        if head.starts_with(b"PK\x03\x04") {
            Self::Zip
        } else if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(b"_logits_") {
            Self::Logits
        } else if head.starts_with(b"version https://git-lfs") {
            Self::LfsPointer
        } else if [b"lmgg", b"fmgg", b"tjgg", b"algg"].iter().any(|magic| head.starts_with(*magic)) {
            // The old magics were written as little-endian integers, so the letters stand reversed.
            Self::OldGgml
        } else if head.len() > 9 && head[8] == b'{' && head[6..8] == [0, 0] {
            // Eight bytes of length, then the JSON header.
            Self::Safetensors
        } else if starts_with_word(b"<!doctype") || starts_with_word(b"<html") {
            Self::Html
        } else if begins_json(text) {
            Self::Json
        } else if begins_imatrix(head) {
            Self::Imatrix
        } else if head.len() > 1 && head[0] == 0x80 && (2..=5).contains(&head[1]) {
            Self::Pickle
        } else if !head.is_empty() && head.iter().all(|&byte| byte == 0) {
            Self::Zeros
        } else {
            Self::Unknown
        }
    }
}

/// Whether a text may be the beginning of a JSON object or array, cut anywhere.
fn begins_json(text: &[u8]) -> bool {
    if !text.starts_with(b"{") && !text.starts_with(b"[") {
        return false;
    }
    // What was cut off may be half a character.
    let end = text.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    match serde_json::from_slice::<serde::de::IgnoredAny>(&text[..end]) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

/// Its old format: how many entries, then the length of the first name and a tensor's name.
fn begins_imatrix(head: &[u8]) -> bool {
    let number =
        |at: usize| head.get(at..at + 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let (Some(entries), Some(length)) = (number(0), number(4)) else { return false };
    let name = usize::try_from(length).ok().and_then(|length| head.get(8..8_usize.checked_add(length)?));
    (1..1 << 20).contains(&entries) && name.is_some_and(|name| name.ends_with(b".weight"))
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "it looks like safetensors: convert it with convert_hf_to_gguf.py",
            Self::OldGgml => "it looks like a ggml model from before GGUF: convert the original again",
            Self::Zip => "it looks like a zip archive or a PyTorch checkpoint: unpack or convert it",
            Self::Pickle => "it looks like a Python pickle: convert the model to GGUF",
            Self::Html => "it looks like a web page: the download failed, fetch the file itself",
            Self::Json => "it looks like JSON: a configuration, or a download that failed",
            Self::Imatrix => "it looks like an importance matrix, not a model: llama-quantize takes it with --imatrix",
            Self::LfsPointer => "it is a git-lfs pointer: fetch the file with `git lfs pull`",
            Self::Gzip => "it looks gzip-compressed: unpack it",
            Self::Logits => "it is a logits file of llama-perplexity, not a model",
            Self::Zeros => "it starts with zeros: the download did not finish",
            Self::Unknown => "its first bytes are not `GGUF`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_sees() {
        let cases: [(&[u8], Foreign); 17] = [
            (b"\x50\x02\x00\x00\x00\x00\x00\x00{\"__metadata__\":{}}", Foreign::Safetensors),
            (b"tjgg\x03\x00\x00\x00", Foreign::OldGgml),
            (b"lmgg\x03\x00\x00\x00", Foreign::OldGgml),
            (b"PK\x03\x04rest", Foreign::Zip),
            (b"\x80\x02}q\x00", Foreign::Pickle),
            (b"\n <!DOCTYPE html><html>", Foreign::Html),
            (b"{\"error\":\"Entry not found\"}", Foreign::Json),
            (b"[{\"a\": \"cut in the mid", Foreign::Json),
            (b"[package]\nname = \"x\"\n", Foreign::Unknown),
            (b"{{ template }}", Foreign::Unknown),
            (b"\x02\0\0\0\x13\0\0\0blk.0.attn_q.weight..\0\0", Foreign::Imatrix),
            (b"version https://git-lfs.github.com/spec/v1\n", Foreign::LfsPointer),
            (b"\x1f\x8b\x08", Foreign::Gzip),
            (b"_logits_\x00\x02", Foreign::Logits),
            (&[0; 512], Foreign::Zeros),
            (b"hello world", Foreign::Unknown),
            (b"", Foreign::Unknown),
        ];
        for (head, expected) in cases {
            assert_eq!(Foreign::sniff(head), expected, "{head:?}");
        }
    }
}
