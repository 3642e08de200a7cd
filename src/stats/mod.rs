//! Statistics on plain numbers: what samples allow to conclude, how surely, and when nothing.
//!
//! Layer 0: slices of `f64` in, values with intervals out. Nothing here knows what was measured.
//!
//! Rules that hold for every function:
//!
//! - Input must be finite; the first value that is not is named by [`Error::NotFinite`].
//! - Too few values are [`Error::TooFew`] with the number required, never a neutral result.
//! - The order of the input is irrelevant, except in a series and for what a seed picks.
//! - Sums are compensated ([`Sum`]) and variances are Welford's ([`Moments`]).
//! - Randomness comes from [`SplitMix64`] with the caller's seed, so results repeat bit for bit.

mod check;
mod dependence;
mod distribution;
mod documents;
mod estimate;
mod mean;
mod order;
mod paired;
mod paired_share;
mod power;
mod proportion;
mod rank_sum;
mod rng;
mod runs;
mod signed_rank;
mod trend;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod properties;

pub use check::Error;
pub(crate) use dependence::Dependence;
pub(crate) use documents::{means, positive_mean};
pub use estimate::Estimate;
pub(crate) use mean::{Moments, Sum, macro_mean, mean_of};
pub use mean::{mean, window_t};
pub(crate) use order::{interpolate, median_and_spread, outliers, quantile};
pub use order::{median, median_interval};
pub(crate) use paired::early_effect;
pub use paired::paired_effect;
pub(crate) use paired_share::{PairedCounts, paired_share_difference, smallest_share_difference};
pub(crate) use power::reach;
pub(crate) use proportion::{sign_test, wilson};
pub(crate) use rank_sum::hodges_lehmann_shift;
pub use rng::SplitMix64;
pub(crate) use runs::{FEWEST_RUNS, between_runs};
pub use signed_rank::hodges_lehmann;
pub(crate) use trend::{Trend, theil_sen};
