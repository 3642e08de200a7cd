//! The values of settings as they were typed.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{super::options::engine::Variants, grid::Tuned};
use crate::record::Settings;

/// The values of settings that were typed as lists.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Typed {
    pub(super) base: Settings,
    pub(super) all: Vec<Settings>,
}

impl Typed {
    pub(super) fn of(variants: &Variants) -> Result<Self> {
        let base = variants.base().clone();
        let all: Vec<Settings> = variants.all().iter().map(|variant| variant.settings.clone()).collect();
        for settings in &all {
            let tuned = Tuned::ALL.into_iter().fold(base.clone(), |into, tuned| tuned.put(&into, settings));
            if tuned != *settings {
                bail!(
                    "tune takes lists of -t, -fa, -b, -ub, -ctk, -ctv, -ngl and -ncmoe: compare takes lists of the others"
                );
            }
        }
        Ok(Self { base, all })
    }

    /// Values of this setting other than the first, where several were typed, with the rest as in `from`.
    pub(super) fn values(&self, tuned: Tuned, from: &Settings) -> Vec<Settings> {
        let mut values: Vec<Settings> = Vec::new();
        for settings in &self.all {
            let value = tuned.put(from, settings);
            if value != tuned.put(from, &self.base) && !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }
}
