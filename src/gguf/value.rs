//! Metadata values: small ones kept, large arrays kept as a count and a digest.

use serde::Serialize;

use crate::text::printable;

/// The types of metadata values, by GGUF's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    /// The type with GGUF's number `id`.
    pub(super) fn from_id(id: u32) -> Option<Self> {
        const ALL: [ValueType; 13] = [
            ValueType::U8,
            ValueType::I8,
            ValueType::U16,
            ValueType::I16,
            ValueType::U32,
            ValueType::I32,
            ValueType::F32,
            ValueType::Bool,
            ValueType::String,
            ValueType::Array,
            ValueType::U64,
            ValueType::I64,
            ValueType::F64,
        ];
        ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The fewest bytes one value takes: its size, or that of the length before it.
    pub(super) fn min_bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Either width of float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(Text),
    /// A short array.
    List(Vec<Value>),
    /// An array too long, or too unimportant one by one, to keep.
    Digest(Digest),
}

/// A string from the file, kept up to [`Text::MAX_KEPT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The string, cut when it is longer.
    pub kept: String,
    /// Its whole length.
    pub bytes: u64,
    /// SHA-256 of the whole, in hexadecimal.
    pub sha256: String,
}

impl Text {
    /// The most bytes of a string that are kept; chat templates in use have a tenth of it.
    pub const MAX_KEPT: usize = 256 * 1024;
}

/// An array known by its count and content, not by its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Type of the elements.
    pub elements: ValueType,
    /// How many there are.
    pub count: u64,
    /// Bytes they take in the file, lengths of strings included.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub sha256: String,
}

impl Value {
    /// The value as an unsigned integer, when it is an integer and not negative.
    #[must_use]
    pub fn unsigned(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(n) => Some(n),
            Self::Signed(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// One line that tells equal values apart and is safe to print.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Unsigned(n) => n.to_string(),
            Self::Signed(n) => n.to_string(),
            Self::Float(x) => x.to_string(),
            Self::Bool(b) => b.to_string(),
            Self::Text(text) => printable(&text.kept),
            Self::List(values) => {
                let items: Vec<String> = values.iter().map(Self::summary).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Digest(digest) => format!("{} values, SHA-256 {}", digest.count, digest.sha256),
        }
    }
}
