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

mod bootstrap;
mod check;
mod critical;
mod dependence;
mod distribution;
mod effect;
mod error;
mod estimate;
mod kalibera;
mod mean;
mod order;
mod rank_sum;
mod rng;
mod robust;
mod sign;
mod signed_rank;
mod sum;
mod trend;
mod wilson;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod properties;

pub(crate) use bootstrap::stratified_bootstrap;
pub(crate) use dependence::Dependence;
pub(crate) use effect::fewest_for_effect;
pub use effect::paired_effect;
pub use error::Error;
pub use estimate::Estimate;
pub(crate) use kalibera::Components;
pub(crate) use mean::Moments;
pub use mean::window_t;
pub(crate) use order::quantile;
pub use order::{median, median_interval};
pub(crate) use rank_sum::hodges_lehmann_shift;
pub use rng::SplitMix64;
pub(crate) use robust::outliers;
pub(crate) use sign::sign_test;
pub use signed_rank::hodges_lehmann;
pub use sum::mean;
pub(crate) use trend::{Trend, theil_sen};
pub(crate) use wilson::wilson;
