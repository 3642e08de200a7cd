//! A file that stands for an original: what the cached comparison keeps of it, so that candidates are compared without it.
//!
//! `GBREF`, two zeros and the version; the length of a JSON header as u64, and the header; the positions of all windows in order,
//! each as long as any other; SHA-256 of all that. Little-endian. Perplexity, same top and Δp from it are exact; KLD is a lower bound.

use std::{io::Read, num::NonZeroUsize, path::Path};

use base16ct::lower::encode_string as hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    bytes::{Bytes, BytesError},
    cache::Cache,
    regular::open_regular,
    windows::{FirstToken, WindowError, WindowShape, Windows},
};
use crate::record::{TextPlan, WriteError, write_atomically};

const MAGIC: [u8; 7] = *b"GBREF\0\0";
const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;
/// More than any header has: a file that asks for more is damaged.
const MOST_HEADER_BYTES: u64 = 1 << 28;

/// What the file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReferenceHeader {
    /// Version of the program that made it.
    pub(crate) program: String,
    /// The original's name, and SHA-256 of its file.
    pub(crate) model: String,
    pub(crate) model_sha256: Option<String>,
    pub(crate) n_vocab: NonZeroUsize,
    /// What the first token of each window is replaced with, if it is.
    pub(crate) bos: Option<i32>,
    pub(crate) n_ctx: u32,
    pub(crate) top_k: usize,
    pub(crate) texts: Vec<TextPlan>,
    /// (Text, window), in the order in which their positions follow.
    pub(crate) windows: Vec<(usize, usize)>,
    /// The tokens of each text, as far as its windows go.
    pub(crate) tokens: Vec<Vec<i32>>,
}

/// Why a file can't stand for an original.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReferenceFileError {
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("it is no reference file: it does not begin with GBREF")]
    Magic,
    #[error("it has version {0} of the format, this program reads version {VERSION}")]
    Version(u8),
    #[error("it is cut short or has bytes too many: {expected} were expected, it has {actual}")]
    Size { expected: u128, actual: usize },
    #[error("its checksum is wrong: it was damaged on the way")]
    Checksum,
    #[error("its header can't be read: {0}")]
    Header(String),
    #[error("it is not a file: a pipe or a folder can't be read twice")]
    NotAFile,
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error(transparent)]
    Bytes(#[from] BytesError),
}

impl ReferenceHeader {
    /// Positions that follow, and the bytes they take.
    fn positions(&self) -> Result<(usize, u128), WindowError> {
        let scored = WindowShape::new(self.n_ctx as usize)?.scored().len();
        let positions = self.windows.len().saturating_mul(scored);
        Ok((positions, positions as u128 * Cache::stored_bytes(self.top_k)))
    }

    /// Whether windows, tokens and texts belong together.
    fn check(&self) -> Result<(), ReferenceFileError> {
        let n_ctx = self.n_ctx as usize;
        let failed = |what: &str| Err(ReferenceFileError::Header(what.into()));
        if self.tokens.len() != self.texts.len() {
            return failed("there are not as many texts as lists of tokens");
        }
        if i32::try_from(self.n_vocab.get()).is_err() {
            return failed("its vocabulary is too large");
        }
        let there = |&(text, window): &(usize, usize)| {
            self.tokens.get(text).is_some_and(|tokens| window < tokens.len() / n_ctx.max(1))
        };
        if !self.windows.iter().all(there) {
            return failed("a window has no tokens");
        }
        let known = |token: &i32| usize::try_from(*token).is_ok_and(|token| token < self.n_vocab.get());
        if !self.tokens.iter().flatten().chain(&self.bos).all(known) {
            return failed("a token is outside the vocabulary");
        }
        if self.top_k == 0 || self.top_k > self.n_vocab.get() {
            return failed("it says that no tokens were kept, or more than there are");
        }
        Ok(())
    }

    /// Whether the positions are those of the windows.
    fn agrees(&self, cache: &Cache) -> bool {
        let targets = self.windows.iter().flat_map(|&(text, window)| {
            let shape = WindowShape::new(self.n_ctx as usize).ok();
            let windows =
                shape.map(|shape| Windows::already_cut(&self.tokens[text], shape, FirstToken::Keep).targets(window));
            windows.flatten().unwrap_or_default()
        });
        targets.copied().eq(cache.tokens())
    }
}

