//! A GGUF file taken apart, so that a test can change one thing in it: the bundled model with a lie in its header or its weights.

use crate::support::POCKET;

/// Numbers of GGUF's value types.
pub(crate) const U32: u32 = 4;
pub(crate) const BOOL: u32 = 7;
pub(crate) const TEXT: u32 = 8;
pub(crate) const ARRAY: u32 = 9;

const ALIGNMENT: usize = 32;

/// A version 3 file. What it announces is what it has, unless a test says otherwise.
#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) key_count: Option<u64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) tensors: Vec<Tensor>,
    /// The data section.
    pub(crate) data: Vec<u8>,
    /// Where each field of the file it was read from starts, elements of arrays left out.
    pub(crate) fields: Vec<usize>,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Vec<u8>,
    pub(crate) ty: u32,
    /// As in the file: without the type, with the lengths of strings and arrays.
    pub(crate) value: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    pub(crate) dims: Vec<u64>,
    pub(crate) ty: u32,
    pub(crate) offset: u64,
}

/// A string as GGUF writes it.
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// An array as GGUF writes it, without the type of the key.
pub(crate) fn array(ty: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    [&ty.to_le_bytes(), count.to_le_bytes().as_slice(), elements].concat()
}

impl Gguf {
    /// The bundled model.
    pub(crate) fn pocket() -> Self {
        Self::of(&std::fs::read(POCKET).unwrap())
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut at = Cursor { bytes, at: 0, fields: Vec::new() };
        let magic = at.take(4).try_into().unwrap();
        let version = at.u32();
        let (tensors, keys) = (at.u64(), at.u64());
        let keys = (0..keys).map(|_| at.key()).collect();
        let tensors = (0..tensors).map(|_| at.tensor()).collect();
        let data = at.at.next_multiple_of(ALIGNMENT);
        let (tensor_count, key_count) = (None, None);
        let fields = at.fields;
        Self { magic, version, tensor_count, key_count, keys, tensors, data: bytes[data..].to_vec(), fields }
    }

