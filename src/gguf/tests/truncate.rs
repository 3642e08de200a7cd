//! The bundled model cut at the start of every field.

use super::super::error::Error;
use super::{bundled, parse};

/// Walks a whole version 3 file and notes where each field of the header starts.
struct Walk<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
    at: usize,
}

impl Walk<'_> {
    fn number(&mut self, width: usize) -> usize {
        self.starts.push(self.at);
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(&self.bytes[self.at..self.at + width]);
        self.at += width;
        usize::try_from(u64::from_le_bytes(wide)).unwrap()
    }

    fn string(&mut self) {
        let length = self.number(8);
        self.starts.push(self.at);
        self.at += length;
    }

    fn value(&mut self, ty: usize) {
        match ty {
            0 | 1 | 7 => drop(self.number(1)),
            2 | 3 => drop(self.number(2)),
            4..=6 => drop(self.number(4)),
            8 => self.string(),
            9 => {
                let elements = self.number(4);
                for _ in 0..self.number(8) {
                    self.value(elements);
                }
            }
            _ => drop(self.number(8)),
        }
    }

    fn header(&mut self) {
        self.number(4);
        self.number(4);
        let tensors = self.number(8);
        for _ in 0..self.number(8) {
            self.string();
            let ty = self.number(4);
            self.value(ty);
        }
        for _ in 0..tensors {
            self.string();
            for _ in 0..self.number(4) {
                self.number(8);
            }
            self.number(4);
            self.number(8);
        }
        self.starts.push(self.at);
    }
}

#[test]
fn cut_at_every_boundary_it_is_truncated() {
    let bytes = std::fs::read(bundled()).unwrap();
    let whole = parse(&bytes).unwrap();
    let mut walk = Walk { bytes: &bytes, starts: Vec::new(), at: 0 };
    walk.header();
    let mut cuts = walk.starts;
    assert!(cuts.len() > 15_000, "every token, token type and merge is a boundary: {}", cuts.len());
    let data = usize::try_from(whole.data_offset).unwrap();
    cuts.extend(whole.tensors.iter().map(|tensor| data + usize::try_from(tensor.offset).unwrap()));
    cuts.push(bytes.len());
    for cut in cuts {
        let outcome = parse(&bytes[..cut]);
        match outcome {
            Err(Error::Empty) => assert_eq!(cut, 0),
            Err(Error::Truncated { expected, actual }) => {
                assert_eq!(actual, cut as u64);
                assert!(expected > actual && expected <= bytes.len() as u64, "cut at {cut}: {expected}");
                assert!(cut < data || expected == bytes.len() as u64, "cut at {cut}: {expected}");
            }
            Err(other) => panic!("cut at {cut}: {other:?}"),
            Ok(_) => assert_eq!(cut, bytes.len()),
        }
    }
}
