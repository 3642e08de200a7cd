//! Whether an original and its candidates fit in memory together: decides which are held together.

use crate::{
    quality::{cache::bytes_per_position, windows::WindowShape},
    record::{QualityMemory, QualityPlan, Sharing},
    units::in_gib,
};

/// What a process takes besides its models.
const PROCESS_BYTES: u64 = 64 << 20;
/// Of a text, at least: what is expected of a cache is too much rather than too little.
const BYTES_A_TOKEN: u64 = 3;

/// What a comparison would take, model by model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// For the original; `None` when a file of log-probabilities stands for it.
    pub original_bytes: Option<u64>,
    pub candidates_bytes: Vec<u64>,
    /// For what would be kept of the original if it were evaluated alone.
    pub cache_bytes: u64,
    pub available_bytes: u64,
}

impl Demand {
    /// All models at once.
    fn all(&self) -> u64 {
        self.original_bytes.unwrap_or(0) + self.candidates_bytes.iter().sum::<u64>() + PROCESS_BYTES
    }

    /// The original and this candidate.
    fn pair(&self, candidate_bytes: u64) -> u64 {
        self.original_bytes.unwrap_or(0) + candidate_bytes + PROCESS_BYTES
    }

    /// The larger of the original and this candidate, with the cache.
    fn one(&self, candidate_bytes: u64) -> u64 {
        self.original_bytes.unwrap_or(0).max(candidate_bytes) + self.cache_bytes + PROCESS_BYTES
    }

    fn largest(&self) -> u64 {
        self.candidates_bytes.iter().copied().max().unwrap_or(0)
    }
}

/// Expected size of what is kept of an original that is evaluated alone, from the sizes of the texts.
#[must_use]
pub(crate) fn cache_bytes(plan: &QualityPlan) -> u64 {
    let Ok(shape) = WindowShape::new(plan.n_ctx as usize) else { return 0 };
    let bytes: u64 = plan.texts.iter().filter_map(|text| text.bytes).sum();
    let windows = bytes / BYTES_A_TOKEN / u64::from(plan.n_ctx);
    let windows = plan.max_windows.map_or(windows, |most| windows.min(most as u64));
    windows * shape.scored().len() as u64 * bytes_per_position(plan.cache_top_k)
}

/// Which models are held together: what was asked for, or else as many as fit. When one pair does not fit, no pair is made: a
/// lower bound beside exact values could not be held against them.
#[must_use]
pub(crate) fn sharing(plan: &QualityPlan, demand: &Demand) -> Sharing {
    let available_bytes = demand.available_bytes;
    let (all, pair) = (demand.all(), demand.pair(demand.largest()));
    let choice = match plan.memory {
        QualityMemory::Auto if all <= available_bytes => QualityMemory::Shared,
        QualityMemory::Auto if pair <= available_bytes || demand.original_bytes.is_none() => QualityMemory::Pairs,
        QualityMemory::Auto => QualityMemory::Cached,
        asked => asked,
    };
    match choice {
        QualityMemory::Auto | QualityMemory::Shared => Sharing::Shared { needed_bytes: all, available_bytes },
        QualityMemory::Pairs => Sharing::Repeated { needed_bytes: all, available_bytes },
        QualityMemory::Cached => Sharing::Cached {
            pair_bytes: pair,
            needed_bytes: demand.one(demand.largest()),
            cache_bytes: demand.cache_bytes,
            available_bytes,
            top_k: plan.cache_top_k,
        },
    }
}

/// Why a candidate can't be compared at all, when it would not fit even so. What a person asked for is done.
#[must_use]
pub(super) fn too_large(plan: &QualityPlan, demand: &Demand, sharing: Sharing, candidate_bytes: u64) -> Option<String> {
    let (needed, what) = match sharing {
        Sharing::Shared { .. } => return None,
        Sharing::Repeated { .. } => (demand.pair(candidate_bytes), "it"),
        Sharing::Cached { .. } => {
            (demand.one(candidate_bytes), "the larger of it and the original, alone, and the cache")
        }
    };
    let available = demand.available_bytes;
    (plan.memory == QualityMemory::Auto && needed > available).then(|| {
        format!(
            "not enough memory to hold {what}: {:.2} GiB needed, {:.2} GiB available; use a machine with more memory, or make \
             the original's logits file elsewhere (--save-logits) and compare with it (--logits)",
            in_gib(needed),
            in_gib(available)
        )
    })
}

