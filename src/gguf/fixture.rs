//! Builds tiny GGUF files for tests, valid unless a test breaks a field on purpose.

use super::metadata::ValueType;
use super::types::GgmlType;

/// The alignment fixtures use, which is the default, in bytes.
const ALIGNMENT: u64 = 32;

/// A file under construction. Tensors are placed one behind the other unless an offset is given.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    /// How many there are, and their bytes.
    pub(crate) keys: (u64, Vec<u8>),
    pub(crate) tensors: (u64, Vec<u8>),
    /// Counts other than the true ones.
    pub(crate) key_count: Option<u64>,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) data_bytes: u64,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            key_count: None,
            tensor_count: None,
            keys: (0, Vec::new()),
            tensors: (0, Vec::new()),
            data_bytes: 0,
        }
    }
}

/// A string as GGUF writes it.
pub(crate) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

impl Fixture {
    /// A llama of one layer, 256 wide, with three tokens.
    pub(crate) fn llama() -> Self {
        Self::default()
            .text("general.architecture", "llama")
            .text("general.name", "Tiny")
            .u32("llama.context_length", 512)
            .u32("llama.embedding_length", 256)
            .u32("llama.block_count", 1)
            .u32("llama.attention.head_count", 4)
            .u32("llama.attention.head_count_kv", 2)
            .text("tokenizer.ggml.model", "gpt2")
            .array("tokenizer.ggml.tokens", ValueType::String, 3, &[string("a"), string("b"), string("c")].concat())
            .tensor("token_embd.weight", &[256, 3], GgmlType::F16)
            .tensor("blk.0.attn_norm.weight", &[256], GgmlType::F32)
            .tensor("blk.0.attn_q.weight", &[256, 256], GgmlType::Q4_K)
    }

    /// Adds a key with a type and value as given.
    pub(crate) fn raw(mut self, key: impl AsRef<[u8]>, ty: u32, value: &[u8]) -> Self {
        self.keys.0 += 1;
        self.keys.1.extend(string(key));
        self.keys.1.extend(ty.to_le_bytes());
        self.keys.1.extend(value);
        self
    }

    pub(crate) fn text(self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.raw(key, ValueType::String as u32, &string(value))
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key, ValueType::U32 as u32, &value.to_le_bytes())
    }

    pub(crate) fn u16(self, key: &str, value: u16) -> Self {
        self.raw(key, ValueType::U16 as u32, &value.to_le_bytes())
    }

    /// Adds an array key whose count need not be that of `elements`.
    pub(crate) fn array(self, key: &str, ty: ValueType, count: u64, elements: &[u8]) -> Self {
        let value = [&(ty as u32).to_le_bytes(), count.to_le_bytes().as_slice(), elements].concat();
        self.raw(key, ValueType::Array as u32, &value)
    }

    /// Adds a tensor behind the others.
    pub(crate) fn tensor(self, name: &str, dims: &[u64], ty: GgmlType) -> Self {
        let offset = self.data_bytes;
        let bytes = ty.bytes(dims.iter().product()).expect("a fixture's tensors fill whole blocks");
        let mut with = self.raw_tensor(name, dims, ty as u32, offset);
        with.data_bytes = (offset + bytes).next_multiple_of(ALIGNMENT);
        with
    }

    /// Adds a tensor entry as given, without data.
    pub(crate) fn raw_tensor(mut self, name: impl AsRef<[u8]>, dims: &[u64], ty: u32, offset: u64) -> Self {
        self.tensors.0 += 1;
        let out = &mut self.tensors.1;
        out.extend(string(name));
        out.extend(u32::try_from(dims.len()).expect("few dimensions").to_le_bytes());
        out.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        out.extend(ty.to_le_bytes());
        out.extend(offset.to_le_bytes());
        self
    }

    pub(crate) fn header(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.0).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.0).to_le_bytes());
        out.extend(&self.keys.1);
        out.extend(&self.tensors.1);
        out
    }

    /// The whole file, its data zeros.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        let align = usize::try_from(ALIGNMENT).expect("small");
        let data = usize::try_from(self.data_bytes).expect("small");
        out.resize(out.len().next_multiple_of(align) + data, 0);
        out
    }
}
