//! The key-value section of a header.

use std::collections::BTreeMap;
use std::io::Read;

use super::error::Error;
use super::reader::{MAX_HEADER_BYTES, Reader};
use super::value::{Digest, Text, Value, ValueType};
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

    /// Reads `count` keys.
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
