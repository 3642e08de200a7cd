//! Sums of blocks of `f32` in `f64`, always in the same order.

/// Terms are written out a block at a time before they are summed: a loop without a dependency vectorises.
pub(super) const BLOCK: usize = 256;
const LANES: usize = 16;

/// Partial sums, one a lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lanes([f64; LANES]);

impl Lanes {
    /// Adds the terms of a block.
    #[inline]
    pub(super) fn add(&mut self, terms: &[f32; BLOCK]) {
        for chunk in terms.as_chunks::<LANES>().0 {
            for (sum, term) in self.0.iter_mut().zip(chunk) {
                *sum += f64::from(*term);
            }
        }
    }

    /// The sum of all terms.
    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}
