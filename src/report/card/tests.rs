//! Cards that exist, cards that don't, and cards that someone made hostile.

#![expect(clippy::unwrap_used, reason = "tests")]

use saphyr::{LoadableYamlNode, Yaml};

use super::*;
use crate::{
    analysis::{NotDone, Part, analyse, diff::tests::outputs::with_outputs},
    record::{Reference, Run, Sharing, Stage},
    report::tests::fixture,
};

fn updated(card: Option<&str>) -> Result<String, CardError> {
    let run = fixture::run();
    update(card, &analyse(&run), 1)
}

fn update(card: Option<&str>, analysis: &Analysis, model: usize) -> Result<String, CardError> {
    Card::of(analysis, model).unwrap().update(card)
}

fn badge(analysis: &Analysis, model: usize) -> String {
    Card::of(analysis, model).unwrap().badge()
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
fn what_was_asked_and_not_done_is_on_the_card_of_whom_it_concerns() {
    let run = fixture::run();
    let mut analysis = analyse(&run);
    let of = |model: Option<&str>, reason: &str| NotDone {
        part: Part::Outputs,
        model: model.map(str::to_owned),
        reason: reason.into(),
        remedy: Some("Allow more.".into()),
    };
    analysis.not_done.clear();
    let without = update(None, &analysis, 1).unwrap();
    assert!(!without.contains("Asked for and not done"), "{without}");
    analysis.not_done = vec![
        of(None, "Of the run."),
        of(Some("Q8_0"), "Of its own."),
        of(Some("F16"), "Of the original."),
        of(Some("Q4_K_M"), "Of another."),
    ];
    let card = update(None, &analysis, 1).unwrap();
    let list =
        "\nAsked for and not done:\n\n- Of the run.\n- Q8\\_0: Of its own.\n- F16: Of the original.\n\nMeasured by";
    assert!(card.contains(list) && !card.contains("Of another.") && !card.contains("Allow more."), "{card}");
    // It is replaced with the rest of the section.
    analysis.not_done.clear();
    assert_eq!(update(Some(&card), &analysis, 1).unwrap(), without);
}

#[test]
fn the_second_time_changes_nothing_and_the_rest_stays() {
    let once = updated(Some(CARD)).unwrap();
    assert_eq!(updated(Some(&once)).unwrap(), once);
    for line in CARD.lines() {
        assert!(once.contains(line), "{line}");
    }
    assert_eq!(once.matches("gguf-bench:begin").count(), 1);
    let yaml = head(&once);
    assert_eq!(yaml.as_mapping_get("license").unwrap().as_str(), Some("apache-2.0"));
    // What was written in the section is replaced, what stands around it is not.
    let edited = once.replace("## Benchmark", "## Stale") + "\nAfter.\n";
    assert_eq!(updated(Some(&edited)).unwrap(), format!("{once}\nAfter.\n"));
}

/// The checkpoint of a result and its data set's type.
type OfResult = (Option<String>, String);

/// The entries of a card's model-index, and for each result its checkpoint and its data set's type.
fn index(card: &str) -> Vec<(String, Vec<OfResult>)> {
    let text = |node: &Yaml<'_>, key: &str| node.as_mapping_get(key).and_then(|value| value.as_str()).map(String::from);
    let of_result = |result: &Yaml<'_>| {
        let dataset = result.as_mapping_get("dataset").unwrap();
        (text(dataset, "config"), text(dataset, "type").unwrap())
    };
    let of_entry = |entry: &Yaml<'_>| {
        let results = entry.as_mapping_get("results").unwrap().as_sequence().unwrap();
        (text(entry, "name").unwrap(), results.iter().map(of_result).collect())
    };
    let yaml = head(card);
    yaml.as_mapping_get("model-index").unwrap().as_sequence().unwrap().iter().map(of_entry).collect()
}

const OF_Q8_0: &str = "Synthetic-134M-Q8_0";
const OF_Q4_K_M: &str = "Synthetic-134M-Q4_K_M";

fn speeds_of(config: &str) -> OfResult {
    (Some(config.into()), "gguf-bench-synthetic".into())
}

#[test]
fn other_results_in_the_index_stay_in_the_one_entry() {
    let their = |indent: &str| {
        format!(
            "{indent}- name: other\n{indent}  results:\n{indent}  - task:\n{indent}      type: text-generation\n{indent}    dataset:\n\
             {indent}      type: theirs\n{indent}      name: 'Theirs: # kept'\n{indent}    metrics:\n{indent}    - type: acc\n\
             {indent}      value: 0.50 # as they wrote it\n"
        )
    };
    for indent in ["", "  "] {
        let card = format!("---\nmodel-index:\n{}# of the licence\nlicense: mit\n---\n", their(indent));
        let once = updated(Some(&card)).unwrap();
        assert_eq!(index(&once), [("other".to_owned(), vec![(None, "theirs".to_owned()), speeds_of(OF_Q8_0)])]);
        assert!(once.contains(&their(indent)) && once.contains("# of the licence\nlicense: mit\n"), "{once}");
        assert_eq!(updated(Some(&once)).unwrap(), once);
    }
    for empty in ["- name: other\n  results: []\n", "  - results: []\n    name: other\n"] {
        let once = updated(Some(&format!("---\nmodel-index:\n{empty}---\n"))).unwrap();
        assert_eq!(index(&once), [("other".to_owned(), vec![speeds_of(OF_Q8_0)])]);
        assert_eq!(updated(Some(&once)).unwrap(), once);
    }
    for nothing in ["model-index:\n", "model-index: []\n"] {
        let once = updated(Some(&format!("---\n{nothing}license: mit\n---\n"))).unwrap();
        assert_eq!(index(&once), [("Synthetic 134M Instruct".to_owned(), vec![speeds_of(OF_Q8_0)])]);
    }
}

