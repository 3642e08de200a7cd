//! What the person asked of a model: the limits and the preference by which one is recommended.

use clap::ValueEnum;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits a model must keep, and what decides among those that keep them. Nothing measured depends on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Constraints {
    /// Greatest mean KLD from the original, in nats; `None` for the plan's, or the default.
    #[serde(default)]
    pub max_kld_nats: Option<f64>,
    /// Least generated tokens a second.
    #[serde(default)]
    pub min_tg_tps: Option<f64>,
    /// Most resident memory, or size of the file where no memory was measured.
    #[serde(default)]
    pub max_memory_bytes: Option<f64>,
    /// What decides.
    #[serde(default)]
    pub prefer: Prefer,
}

/// What decides among the models within the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The fastest generation.
    #[default]
    Speed,
    /// The least divergence from the original.
    Quality,
    /// The least memory, or the smallest file where no memory was measured.
    Size,
    /// The least energy for a token.
    Energy,
}

impl Prefer {
    /// Each, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Speed, Self::Quality, Self::Size, Self::Energy];

    /// As `--prefer` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Quality => "quality",
            Self::Size => "size",
            Self::Energy => "energy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_in_order_and_by_the_name_of_the_option() {
        assert_eq!(Prefer::ALL.map(|prefer| prefer as usize), [0, 1, 2, 3]);
        assert_eq!(Prefer::value_variants(), Prefer::ALL);
        for prefer in Prefer::ALL {
            let option = prefer.to_possible_value().expect("none is hidden");
            assert_eq!(option.get_name(), prefer.name());
        }
    }
}