/// Writes a file, and returns its size in bytes.
pub(crate) fn write(path: &Path, header: &ReferenceHeader, cache: &Cache) -> Result<usize, ReferenceFileError> {
    let json = serde_json::to_vec(header).map_err(|error| ReferenceFileError::Header(error.to_string()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend((json.len() as u64).to_le_bytes());
    bytes.extend(json);
    cache.store(&mut bytes);
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    write_atomically(path, &bytes)?;
    Ok(bytes.len())
}

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Result<(ReferenceHeader, Cache), ReferenceFileError> {
    let mut file = open_regular(path)?.ok_or(ReferenceFileError::NotAFile)?;
    // What is something else altogether, such as a model, is not read to its end.
    let mut bytes = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut bytes)?;
    if bytes == MAGIC {
        file.read_to_end(&mut bytes)?;
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<(ReferenceHeader, Cache), ReferenceFileError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(ReferenceFileError::Magic)?;
    let size = |expected: u128| ReferenceFileError::Size { expected, actual: bytes.len() };
    let before = MAGIC.len() + 1 + 8;
    let Some((&version, rest)) = rest.split_first() else { return Err(size(before as u128)) };
    if version != VERSION {
        return Err(ReferenceFileError::Version(version));
    }
    let mut rest = Bytes(rest);
    let json_bytes = rest.u64().map_err(|_| size(before as u128))?;
    let least = before as u128 + u128::from(json_bytes) + HASH_BYTES as u128;
    if json_bytes > MOST_HEADER_BYTES || least > bytes.len() as u128 {
        return Err(size(least));
    }
    let (content, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
    let (json, positions) =
        content[before..].split_at_checked(usize::try_from(json_bytes).unwrap_or(usize::MAX)).ok_or(size(least))?;
    let intact = hex(&Sha256::digest(content)) == hex(hash);
    let header: ReferenceHeader = match serde_json::from_slice(json) {
        Ok(header) => header,
        Err(_) if !intact => return Err(ReferenceFileError::Checksum),
        Err(error) => return Err(ReferenceFileError::Header(error.to_string())),
    };
    let (n_positions, position_bytes) = header.positions()?;
    let expected = least.saturating_add(position_bytes);
    if expected != bytes.len() as u128 {
        return Err(size(expected));
    }
    if !intact {
        return Err(ReferenceFileError::Checksum);
    }
    header.check()?;
    let cache = Cache::restore(header.n_vocab, header.top_k, n_positions, &mut Bytes(positions))?;
    if !header.agrees(&cache) {
        return Err(ReferenceFileError::Header("its positions are not those of its windows".into()));
    }
    Ok((header, cache))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::testing::Random;

    fn file() -> (Vec<u8>, Vec<f32>, ReferenceHeader) {
        let n_vocab = NonZeroUsize::new(50).expect("not 0");
        let mut cache = Cache::with_capacity(n_vocab, 8, 3);
        let mut random = Random::new(20);
        let logits: Vec<f32> = (0..3).flat_map(|_| random.rows(50, 4.0, 0.0).0).collect();
        cache.add(&logits, &[5, 6, 7], NonZeroUsize::MIN).expect("distributions");
        let text = TextPlan { name: "a".into(), domain: "a".into(), sha256: Some("00".into()), bytes: Some(9) };
        let header = ReferenceHeader {
            program: "0".into(),
            model: "m".into(),
            model_sha256: None,
            n_vocab,
            bos: None,
            n_ctx: 8,
            top_k: cache.top_k(),
            texts: vec![text],
            windows: vec![(0, 0)],
            tokens: vec![vec![1, 2, 3, 4, 5, 5, 6, 7]],
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.gbref");
        write(&path, &header, &cache).expect("written");
        (std::fs::read(&path).expect("read"), logits, header)
    }

    #[test]
    fn what_was_written_compares_as_what_was_kept() {
        let (bytes, logits, header) = file();
        let (read, cache) = parse(&bytes).expect("whole");
        assert_eq!(read, header);
        let same = cache.compare(0, &logits, NonZeroUsize::MIN).expect("comparable");
        assert!(
            same.iter().all(|token| token.kld_nats.abs() <= 0.0
                && token.nll_base_nats.to_bits() == token.nll_candidate_nats.to_bits())
        );
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_refused() {
        let (bytes, ..) = file();
        for len in 0..bytes.len() {
            let error = parse(&bytes[..len]).expect_err("cut short");
            let expected = matches!(error, ReferenceFileError::Magic) == (len < 7);
            assert!(expected && !matches!(error, ReferenceFileError::Bytes(_)), "{len}: {error}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let error = parse(&bad).expect_err("damaged");
                let expected = match at {
                    0..7 => matches!(error, ReferenceFileError::Magic),
                    7 => matches!(error, ReferenceFileError::Version(_)),
                    8..16 => matches!(error, ReferenceFileError::Size { .. } | ReferenceFileError::Checksum),
                    // A damaged count asks for another length; whatever else is damaged only the checksum shows.
                    _ => matches!(
                        error,
                        ReferenceFileError::Checksum | ReferenceFileError::Size { .. } | ReferenceFileError::Window(_)
                    ),
                };
                assert!(expected, "bit {bit} of byte {at}: {error}");
            }
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(parse(&longer).is_err());
        let mut bad = bytes.clone();
        let last = bad.len() - 40;
        bad[last] ^= 1;
        assert!(matches!(parse(&bad), Err(ReferenceFileError::Checksum)));
    }

    /// The file with another header, its length and its checksum right.
    fn resealed(bytes: &[u8], change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
        let json_bytes = usize::try_from(u64::from_le_bytes(bytes[8..16].try_into().expect("eight"))).expect("small");
        let mut header: serde_json::Value = serde_json::from_slice(&bytes[16..16 + json_bytes]).expect("JSON");
        change(&mut header);
        let json = header.to_string().into_bytes();
        let mut new = [&bytes[..8], &(json.len() as u64).to_le_bytes(), &json].concat();
        new.extend(&bytes[16 + json_bytes..bytes.len() - HASH_BYTES]);
        seal(&new)
    }

    fn seal(content: &[u8]) -> Vec<u8> {
        [content, Sha256::digest(content).as_slice()].concat()
    }

    #[test]
    fn what_is_whole_but_means_nothing_is_refused() {
        let (bytes, ..) = file();
        assert!(parse(&resealed(&bytes, |_| ())).is_ok(), "the change is what is refused");
        let changes: [fn(&mut serde_json::Value); 13] = [
            |header| header["n_vocab"] = 0.into(),
            |header| header["n_vocab"] = 6.into(),
            |header| header["n_vocab"] = u64::MAX.into(),
            |header| header["top_k"] = 0.into(),
            |header| header["top_k"] = u64::MAX.into(),
            |header| header["n_ctx"] = 0.into(),
            |header| header["n_ctx"] = u32::MAX.into(),
            |header| header["bos"] = (-1).into(),
            |header| header["windows"] = serde_json::json!([[0, 1]]),
            |header| header["windows"] = serde_json::json!([[9, 0]]),
            |header| header["tokens"] = serde_json::json!([[1, 2, 3, 4, 5, 5, 6, 8]]),
            |header| header["tokens"] = serde_json::json!([]),
            |header| header["texts"] = "none".into(),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            parse(&resealed(&bytes, change)).expect_err(&format!("change {at}"));
        }
        // A position that is none: its sum of exponentials, and the index of its first token.
        let first = bytes.len() - HASH_BYTES - 3 * usize::try_from(Cache::stored_bytes(8)).expect("small");
        for (at, value) in [(4, 0), (40, 0xff)] {
            let mut bad = bytes[..bytes.len() - HASH_BYTES].to_vec();
            bad[first + at..first + at + 8].fill(value);
            assert!(matches!(parse(&seal(&bad)), Err(ReferenceFileError::Bytes(_))), "{at}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_said_before_it_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(folder.path()), Err(ReferenceFileError::NotAFile)));
        assert!(matches!(read(&folder.path().join("none")), Err(ReferenceFileError::Io(_))));
        let model = folder.path().join("model.gguf");
        write_atomically(&model, b"GGUF\x03\0\0\0").expect("written");
        assert!(matches!(read(&model), Err(ReferenceFileError::Magic)));
    }
}
