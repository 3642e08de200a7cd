//! A seeded mutator: 2,000 damaged copies of the bundled model, none of which may panic or take a second.

use super::super::Error;
use super::{bundled, core_seconds, parse};

/// Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// Values where arithmetic goes wrong.
const EDGES: [u64; 10] = [0, 1, 9, 0x7f, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX - 1, u64::MAX];

#[test]
fn damaged_copies_are_answered_without_panic_within_a_second() {
    let original = std::fs::read(bundled()).unwrap();
    let header = usize::try_from(parse(&original).unwrap().data_offset).unwrap();
    // Metadata without the vocabulary and the tensor list: where a random byte hits a field rather than a token's letter.
    let dense = [0..1_024, header - 2_600..header];
    let mut random = SplitMix64(6);
    let mut refused = std::collections::BTreeMap::<String, u32>::new();
    for round in 0..2_000 {
        let mut bytes = original[..header + 64].to_vec();
        for _ in 0..=random.below(4) {
            let range = if round % 4 == 0 { 0..header } else { dense[random.below(2)].clone() };
            let at = range.start + random.below(range.len() - 8);
            match random.below(5) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.next().to_le_bytes()[0],
                2 => bytes[at..at + 4].copy_from_slice(&EDGES[random.below(EDGES.len())].to_le_bytes()[..4]),
                3 => bytes[at..at + 8].copy_from_slice(&EDGES[random.below(EDGES.len())].to_le_bytes()),
                _ => {
                    let from = random.below(header - 64);
                    bytes.copy_within(from..from + random.below(64), at.min(header));
                }
            }
        }
        let start = core_seconds();
        // The data section is not read, so the damaged header may stand for the whole file.
        let outcome = super::Header::parse(bytes.as_slice(), original.len() as u64);
        if let Ok(header) = &outcome {
            let facts = super::super::Facts::of(header, &[]);
            let _ = facts.shape.kv_cache_bytes(u32::MAX, super::super::GgmlType::F16, super::super::GgmlType::F16);
        }
        let took = core_seconds() - start;
        assert!(took < 1.0, "round {round}: {took} s");
        let kind = outcome.err().map_or_else(|| "accepted".to_owned(), |error| kind_of(&error));
        *refused.entry(kind).or_default() += 1;
    }
    // A mutator that finds one kind of damage only tests little.
    assert!(refused.len() >= 12, "{refused:?}");
}

fn kind_of(error: &Error) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}