    /// The header, padded to where the data begins.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for key in &self.keys {
            out.extend(string(&key.name));
            out.extend(key.ty.to_le_bytes());
            out.extend(&key.value);
        }
        for tensor in &self.tensors {
            out.extend(string(&tensor.name));
            out.extend(u32::try_from(tensor.dims.len()).unwrap().to_le_bytes());
            out.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            out.extend(tensor.ty.to_le_bytes());
            out.extend(tensor.offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.data.clone()].concat()
    }

    /// With one more key, also where there is one of that name.
    pub(crate) fn with(mut self, name: impl AsRef<[u8]>, ty: u32, value: &[u8]) -> Self {
        self.keys.push(Key { name: name.as_ref().into(), ty, value: value.into() });
        self
    }

    /// Without a key, if it is there.
    pub(crate) fn without_if_there(mut self, name: &str) -> Self {
        self.keys.retain(|key| key.name != name.as_bytes());
        self
    }

    /// Without a key, which must be there.
    pub(crate) fn without(self, name: &str) -> Self {
        let keys = self.keys.len();
        let rest = self.without_if_there(name);
        assert_eq!(rest.keys.len() + 1, keys, "{name} was there");
        rest
    }

    /// With another value for a key that is there.
    pub(crate) fn set(self, name: &str, ty: u32, value: &[u8]) -> Self {
        self.without(name).with(name, ty, value)
    }

    /// With a tensor's entry changed.
    pub(crate) fn entry(mut self, name: &str, change: impl FnOnce(&mut Tensor)) -> Self {
        change(self.tensors.iter_mut().find(|tensor| tensor.name == name.as_bytes()).unwrap());
        self
    }

    /// With these tensors alone.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        let all = std::mem::take(&mut self.tensors);
        let data = std::mem::take(&mut self.data);
        for (place, tensor) in all.iter().enumerate() {
            if names.iter().any(|name| tensor.name == name.as_bytes()) {
                let end = all.get(place + 1).map_or(data.len(), |next| usize::try_from(next.offset).unwrap());
                let bytes = &data[usize::try_from(tensor.offset).unwrap()..end];
                self = self.and(std::str::from_utf8(&tensor.name).unwrap(), &tensor.dims, tensor.ty, bytes);
            }
        }
        self
    }

    /// With one more tensor behind the others.
    pub(crate) fn and(mut self, name: &str, dims: &[u64], ty: u32, bytes: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(ALIGNMENT), 0);
        let offset = self.data.len() as u64;
        self.tensors.push(Tensor { name: name.into(), dims: dims.into(), ty, offset });
        self.data.extend(bytes);
        self
    }

    /// With its data in another type, `bytes` of it.
    pub(crate) fn retyped(mut self, names: &[&str], ty: u32, bytes_of: impl Fn(u64) -> usize) -> Self {
        let all = std::mem::take(&mut self.tensors);
        let data = std::mem::take(&mut self.data);
        for (place, tensor) in all.iter().enumerate() {
            let name = std::str::from_utf8(&tensor.name).unwrap();
            let end = all.get(place + 1).map_or(data.len(), |next| usize::try_from(next.offset).unwrap());
            let bytes = &data[usize::try_from(tensor.offset).unwrap()..end];
            self = if names.iter().any(|part| name.contains(part)) {
                self.and(name, &tensor.dims, ty, &vec![0; bytes_of(tensor.dims.iter().product())])
            } else {
                self.and(name, &tensor.dims, tensor.ty, bytes)
            };
        }
        self
    }

    /// As llama-gguf-split leaves it: a first part with the metadata, and a second one.
    pub(crate) fn split_in_two(&self) -> [Vec<u8>; 2] {
        let names: Vec<&str> = self.tensors.iter().map(|tensor| std::str::from_utf8(&tensor.name).unwrap()).collect();
        let (first, second) = names.split_at(names.len() / 2);
        let part = |number: u16, names: &[&str]| {
            let keyed = if number == 0 { self.clone() } else { Self { keys: Vec::new(), ..self.clone() } };
            let total = i32::try_from(self.tensors.len()).unwrap();
            keyed
                .only(names)
                .with("split.no", 2, &number.to_le_bytes())
                .with("split.count", 2, &2_u16.to_le_bytes())
                .with("split.tensors.count", 5, &total.to_le_bytes())
                .bytes()
        };
        [part(0, first), part(1, second)]
    }

    /// Without the keys that begin so.
    pub(crate) fn without_keys(mut self, start: &str) -> Self {
        self.keys.retain(|key| !key.name.starts_with(start.as_bytes()));
        self
    }

    /// With the first bytes of a tensor's data replaced by `piece` over and over.
    pub(crate) fn weights(mut self, name: &str, piece: &[u8], times: usize) -> Self {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name.as_bytes()).unwrap();
        let start = usize::try_from(tensor.offset).unwrap();
        let fill = piece.repeat(times);
        self.data[start..start + fill.len()].copy_from_slice(&fill);
        self
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<usize>,
}

impl Cursor<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        self.fields.push(self.at);
        self.at += length;
        &self.bytes[self.at - length..self.at]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn string(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.u64()).unwrap();
        self.take(length).to_vec()
    }

    fn key(&mut self) -> Key {
        let (name, ty) = (self.string(), self.u32());
        let start = self.at;
        self.value(ty);
        Key { name, ty, value: self.bytes[start..self.at].to_vec() }
    }

    fn value(&mut self, ty: u32) {
        match ty {
            TEXT => _ = self.string(),
            ARRAY => {
                let (elements, count) = (self.u32(), self.u64());
                let fields = self.fields.len();
                (0..count).for_each(|_| self.value(elements));
                self.fields.truncate(fields);
            }
            0 | 1 | 7 => _ = self.take(1),
            2 | 3 => _ = self.take(2),
            4..=6 => _ = self.take(4),
            _ => _ = self.take(8),
        }
    }

    fn tensor(&mut self) -> Tensor {
        let name = self.string();
        let dims = self.u32();
        let dims = (0..dims).map(|_| self.u64()).collect();
        Tensor { name, dims, ty: self.u32(), offset: self.u64() }
    }
}
