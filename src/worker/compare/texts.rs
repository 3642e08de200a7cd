//! The texts of a comparison as tokens, cut into windows.

use std::{fs::File, io::BufReader, path::Path};

use crate::{
    quality::{
        logits_file::{LogitsFileError, LogitsReader},
        open_regular,
        reference_file::ReferenceHeader,
        windows::{FirstToken, WindowError, WindowShape, Windows},
    },
    record::QualityText,
};

/// A file of log-probabilities being read.
pub(super) type Reader = LogitsReader<BufReader<File>>;

/// Opens a file of log-probabilities.
pub(super) fn open_logits(path: &Path) -> Result<Reader, LogitsFileError> {
    let file = open_regular(path)?.ok_or(LogitsFileError::NotAFile)?;
    LogitsReader::new(BufReader::new(file))
}

/// A window to be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) text: usize,
    /// From 0 in its text.
    pub(super) index: usize,
    /// To be evaluated, BOS in place.
    pub(super) tokens: Vec<i32>,
    /// The correct tokens of the scored positions.
    pub(super) targets: Vec<i32>,
}

pub(super) struct Texts {
    pub(super) shape: WindowShape,
    first: FirstToken,
    tokens: Vec<Vec<i32>>,
    /// Whether they were cut before: then a single window is enough.
    cut: bool,
}

impl Texts {
    pub(super) fn new(tokens: Vec<Vec<i32>>, shape: WindowShape, bos: Option<i32>) -> Self {
        Self { shape, first: first(bos), tokens, cut: false }
    }

    /// The one text of a file of log-probabilities.
    pub(super) fn of_file(reader: &Reader, bos: Option<i32>) -> Self {
        let shape = reader.header().shape();
        Self { shape, first: first(bos), tokens: vec![reader.tokens().to_vec()], cut: true }
    }

    /// Those of a file that stands for the original.
    pub(super) fn of_reference(header: &ReferenceHeader) -> Result<Self, WindowError> {
        let shape = WindowShape::new(header.n_ctx as usize)?;
        Ok(Self { shape, first: first(header.bos), tokens: header.tokens.clone(), cut: true })
    }

    /// What replaces the first token of each window, if it is replaced.
    pub(super) fn bos(&self) -> Option<i32> {
        match self.first {
            FirstToken::Bos(bos) => Some(bos),
            FirstToken::Keep => None,
        }
    }

    /// Whether a model reads a text as these tokens, as far as its windows go; else the first place where it does not.
    pub(super) fn agree(&self, text: usize, own: &[i32]) -> Result<(), usize> {
        let of_original = &self.tokens[text];
        let own = if self.cut { own.get(..of_original.len()).unwrap_or(own) } else { own };
        if own == of_original { Ok(()) } else { Err(own.iter().zip(of_original).take_while(|(a, b)| a == b).count()) }
    }

    /// What the record says of them.
    pub(super) fn described(&self) -> Vec<QualityText> {
        let one = |tokens: &Vec<i32>| QualityText { n_tokens: tokens.len(), n_windows: self.count(tokens) };
        self.tokens.iter().map(one).collect()
    }

    /// A window; none when there is no such.
    pub(super) fn window(&self, text: usize, index: usize) -> Option<Window> {
        let windows = self.windows(self.tokens.get(text)?)?;
        let (tokens, targets) = (windows.window(index)?, windows.targets(index)?.to_vec());
        Some(Window { text, index, tokens, targets })
    }

    pub(super) fn tokens(&self, text: usize) -> &[i32] {
        &self.tokens[text]
    }

    /// The tokens of a window up to and with the one at `position`.
    pub(super) fn until(&self, text: usize, window: usize, position: usize) -> &[i32] {
        let start = window * self.shape.n_ctx();
        &self.tokens[text][start..=start + position]
    }

    fn count(&self, tokens: &[i32]) -> usize {
        self.windows(tokens).map_or(0, |windows| windows.count())
    }

    fn windows<'t>(&self, tokens: &'t [i32]) -> Option<Windows<'t>> {
        if self.cut {
            return Some(Windows::already_cut(tokens, self.shape, self.first));
        }
        Windows::new(tokens, self.shape, self.first).ok()
    }
}

fn first(bos: Option<i32>) -> FirstToken {
    bos.map_or(FirstToken::Keep, FirstToken::Bos)
}
