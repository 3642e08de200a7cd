//! A model as one file or as the parts of a split one, found from its first part and never outside that part's folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::facts::Facts;
use super::header::Header;
use super::piece::SplitName;
use crate::text::printable;

/// The most parts a name can count, with five digits.
const MAX_PARTS: u64 = 99_999;
/// What another part behind the first has at least: its magic, version and counts.
const HEADER_MIN_BYTES: u64 = 24;

/// A model's files and headers, in order; the first holds the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    first: Part,
    rest: Vec<Part>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub path: PathBuf,
    pub header: Header,
}

impl Model {
    /// Reads the headers of the model at `path`: a file of its own or the first part of a split model.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let header = Header::read(path)?;
        let count = header.metadata.unsigned("split.count").unwrap_or(1);
        let first = Part { path: path.to_owned(), header };
        if count <= 1 {
            return Ok(Self { first, rest: Vec::new() });
        }
        if count > MAX_PARTS {
            return Err(Error::TooMany { what: "parts", count, limit: MAX_PARTS });
        }
        let name = path.file_name().and_then(|name| name.to_str()).and_then(SplitName::parse);
        let name = name.filter(|name| u64::from(name.count) == count);
        if name.is_none() && first.header.bytes_after_tensors() >= HEADER_MIN_BYTES {
            return Err(Error::JoinedParts { count });
        }
        let name = name.ok_or(Error::SplitName { count })?;
        let no = first.header.metadata.unsigned("split.no").unwrap_or(0);
        if no != 0 {
            return Err(Error::NotFirstPart {
                part: no.saturating_add(1),
                first: path.with_file_name(name.name_of(1)),
            });
        }
        if name.part != 1 {
            return Err(Error::SplitName { count });
        }
        let model =
            Self { first, rest: (2..=name.count).map(|part| read_part(path, &name, part)).collect::<Result<_, _>>()? };
        model.check_tensors()?;
        Ok(model)
    }

    /// The files, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    pub(crate) fn facts(&self) -> Facts {
        let rest: Vec<&Header> = self.rest.iter().map(|part| &part.header).collect();
        Facts::of(&self.first.header, &rest)
    }

    fn check_tensors(&self) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for Part { path, header } in self.parts() {
            for tensor in &header.tensors {
                if !names.insert(&tensor.name) {
                    let source = Box::new(Error::DuplicateTensor { tensor: printable(&tensor.name) });
                    return Err(Error::Part { path: path.clone(), source });
                }
            }
        }
        let found = names.len() as u64;
        match self.first.header.metadata.unsigned("split.tensors.count") {
            Some(expected) if expected != found => Err(Error::SplitMismatch {
                path: self.first.path.clone(),
                what: "the number of tensors",
                found,
                expected,
            }),
            _ => Ok(()),
        }
    }
}

fn read_part(first: &Path, name: &SplitName<'_>, part: u32) -> Result<Part, Error> {
    let path = first.with_file_name(name.name_of(part));
    let (part, count) = (u64::from(part), u64::from(name.count));
    let header = match Header::read(&path) {
        Ok(header) => header,
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingPart { part, count, path });
        }
        Err(error) => return Err(Error::Part { path, source: Box::new(error) }),
    };
    for (key, what, expected) in
        [("split.no", "its number from 0", part - 1), ("split.count", "the number of parts", count)]
    {
        let found = header.metadata.unsigned(key).unwrap_or(0);
        if found != expected {
            return Err(Error::SplitMismatch { path, what, found, expected });
        }
    }
    Ok(Part { path, header })
}