#[test]
fn checkpoints_share_an_entry_and_each_keeps_its_place() {
    let run = fixture::run();
    let analysis = analyse(&run);
    let first = update(None, &analysis, 1).unwrap();
    let both = update(Some(&first), &analysis, 2).unwrap();
    let expected = [("Synthetic 134M Instruct".to_owned(), vec![speeds_of(OF_Q8_0), speeds_of(OF_Q4_K_M)])];
    assert_eq!(index(&both), expected);
    assert_eq!(update(Some(&both), &analysis, 1).unwrap(), both);
    assert_eq!(update(Some(&both), &analysis, 2).unwrap(), both);
    assert!(both.contains("tg128 (t/s), Synthetic-134M-Q4_K_M"), "a metric's name says of which: {both}");
}

#[test]
fn what_is_ours_is_found_without_comments() {
    let run = fixture::run();
    let analysis = analyse(&run);
    let both = update(Some(&update(None, &analysis, 1).unwrap()), &analysis, 2).unwrap();
    let bare: String =
        both.lines().filter(|line| !line.contains("gguf-bench:")).flat_map(|line| [line, "\n"]).collect();
    let stale = bare.replace("      value: ", "      value: 9");
    let again = update(Some(&update(Some(&stale), &analysis, 1).unwrap()), &analysis, 2).unwrap();
    assert_eq!(again, both);
}

#[test]
fn results_that_say_not_of_which_checkpoint_they_are_go() {
    let old = |name: &str| {
        format!(
            "# gguf-bench:begin {name}\n- name: \"{name}\"\n  results:\n  - task:\n      type: text-generation\n    dataset:\n\
             \x20     type: \"prose\"\n      name: \"a\"\n    metrics:\n    - type: \"perplexity\"\n      value: 9\n    source:\n\
             \x20     name: \"gguf-bench 0.1.0\"\n      url: \"https://github.com/gguf-bench/gguf-bench\"\n# gguf-bench:end {name}\n"
        )
    };
    let card = format!("---\nmodel-index:\n{}{}license: mit\n---\n", old("a"), old("b"));
    assert_eq!(index(&updated(Some(&card)).unwrap()), [("a".to_owned(), vec![speeds_of(OF_Q8_0)])]);
}

#[test]
fn what_proves_nothing_is_put_into_no_card() {
    let why = |change: &dyn Fn(&mut Run), model: usize| {
        let mut run = fixture::run();
        change(&mut run);
        Card::of(&analyse(&run), model).err().map(|reason| reason.to_string())
    };
    assert_eq!(why(&|_| {}, 1), None);
    let said = |words: Option<String>, expected: &str| {
        assert!(words.as_ref().is_some_and(|w| w.contains(expected)), "{words:?}");
    };
    said(why(&|_| {}, 4), "IQ1_XX could not be measured: ");
    said(why(&|run| run.plan.protocol.quick = true, 1), "a quick look");
    said(why(&|run| run.rounds.truncate(2), 1), "too short for intervals");
    said(why(&|run| run.ended = Ended::Interrupted, 1), "did not come to its end");
    let copied = |run: &mut Run| {
        let hash = run.subjects[0].model.sha256().map(String::from);
        run.subjects[1].model.facts.as_mut().unwrap().sha256 = hash;
    };
    said(why(&copied, 1), "Q8_0 holds the bytes of the original");
    let mut run = compared_with(Reference::Original);
    run.quality.as_mut().unwrap().results[0].outcome =
        Outcome::Failed { stage: Stage::Quality, reason: "it was killed".into() };
    let analysis = analyse(&run);
    let model = run.quality.as_ref().unwrap().results[0].candidate;
    said(Card::of(&analysis, model).err().map(|reason| reason.to_string()), "could not be compared: it was killed");
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
    run.subjects[1].model.facts.as_mut().unwrap().title = Some("<script>\"\nlicense: evil\n---\n-->".into());
    run.build.version = "1\nlicense: evil".into();
    let card = update(Some("---\nlicense: mit\n---\n"), &analyse(&run), 1).unwrap();
    assert_eq!(head(&card).as_mapping_get("license").unwrap().as_str(), Some("mit"));
    let (in_head, body) = card.split_once("\n---\n").unwrap();
    assert!(!body.contains("<script>"), "{body}");
    // There it is a word of a quoted text, as the parser has read.
    assert!(
        in_head.contains("name: \"<script>") && index(&card)[0].0 == "<script>\" license: evil --- -->",
        "{in_head}"
    );
    assert_eq!(card.lines().filter(|line| *line == "---").count(), 2);
    run.subjects[1].model.file = "../../etc/x/..\\..\\y.gguf".into();
    assert!(!Card::of(&analyse(&run), 1).unwrap().badge_file().contains(['/', '\\']), "a picture lies beside its card");
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
        (exact, "", "", "(nats), Synthetic"),
        (rounded, "≈ ", "≈ ", "(nats), of rounded probabilities, Synthetic"),
        (bound, "≥ ", "", "(nats), a lower bound, Synthetic"),
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
