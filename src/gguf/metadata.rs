//! The key-value section of a header: small values kept, large arrays kept as a count and a digest.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use super::error::Error;
use super::reader::{MAX_HEADER_BYTES, Reader};
use crate::text::printable;

/// The most keys a header may have; models in use have a hundred.
const MAX_KEYS: u64 = 1 << 14;

/// The longest key, by GGUF's specification, in bytes.
const MAX_KEY_BYTES: u64 = (1 << 16) - 1;

/// The most numbers of an array that are kept: one a layer, for any model in use.
const MAX_LISTED_NUMBERS: u64 = 1024;

/// The most strings of an array that are kept: tags and languages.
const MAX_LISTED_STRINGS: u64 = 64;

/// The metadata of a file: its keys in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Every key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key` when it is a whole number that is not negative.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        self.get(key)?.unsigned()
    }

    /// The value of `key` when it is a truth value.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The value of `key` when it is a string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&Text> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many elements the array `key` has.
    #[must_use]
    pub fn array_len(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Digest(digest) => Some(digest.count),
            Value::List(values) => Some(values.len() as u64),
            _ => None,
        }
    }

    pub(super) fn read<R: Read>(reader: &mut Reader<R>, count: u64) -> Result<Self, Error> {
        // The shortest pair: a length, one letter, a type, one byte.
        reader.require_count("metadata keys", count, MAX_KEYS, 8 + 1 + 4 + 1)?;
        let mut metadata = BTreeMap::new();
        for index in 0..count {
            let key = reader.string("metadata key", MAX_KEY_BYTES)?;
            if key.is_empty() {
                return Err(Error::EmptyKey { index });
            }
            if metadata.contains_key(&key) {
                return Err(Error::DuplicateKey { key: printable(&key) });
            }
            let ty = read_type(reader, &key)?;
            let value = read_value(reader, &key, ty)?;
            if key == "general.alignment" && ty != ValueType::U32 {
                return Err(Error::Alignment { found: value.summary() });
            }
            metadata.insert(key, value);
        }
        Ok(Self(metadata))
    }
}

fn read_type<R: Read>(reader: &mut Reader<R>, key: &str) -> Result<ValueType, Error> {
    let id = reader.u32()?;
    ValueType::from_id(id).ok_or_else(|| Error::UnknownValueType { key: printable(key), id })
}

fn read_value<R: Read>(reader: &mut Reader<R>, key: &str, ty: ValueType) -> Result<Value, Error> {
    Ok(match ty {
        ValueType::U8 => Value::Unsigned(u8::from_le_bytes(reader.array()?).into()),
        ValueType::U16 => Value::Unsigned(u16::from_le_bytes(reader.array()?).into()),
        ValueType::U32 => Value::Unsigned(reader.u32()?.into()),
        ValueType::U64 => Value::Unsigned(reader.u64()?),
        ValueType::I8 => Value::Signed(i8::from_le_bytes(reader.array()?).into()),
        ValueType::I16 => Value::Signed(i16::from_le_bytes(reader.array()?).into()),
        ValueType::I32 => Value::Signed(i32::from_le_bytes(reader.array()?).into()),
        ValueType::I64 => Value::Signed(i64::from_le_bytes(reader.array()?)),
        ValueType::F32 => Value::Float(f32::from_le_bytes(reader.array()?).into()),
        ValueType::F64 => Value::Float(f64::from_le_bytes(reader.array()?)),
        ValueType::Bool => Value::Bool(reader.array::<1>()? != [0]),
        ValueType::String => Value::Text(read_text(reader)?),
        ValueType::Array => read_array(reader, key)?,
    })
}

fn read_text<R: Read>(reader: &mut Reader<R>) -> Result<Text, Error> {
    let mut whole = reader.string("metadata string", MAX_HEADER_BYTES)?;
    let bytes = whole.len() as u64;
    let sha256 = super::reader::sha256(whole.as_bytes());
    if whole.len() > Text::MAX_KEPT {
        whole.truncate(whole.floor_char_boundary(Text::MAX_KEPT));
        whole.shrink_to_fit();
    }
    Ok(Text { kept: whole, bytes, sha256 })
}

fn read_array<R: Read>(reader: &mut Reader<R>, key: &str) -> Result<Value, Error> {
    let elements = read_type(reader, key)?;
    if elements == ValueType::Array {
        return Err(Error::NestedArray { key: printable(key) });
    }
    let count = reader.u64()?;
    reader.require_count("array elements", count, MAX_HEADER_BYTES, elements.min_bytes())?;
    let listed = if elements == ValueType::String { MAX_LISTED_STRINGS } else { MAX_LISTED_NUMBERS };
    // A vocabulary is identity, not something to print, however short.
    if count <= listed && !key.starts_with("tokenizer.") {
        return (0..count).map(|_| read_value(reader, key, elements)).collect::<Result<_, _>>().map(Value::List);
    }
    let start = reader.position();
    let sha256 = reader.digest(|reader| {
        if elements != ValueType::String {
            return reader.skip(count * elements.min_bytes());
        }
        for _ in 0..count {
            let bytes = reader.string_length("listed string", MAX_HEADER_BYTES)?;
            reader.skip(bytes)?;
        }
        Ok(())
    })?;
    Ok(Value::Digest(Digest { elements, count, bytes: reader.position() - start, sha256 }))
}

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

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Unsigned(u64),
    Signed(i64),
    /// Either width of float.
    Float(f64),
    Bool(bool),
    Text(Text),
    List(Vec<Value>),
    /// An array too long, or too unimportant one by one, to keep.
    Digest(Digest),
}

/// A string from the file, kept up to [`Text::MAX_KEPT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The string, cut when it is longer.
    pub kept: String,
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
    pub elements: ValueType,
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
