//! Damaged copies of the bundled model, by a seed: bits and numbers of the header, its keys and tensors, the weights, the end.

use std::{fs, fs::File, io::Write, path::Path};

use gguf_bench::testing::stats::SplitMix64;

use super::gguf::{ARRAY, Gguf, TEXT};

/// Numbers where arithmetic goes wrong.
const EDGES: [u64; 12] = [0, 1, 2, 9, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX];

/// Halves of floats: not a number, the infinities, the largest, and zero, as F16 and as the upper half of F32.
const WEIGHTS: [[u8; 2]; 8] =
    [[0x00, 0x7e], [0x00, 0x7c], [0x00, 0xfc], [0xff, 0x7b], [0xc0, 0x7f], [0x80, 0x7f], [0x80, 0xff], [0x00, 0x00]];

/// A damaged copy.
pub(crate) struct Damaged {
    /// What was done to it, for whoever must find out what went wrong.
    pub(crate) how: String,
    /// Its header, up to where the data would begin.
    pub(crate) head: Vec<u8>,
    /// Its length in all.
    pub(crate) bytes: u64,
    /// Places in the data section and what stands there.
    weights: Vec<(usize, [u8; 2])>,
}

/// Makes one after the other.
pub(crate) struct Mutator {
    /// The bundled model without its data, and those.
    whole: Gguf,
    data: Vec<u8>,
    head: Vec<u8>,
    random: SplitMix64,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut whole = Gguf::pocket();
        let data = std::mem::take(&mut whole.data);
        Self { head: whole.head(), whole, data, random: SplitMix64::new(seed) }
    }

    /// The next damaged copy: often the bytes of the header, as often its fields, less often the weights or the end.
    pub(crate) fn make(&mut self) -> Damaged {
        match self.random.below(10) {
            0..=3 => self.bytes_changed(),
            4..=7 => self.field_changed(),
            8 => self.weights_changed(),
            _ => self.cut(),
        }
    }

    fn of(&self, how: &str, head: Vec<u8>) -> Damaged {
        let bytes = (head.len() + self.data.len()) as u64;
        Damaged { how: how.into(), head, bytes, weights: Vec::new() }
    }

    fn edge(&mut self) -> [u8; 8] {
        EDGES[self.random.below(EDGES.len())].to_le_bytes()
    }

    fn bytes_changed(&mut self) -> Damaged {
        let mut head = self.head.clone();
        let length = head.len();
        // The metadata before the vocabulary and the list of tensors: where a byte is a field rather than a token's letter.
        let dense = [0..1_024, length - 2_600..length];
        let everywhere = self.random.below(4) == 0;
        for _ in 0..=self.random.below(4) {
            let range = if everywhere { 0..length } else { dense[self.random.below(2)].clone() };
            let at = range.start + self.random.below(range.len() - 8);
            match self.random.below(5) {
                0 => head[at] ^= 1 << self.random.below(8),
                1 => head[at] = self.random.next_u64().to_le_bytes()[0],
                2 => head[at..at + 4].copy_from_slice(&self.edge()[..4]),
                3 => head[at..at + 8].copy_from_slice(&self.edge()),
                _ => {
                    let (from, bytes) = (self.random.below(length - 64), self.random.below(64));
                    head.copy_within(from..from + bytes, at.min(length - bytes));
                }
            }
        }
        self.of("bytes of the header", head)
    }

    /// The header stays well-formed but says something else.
    fn field_changed(&mut self) -> Damaged {
        let mut file = self.whole.clone();
        let key = self.random.below(file.keys.len());
        let tensor = self.random.below(file.tensors.len());
        let (name, of) = (file.keys[key].name.clone(), file.tensors[tensor].name.clone());
        let (what, whose) = match self.random.below(8) {
            0 => {
                file.keys.remove(key);
                ("without", name)
            }
            1 => {
                file.keys.push(file.keys[key].clone());
                ("twice", name)
            }
            2..=4 => {
                let edge = self.edge();
                let key = &mut file.keys[key];
                let room = match key.ty {
                    TEXT => 0..8,
                    ARRAY => 4..12,
                    _ => 0..key.value.len().min(8),
                };
                let width = room.len();
                key.value[room].copy_from_slice(&edge[..width]);
                ("another value of", name)
            }
            5 => {
                let dims = &mut file.tensors[tensor].dims;
                let dim = self.random.below(dims.len());
                dims[dim] = u64::from_le_bytes(self.edge());
                ("another shape of", of)
            }
            6 => {
                // Both have two bytes an element, so that the layout stays right; or they have not.
                file.tensors[tensor].ty = [1, 30, 25, 0, 2, 8, 12, 31, 99][self.random.below(9)];
                ("another type of", of)
            }
            _ => {
                let other = self.random.below(file.tensors.len());
                let (a, b) = (file.tensors[tensor].name.clone(), file.tensors[other].name.clone());
                file.tensors[tensor].name = b;
                file.tensors[other].name = a;
                ("another name of", of)
            }
        };
        self.of(&format!("{what} {}", String::from_utf8_lossy(&whose)), file.head())
    }

    fn weights_changed(&mut self) -> Damaged {
        let mut damaged = self.of("weights", self.head.clone());
        let value = WEIGHTS[self.random.below(WEIGHTS.len())];
        let times = [1, 100, 100_000][self.random.below(3)];
        let halves = self.data.len() / 2;
        damaged.weights = (0..times).map(|_| (2 * self.random.below(halves), value)).collect();
        damaged
    }

    fn cut(&mut self) -> Damaged {
        let mut damaged = self.of("cut off", self.head.clone());
        let all = usize::try_from(damaged.bytes).unwrap();
        damaged.bytes = self.random.below(all) as u64;
        damaged
    }

    /// Writes the whole file.
    pub(crate) fn write(&self, damaged: &Damaged, path: &Path) {
        let mut data = self.data.clone();
        for (at, value) in &damaged.weights {
            data[*at..at + 2].copy_from_slice(value);
        }
        let file = [&damaged.head, data.as_slice()].concat();
        fs::write(path, &file[..usize::try_from(damaged.bytes).unwrap()]).unwrap();
    }
}

impl Damaged {
    /// Writes the header and as many zeros as there should be data: what reads headers sees no difference.
    pub(crate) fn write_head(&self, path: &Path) {
        let mut file = File::create(path).unwrap();
        file.write_all(&self.head).unwrap();
        file.set_len(self.bytes).unwrap();
    }
}