/// For people, before anything runs.
#[must_use]
pub(crate) fn describe(sharing: Sharing, plan: &QualityPlan) -> String {
    let most = plan.max_windows.map_or(String::new(), |most| format!(", at most {most}"));
    let until = if plan.precision > 0.0 {
        format!(
            ", until the mean KLD is known to ±{:.0} % (from {} windows on)",
            plan.precision * 100.0,
            plan.min_windows
        )
    } else {
        String::new()
    };
    let asked = if plan.memory == QualityMemory::Auto { "" } else { ", as asked (--quality-memory)" };
    let shared = match sharing {
        Sharing::Shared { needed_bytes, available_bytes } => format!(
            "the original is evaluated once for all candidates{asked}: together they need {:.2} of {:.2} GiB",
            in_gib(needed_bytes),
            in_gib(available_bytes)
        ),
        Sharing::Repeated { needed_bytes, available_bytes } => format!(
            "the original is evaluated again for each candidate{asked}: together they would need {:.2} of {:.2} GiB",
            in_gib(needed_bytes),
            in_gib(available_bytes)
        ),
        Sharing::Cached { pair_bytes, needed_bytes, cache_bytes, available_bytes, top_k } => format!(
            "the original is evaluated alone, its {top_k} most likely tokens and the sum of the others are kept at each \
             position, and each candidate is compared with these{asked}: the original and its largest candidate together would \
             need {:.2} of {:.2} GiB, so they need {:.2}, about {:.2} of it for the cache; KLD is then a lower bound",
            in_gib(pair_bytes),
            in_gib(available_bytes),
            in_gib(needed_bytes),
            in_gib(cache_bytes)
        ),
    };
    format!("{} texts, windows of {} tokens{most}{until}; {shared}", plan.texts.len(), plan.n_ctx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TextPlan;

    const GIB: u64 = 1 << 30;

    fn plan(memory: QualityMemory) -> QualityPlan {
        let text = TextPlan { name: "a".into(), domain: "a".into(), sha256: None, bytes: Some(3 * 512 * 100) };
        QualityPlan {
            n_ctx: 512,
            texts: vec![text],
            precision: 0.05,
            min_windows: 20,
            max_windows: None,
            max_kld_nats: None,
            memory,
            cache_top_k: 256,
            positions: None,
        }
    }

    fn demand(original: u64, candidates: &[u64], available: u64) -> Demand {
        let cache_bytes = cache_bytes(&plan(QualityMemory::Auto));
        let candidates_bytes = candidates.iter().map(|gib| gib * GIB).collect();
        Demand { original_bytes: Some(original * GIB), candidates_bytes, cache_bytes, available_bytes: available * GIB }
    }

    #[test]
    fn as_many_are_held_together_as_fit() {
        let auto = plan(QualityMemory::Auto);
        let of = |candidates: &[u64], available| sharing(&auto, &demand(2, candidates, available));
        assert!(matches!(of(&[1, 1], 5), Sharing::Shared { .. }));
        assert!(matches!(of(&[1, 1], 4), Sharing::Repeated { .. }));
        let cached = of(&[1, 2], 4);
        let Sharing::Cached { pair_bytes, needed_bytes, cache_bytes, .. } = cached else { panic!("{cached:?}") };
        assert_eq!((pair_bytes, needed_bytes), (4 * GIB + PROCESS_BYTES, 2 * GIB + PROCESS_BYTES + cache_bytes));
        // 100 windows of 255 positions of 256 tokens of 8 bytes, and what goes with each.
        assert!((52_224_000..54_000_000).contains(&cache_bytes), "{cache_bytes}");
        let said = describe(cached, &auto);
        assert!(said.contains("4.06 of 4.00 GiB") && said.contains("lower bound"), "{said}");
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let tight = demand(2, &[1, 2], 2);
        for (asked, word) in [
            (QualityMemory::Shared, "once for all"),
            (QualityMemory::Pairs, "again for each"),
            (QualityMemory::Cached, "256 most likely"),
        ] {
            let plan = plan(asked);
            let taken = sharing(&plan, &tight);
            let said = describe(taken, &plan);
            assert!(said.contains(word) && said.contains("as asked"), "{said}");
            assert_eq!(too_large(&plan, &tight, taken, 2 * GIB), None);
        }
    }

    #[test]
    fn what_fits_in_no_way_is_refused() {
        let (auto, tight) = (plan(QualityMemory::Auto), demand(2, &[1, 2], 2));
        let taken = sharing(&auto, &tight);
        assert!(matches!(taken, Sharing::Cached { .. }));
        assert!(too_large(&auto, &tight, taken, 2 * GIB).is_some_and(|reason| reason.contains("--logits")));
        let from_file = Demand { original_bytes: None, ..demand(0, &[1, 3], 2) };
        let taken = sharing(&auto, &from_file);
        assert!(matches!(taken, Sharing::Repeated { .. }), "a file needs no cache");
        assert_eq!(too_large(&auto, &from_file, taken, GIB), None);
        assert!(too_large(&auto, &from_file, taken, 3 * GIB).is_some());
    }
}
