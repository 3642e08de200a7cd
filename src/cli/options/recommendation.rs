//! Options by which a model is recommended, the same for measuring and for reading a record again.

use clap::Args;

use super::values::{not_negative, one_of};
use crate::{
    record::{Constraints, Prefer},
    units::{GIB, MIB},
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Recommendation")]
pub(crate) struct RecommendationArgs {
    /// Recommend only what generates at least so many tokens a second
    #[arg(long, value_name = "T/S", value_parser = not_negative)]
    min_tg: Option<f64>,
    /// Recommend only what stays within so much memory: 8GiB, 900MB (a bare number is GiB)
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<f64>,
    /// What decides among the models within the limits [default: speed]
    #[arg(long, value_parser = one_of::<Prefer>(), value_name = "WHAT")]
    prefer: Option<Prefer>,
}

impl RecommendationArgs {
    /// As the record keeps it; `None` when nothing was asked for.
    pub(crate) fn constraints(&self) -> Option<Constraints> {
        let Self { min_tg, max_memory, prefer } = self;
        let any = min_tg.is_some() || max_memory.is_some() || prefer.is_some();
        any.then(|| self.over(None, None))
    }

    /// What was typed now over what the record holds.
    pub(crate) fn over(&self, before: Option<Constraints>, max_kld_nats: Option<f64>) -> Constraints {
        let Self { min_tg, max_memory, prefer } = self;
        let before = before.unwrap_or_default();
        Constraints {
            max_kld_nats: max_kld_nats.or(before.max_kld_nats),
            min_tg_tps: min_tg.or(before.min_tg_tps),
            max_memory_bytes: max_memory.or(before.max_memory_bytes),
            prefer: prefer.unwrap_or(before.prefer),
        }
    }
}

/// `8GiB`, `900MB`, `8` (GiB), in bytes.
pub(crate) fn bytes(text: &str) -> Result<f64, String> {
    let units = [("GiB", GIB), ("MiB", MIB), ("GB", 1e9), ("MB", 1e6), ("G", GIB), ("M", MIB)];
    let (number, unit) =
        units.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size))).unwrap_or((text, GIB));
    not_negative(number.trim()).map(|number| number * unit).map_err(|_| format!("{text:?} is not a size such as 8GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_understood() {
        let read = |text| bytes(text).expect("a size") / GIB;
        assert!(
            (read("8GiB") - 8.0).abs() < 1e-12
                && (read("8") - 8.0).abs() < 1e-12
                && (read("512 MiB") - 0.5).abs() < 1e-12
        );
        assert!((bytes("900MB").expect("a size") - 9e8).abs() < 1e-3);
        assert!(bytes("8 bananas").is_err() && bytes("-1GiB").is_err());
    }

    #[test]
    fn what_is_typed_goes_over_what_was_recorded() {
        let typed = RecommendationArgs { min_tg: None, max_memory: Some(1.0), prefer: None };
        let before = Constraints { min_tg_tps: Some(5.0), prefer: Prefer::Size, ..Constraints::default() };
        let now = typed.over(Some(before), Some(0.1));
        assert_eq!((now.min_tg_tps, now.max_memory_bytes, now.prefer), (Some(5.0), Some(1.0), Prefer::Size));
        assert_eq!(now.max_kld_nats, Some(0.1));
        assert!(RecommendationArgs { min_tg: None, max_memory: None, prefer: None }.constraints().is_none());
    }
}
