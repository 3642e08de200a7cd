//! Cards that exist, cards that don't, and cards that someone made hostile.

#![expect(clippy::unwrap_used, reason = "tests")]

use saphyr::{LoadableYamlNode, Yaml};

use super::*;
use crate::{
    analysis::{analyse, diff::tests::outputs::with_outputs},
    record::{Reference, Run, Sharing},
    report::tests::fixture,
};

fn updated(card: Option<&str>) -> Result<String, CardError> {
    let run = fixture::run();
    update(card, &analyse(&run), 1)
}

/// The head as YAML reads it.
fn head(card: &str) -> Yaml<'_> {
    let head = card.strip_prefix("---\n").unwrap().split("\n---\n").next().unwrap();
    let mut documents = Yaml::load_from_str(head).unwrap();
    assert_eq!(documents.len(), 1);
    documents.swap_remove(0)
}

const CARD: &str = "\
---
# kept
license: apache-2.0   # kept, too
tags: [gguf, 'a: b']
base_model: |
  owner/model-index:
  x
---
# My model

Text --- with a line.

---

More.
";

#[test]
fn a_model_without_a_card_gets_a_minimal_one() {
    let card = updated(None).unwrap();
    let index = head(&card);
    let entry = index.as_mapping_get("model-index").unwrap().as_sequence_get(0).unwrap();
    let result = entry.as_mapping_get("results").unwrap().as_sequence_get(0).unwrap();
    for key in ["task", "dataset", "metrics", "source"] {
        assert!(result.as_mapping_get(key).is_some(), "{key}");
    }
    assert!(card.contains("\n# ") && card.contains("## Benchmark"));
}

#[test]
fn the_second_time_changes_nothing_and_the_rest_stays() {
    let once = updated(Some(CARD)).unwrap();
    assert_eq!(updated(Some(&once)).unwrap(), once);
    for line in CARD.lines() {
        assert!(once.contains(line), "{line}");
    }
    assert_eq!(once.matches("gguf-bench:begin").count(), 2);
    let yaml = head(&once);
    assert_eq!(yaml.as_mapping_get("license").unwrap().as_str(), Some("apache-2.0"));
    // What was written in the section is replaced, what stands around it is not.
    let edited = once.replace("## Benchmark", "## Stale") + "\nAfter.\n";
    assert_eq!(updated(Some(&edited)).unwrap(), format!("{once}\nAfter.\n"));
}

#[test]
fn other_results_in_the_index_stay() {
    for indent in ["", "  "] {
        let card = format!(
            "---\nmodel-index:\n{indent}- name: other\n{indent}  results: []\n# of the licence\nlicense: mit\n---\n"
        );
        let once = updated(Some(&card)).unwrap();
        let yaml = head(&once);
        let index = yaml.as_mapping_get("model-index").unwrap();
        assert_eq!(index.as_sequence_get(0).unwrap().as_mapping_get("name").unwrap().as_str(), Some("other"));
        assert_eq!(index.as_sequence().unwrap().len(), 2);
        assert_eq!(updated(Some(&once)).unwrap(), once);
    }
}

#[test]
fn two_models_share_a_card() {
    let run = fixture::run();
    let analysis = analyse(&run);
    let first = update(None, &analysis, 1).unwrap();
    let both = update(Some(&first), &analysis, 2).unwrap();
    assert_eq!(head(&both).as_mapping_get("model-index").unwrap().as_sequence().unwrap().len(), 2);
    assert_eq!(update(Some(&both), &analysis, 1).unwrap().matches("gguf-bench:begin").count(), 4);
    assert_eq!(update(Some(&both), &analysis, 2).unwrap(), both);
}

#[test]
fn heads_that_cannot_be_changed_safely_are_left_alone() {
    assert!(matches!(updated(Some("---\na: [\n---\n")), Err(CardError::Yaml { .. })));
    assert!(matches!(updated(Some("---\n- a\n---\n")), Err(CardError::Yaml { .. })));
    assert_eq!(updated(Some("---\nmodel-index: [{name: x, results: []}]\n---\n")), Err(CardError::Index));
    assert_eq!(updated(Some("---\n{model-index: []}\n---\n")), Err(CardError::Index));
    let open =
        format!("<!-- gguf-bench:begin {} -->\ntext", super::section::key(&fixture::run().subjects[1].model.file));
    assert!(matches!(updated(Some(&open)), Err(CardError::Unclosed { .. })));
}

#[test]
fn line_ends_stay_as_they_are() {
    let crlf = updated(Some(&CARD.replace('\n', "\r\n"))).unwrap();
    assert_eq!(crlf.matches('\n').count(), crlf.matches("\r\n").count());
    assert_eq!(crlf.replace("\r\n", "\n"), updated(Some(CARD)).unwrap());
}

#[test]
fn names_from_files_inject_nothing() {
    let mut run = fixture::run();
    run.subjects[1].model.file = "x\"\nlicense: evil\n---\n-->\n<script>.gguf".into();
    run.build.version = "1\nlicense: evil".into();
    let card = update(Some("---\nlicense: mit\n---\n"), &analyse(&run), 1).unwrap();
    assert_eq!(head(&card).as_mapping_get("license").unwrap().as_str(), Some("mit"));
    assert!(!card.contains("<script>") || card.contains("name: \"x"));
    assert_eq!(card.lines().filter(|line| *line == "---").count(), 2);
    run.subjects[1].model.file = "../../etc/x/..\\..\\y.gguf".into();
    assert!(!badge_file(&analyse(&run), 1).contains(['/', '\\']), "a picture lies beside its card");
    let picture = badge(&analyse(&run), 1);
    assert!(picture.starts_with("<svg") && !picture.contains("<script>"));
}

#[test]
fn a_card_holds_no_local_path() {
    let mut run = fixture::run();
    run.command = vec!["gguf-bench".into(), "compare".into(), "/home/person/m.gguf".into()];
    assert!(!update(None, &analyse(&run), 1).unwrap().contains("/home/person"));
}

/// A run whose outputs were compared by this reference.
fn compared_with(reference: Reference) -> Run {
    let mut run = with_outputs(fixture::run(), |window| 0.01 + 0.001 * window as f64);
    run.quality.as_mut().unwrap().reference = reference;
    run
}

#[test]
fn what_is_a_bound_or_rounded_is_called_so() {
    let exact = compared_with(Reference::Original);
    let rounded = compared_with(Reference::LogitsFile { file: "base.kld".into() });
    let mut bound = exact.clone();
    bound.quality.as_mut().unwrap().sharing =
        Sharing::Cached { pair_bytes: 3, needed_bytes: 2, cache_bytes: 1, available_bytes: 2, top_k: 256 };
    for (run, mark, share, metric) in [
        (exact, "", "", "(nats)\""),
        (rounded, "≈ ", "≈ ", "(nats), of rounded probabilities\""),
        (bound, "≥ ", "", "(nats), a lower bound\""),
    ] {
        let analysis = analyse(&run);
        let card = update(None, &analysis, 1).unwrap();
        let kld = analysis.models[1].quality.as_ref().unwrap().overall.as_ref().unwrap().kld_mean_nats.value;
        let said = format!("mean KLD {mark}{} nats, {share}", crate::report::number::sig3(kld));
        assert!(card.contains(&said), "{said}: {card}");
        assert!(card.contains(metric), "{metric}: {card}");
        let picture = badge(&analysis, 1);
        assert!(picture.contains(&format!("KLD {mark}{}", crate::report::number::sig3(kld))), "{picture}");
        assert_eq!(card.contains(if mark.is_empty() { "≈" } else { mark }), !mark.is_empty());
    }
}
