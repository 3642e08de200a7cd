//! Which files of a repository make up the model that was asked for: llama.cpp's rule for `-hf`, and for an original the best there is.

use std::collections::BTreeMap;

use super::{
    HubError, HubName, Pick,
    name::{base, is_gguf, stays_inside},
};
use crate::{
    gguf::{self, BytePiece, Kind, SplitName},
    models::names::quant_of,
    record::Role,
};

/// What llama.cpp's `-hf` looks for when nothing is said, in this order.
const USUAL: [&str; 2] = ["Q4_K_M", "Q8_0"];
/// What an original should be, in this order.
const ORIGINAL: [&str; 4] = ["F32", "BF16", "F16", "Q8_0"];

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    /// SHA-256 by the Hub's account, when it keeps one.
    pub(super) sha256: Option<String>,
    /// Its size, when the Hub says.
    pub(super) bytes: Option<u64>,
}

/// The files that were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// In order of parts; never none.
    pub(super) parts: Vec<RemoteFile>,
    /// Models that the name left open.
    pub(super) left: Vec<String>,
}

/// The files of the model, for the part it is to play.
pub(super) fn choose(asked: &HubName, role: Role, files: Vec<RemoteFile>) -> Result<Choice, HubError> {
    let Offer { models, sides, pieces } = Offer::of(files);
    let names = || models.keys().cloned().collect::<Vec<_>>();
    let none = || HubError::NoSuchFile { asked: asked.clone(), models: names() };
    if models.is_empty() && !matches!(asked.pick, Pick::File(_)) {
        return Err(no_model(&asked.repo, sides, &pieces));
    }
    let mut left = Vec::new();
    let found = match &asked.pick {
        Pick::File(file) => match by_file(file, &models) {
            Some(found) => vec![found],
            None => match sides.into_iter().find(|(name, _)| name == file) {
                Some((name, parts)) => return whole(asked, &name, parts, left),
                None => return Err(missing_piece(asked, &pieces).unwrap_or_else(none)),
            },
        },
        Pick::Quant(quant) => {
            let found = by_quant(quant, &models);
            if found.is_empty() {
                return Err(missing_piece(asked, &pieces).unwrap_or_else(none));
            }
            found
        }
        Pick::Usual => {
            let wanted: &[&str] = if role == Role::Original { &ORIGINAL } else { &USUAL };
            let usual = wanted.iter().map(|quant| by_quant(quant, &models)).find(|found| !found.is_empty());
            let taken = match (usual, role) {
                (Some(usual), _) => usual,
                (None, Role::Candidate) => models.keys().next().into_iter().collect(),
                (None, Role::Original) => models.keys().max_by_key(|name| bits(name)).into_iter().collect(),
            };
            if let [one] = taken[..] {
                left = models.keys().filter(|name| *name != one).cloned().collect();
            }
            taken
        }
    };
    match found[..] {
        [name] => whole(asked, name, models[name].clone(), left),
        _ => Err(HubError::SeveralFiles { asked: asked.clone(), models: found.into_iter().cloned().collect() }),
    }
}

fn whole(asked: &HubName, name: &str, parts: Vec<RemoteFile>, left: Vec<String>) -> Result<Choice, HubError> {
    match SplitName::parse(base(name)) {
        Some(part) if part.count as usize != parts.len() => Err(HubError::PartsMissing {
            repo: asked.repo.clone(),
            file: name.to_owned(),
            found: parts.len(),
            of: part.count,
        }),
        _ => Ok(Choice { parts, left }),
    }
}

/// What a repository has.
#[derive(Debug, Default)]
struct Offer {
    /// Models by the name of their first part.
    models: BTreeMap<String, Vec<RemoteFile>>,
    /// What lies beside them.
    sides: BTreeMap<String, Vec<RemoteFile>>,
    /// Pieces that were cut by bytes.
    pieces: Vec<String>,
}

impl Offer {
    /// Sorts files by their names: there is no header to ask. Names that lead out of their folder, and hidden ones, are nothing.
    fn of(files: Vec<RemoteFile>) -> Self {
        let mut offer = Self::default();
        for file in files {
            if !stays_inside(&file.name) || base(&file.name).starts_with('.') {
                continue;
            }
            if BytePiece::parse(base(&file.name)).is_some() {
                offer.pieces.push(file.name);
            } else if is_gguf(&file.name) {
                let folder = &file.name[..file.name.len() - base(&file.name).len()];
                let first = SplitName::parse(base(&file.name)).map(|part| format!("{folder}{}", part.name_of(1)));
                let first = first.unwrap_or_else(|| file.name.clone());
                let place = if Kind::by_name(&file.name).is_some() { &mut offer.sides } else { &mut offer.models };
                place.entry(first).or_default().push(file);
            }
        }
        for parts in offer.models.values_mut().chain(offer.sides.values_mut()) {
            parts.sort_by(|a, b| a.name.cmp(&b.name));
        }
        offer
    }
}

fn no_model(repo: &str, sides: BTreeMap<String, Vec<RemoteFile>>, pieces: &[String]) -> HubError {
    let repo = repo.to_owned();
    if let Some(piece) = pieces.first().and_then(|name| BytePiece::parse(base(name))) {
        return HubError::BytePieces { repo, advice: advice(&piece, pieces) };
    }
    let sides: Vec<(String, Kind)> =
        sides.into_keys().filter_map(|name| Kind::by_name(&name).map(|kind| (name, kind))).collect();
    if sides.is_empty() { HubError::NoGguf { repo, nearby: Vec::new() } } else { HubError::NoModel { repo, sides } }
}

/// What was asked for, when it is there in pieces.
fn missing_piece(asked: &HubName, pieces: &[String]) -> Option<HubError> {
    let piece = pieces.iter().filter_map(|name| BytePiece::parse(base(name))).find(|piece| match &asked.pick {
        Pick::File(file) => base(file).starts_with(&piece.whole),
        Pick::Quant(quant) => closeness(&piece.whole, quant).is_some(),
        Pick::Usual => false,
    })?;
    Some(HubError::BytePieces { repo: asked.repo.clone(), advice: advice(&piece, pieces) })
}

fn advice(piece: &BytePiece, pieces: &[String]) -> String {
    piece.advice(pieces.iter().map(|name| base(name)))
}

/// The model of this file: by its path, in any case, and without its folder where that is clear.
fn by_file<'a>(file: &str, models: &'a BTreeMap<String, Vec<RemoteFile>>) -> Option<&'a String> {
    let of = |test: &dyn Fn(&str) -> bool| {
        let mut found = models.iter().filter(|(_, parts)| parts.iter().any(|part| test(&part.name)));
        found.next().filter(|_| found.next().is_none()).map(|(name, _)| name)
    };
    of(&|name| name == file)
        .or_else(|| of(&|name| name.eq_ignore_ascii_case(file)))
        .or_else(|| of(&|name| base(name).eq_ignore_ascii_case(file)))
}

/// The models of a quantization: those that are closest to how it is spelled.
fn by_quant<'a>(quant: &str, models: &'a BTreeMap<String, Vec<RemoteFile>>) -> Vec<&'a String> {
    let close: Vec<(Closeness, &String)> =
        models.keys().filter_map(|name| closeness(name, quant).map(|closeness| (closeness, name))).collect();
    let best = close.iter().map(|(closeness, _)| *closeness).min();
    close.into_iter().filter(|(closeness, _)| Some(*closeness) == best).map(|(_, name)| name).collect()
}

/// How a file's name answers to the name of a quantization, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// It names this quantization, and nothing more.
    Named,
    /// Its name, or that of its folder, ends so.
    Ends,
    /// The words stand in it, as llama.cpp looks for them.
    Holds,
    /// The same without separators, or under another program's name.
    Alike,
}

fn closeness(name: &str, quant: &str) -> Option<Closeness> {
    let lower = name.to_ascii_lowercase();
    let quant = quant.to_ascii_lowercase();
    let quant = quant.strip_suffix(".gguf").unwrap_or(&quant);
    let stem = gguf::stem(base(&lower));
    let separated = |before: &str| before.is_empty() || before.ends_with(['-', '.', '_', ' ']);
    let ends = stem.strip_suffix(quant).is_some_and(separated);
    let dynamic = stem.strip_suffix(quant).is_some_and(|before| before.ends_with("ud-"));
    let folder = lower.split('/').rev().skip(1).any(|folder| folder == quant);
    let own = quant_of(stem);
    if (ends && own == Some(quant) && !dynamic) || folder {
        Some(Closeness::Named)
    } else if ends {
        Some(Closeness::Ends)
    } else if [".", "-"].iter().any(|end| holds(&lower, &format!("{quant}{end}"))) {
        Some(Closeness::Holds)
    } else if own.is_some_and(|own| plain(own) == plain(quant)) {
        Some(Closeness::Alike)
    } else {
        None
    }
}

/// Whether words stand in a name where a word begins.
fn holds(name: &str, words: &str) -> bool {
    name.match_indices(words).any(|(at, _)| name[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric()))
}

/// A quantization without what separates its parts, by llama.cpp's name.
fn plain(quant: &str) -> String {
    let letters: String = quant.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    match letters.as_str() {
        "fp16" | "half" | "float16" => "f16".into(),
        "fp32" | "full" | "float32" => "f32".into(),
        "bfloat16" => "bf16".into(),
        _ => letters,
    }
}

/// Bits that a name promises for a weight; more are closer to the original.
fn bits(name: &str) -> u32 {
    let stem = gguf::stem(base(name));
    let digits = quant_of(stem).and_then(|quant| {
        let digits = quant.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    // A name without a quantization is most often that of the whole.
    digits.unwrap_or(16)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn asked(pick: Pick, role: Role, files: &[&str]) -> Result<Choice, HubError> {
        let asked = HubName { repo: "o/n".into(), revision: None, pick };
        let files = files.iter().map(|name| RemoteFile { name: (*name).into(), sha256: None, bytes: None }).collect();
        choose(&asked, role, files)
    }

    fn chosen(pick: Pick, files: &[&str]) -> Result<Vec<String>, HubError> {
        asked(pick, Role::Candidate, files).map(|choice| choice.parts.into_iter().map(|file| file.name).collect())
    }

    fn quant(quant: &str, files: &[&str]) -> Result<Vec<String>, HubError> {
        chosen(Pick::Quant(quant.into()), files)
    }

    #[test]
    fn quantizations_are_found_by_their_whole_name() {
        let files = ["m-IQ4_XS.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-q8_0.gguf", "README.md"];
        assert_eq!(quant("q4_k_m", &files).unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(quant("Q8_0", &files).unwrap(), ["m-q8_0.gguf"]);
        assert!(quant("K_M", &files).is_ok_and(|files| files == ["m-Q4_K_M.gguf"]), "one answer is clear");
        let error = quant("Q2_K", &files).unwrap_err();
        assert!(error.to_string().contains("m-Q4_K_S.gguf"), "{error}");
    }

    #[test]
    fn other_spellings_are_read_and_the_nearest_are_proposed() {
        let files = [
            "m-F16.gguf",
            "m-IQ1_M.gguf",
            "m-Q4_0.gguf",
            "m-Q4_K_M.gguf",
            "m-Q4_K_S.gguf",
            "m-Q6_K.gguf",
            "m-Q8_0.gguf",
        ];
        for (spelled, file) in [
            ("fp16", "m-F16.gguf"),
            ("q4km", "m-Q4_K_M.gguf"),
            ("Q4-K-M", "m-Q4_K_M.gguf"),
            ("Q4_K_M.gguf", "m-Q4_K_M.gguf"),
        ] {
            assert_eq!(quant(spelled, &files).unwrap(), [file], "{spelled}");
        }
        let error = quant("Q4", &files).unwrap_err().to_string();
        assert!(
            error.contains("o/n has no Q4 file; nearest to it are m-Q4_0.gguf, m-Q4_K_M.gguf, m-Q4_K_S.gguf"),
            "{error}"
        );
        assert_eq!(quant("Q8_0", &["my pocket model Q8_0.gguf", "x-F16.gguf"]).unwrap(), ["my pocket model Q8_0.gguf"]);
    }

    #[test]
    fn several_answers_are_refused_with_their_names() {
        let many = ["m-IQ1_M.gguf", "m-Q2_K_L.gguf", "m-Q3_K_M.gguf", "m-Q4_K_M.gguf", "m-Q5_K_M.gguf"];
        let error = quant("K_M", &many).unwrap_err().to_string();
        assert!(
            error.contains("o/n/m-Q3_K_M.gguf, o/n/m-Q4_K_M.gguf, o/n/m-Q5_K_M.gguf") && !error.contains("IQ1_M"),
            "{error}"
        );
        let two = ["a-70B-Q4_K_M.gguf", "b-8B-Q4_K_M.gguf"];
        for pick in [Pick::Quant("Q4_K_M".into()), Pick::Usual] {
            let error = chosen(pick, &two).unwrap_err().to_string();
            assert!(two.iter().all(|name| error.contains(name)) && error.contains("o/n/a-70B-Q4_K_M.gguf"), "{error}");
        }
        let plain_and_dynamic = ["m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf"];
        assert_eq!(quant("Q4_K_M", &plain_and_dynamic).unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(quant("UD-Q4_K_M", &plain_and_dynamic).unwrap(), ["m-UD-Q4_K_M.gguf"]);
    }

    #[test]
    fn without_a_word_llama_cpps_order_holds() {
        assert_eq!(chosen(Pick::Usual, &["m-Q2_K.gguf", "m-Q4_K_M.gguf"]).unwrap(), ["m-Q4_K_M.gguf"]);
        let no_usual = ["m-BF16.gguf", "m-Q6_K.gguf", "m-Q8_0.gguf"];
        assert_eq!(chosen(Pick::Usual, &no_usual).unwrap(), ["m-Q8_0.gguf"]);
        let first = asked(Pick::Usual, Role::Candidate, &["m-Q5_K_M.gguf", "m-IQ3_M.gguf", "mmproj-m.gguf"]).unwrap();
        assert_eq!((first.parts[0].name.as_str(), first.left), ("m-IQ3_M.gguf", vec!["m-Q5_K_M.gguf".to_owned()]));
    }

    #[test]
    fn an_original_is_the_best_there_is() {
        let best = |files: &[&str]| asked(Pick::Usual, Role::Original, files).unwrap().parts[0].name.clone();
        assert_eq!(best(&["m-BF16.gguf", "m-F16.gguf", "m-Q4_K_M.gguf"]), "m-BF16.gguf");
        assert_eq!(best(&["m-Q4_K_M.gguf", "m-F16.gguf"]), "m-F16.gguf");
        assert_eq!(best(&["m-Q4_K_M.gguf", "m-Q8_0.gguf"]), "m-Q8_0.gguf");
        assert_eq!(best(&["m-Q4_K_M.gguf", "m-Q6_K.gguf", "m-IQ2_M.gguf"]), "m-Q6_K.gguf");
        assert_eq!(best(&["BF16/m-00001-of-00001.gguf", "m-Q4_K_M.gguf"]), "BF16/m-00001-of-00001.gguf");
    }

    #[test]
    fn what_lies_beside_a_model_is_never_it() {
        let a = [
            "eagle3-gpt-oss-120b-BF16.gguf",
            "eagle3-gpt-oss-120b-Q8_0.gguf",
            "gpt-oss-120b-MXFP4-00001-of-00002.gguf",
            "gpt-oss-120b-MXFP4-00002-of-00002.gguf",
        ];
        assert_eq!(chosen(Pick::Usual, &a).unwrap(), &a[2..]);
        assert!(matches!(quant("Q8_0", &a), Err(HubError::NoSuchFile { .. })));
        let b =
            ["MTP/g-E4B-it-qat-Q8_0-MTP.gguf", "g-E4B-it-qat-UD-Q4_K_XL.gguf", "mmproj-BF16.gguf", "mtp-g-E4B-it.gguf"];
        assert_eq!(chosen(Pick::Usual, &b).unwrap(), [b[1]]);
        let c = ["mtp-ornith-9b-Q8_0.gguf", "ornith-9b-Q8_0.gguf", "ornith-9b-Q4_K_M.gguf"];
        assert_eq!(quant("Q8_0", &c).unwrap(), [c[1]]);
        for side in ["imatrix_unsloth.gguf", "ggml-vocab-llama.gguf", "llava13b_f16_mmproj_f16.gguf"] {
            assert_eq!(chosen(Pick::Usual, &[side, "m-Q6_K.gguf"]).unwrap(), ["m-Q6_K.gguf"], "{side}");
        }
        let projectors = ["ShareGPT4V-f16-mmproj.gguf", "llava13b_f16_mmproj_f16.gguf", "vicuna-13b-F16.gguf"];
        assert_eq!(quant("F16", &projectors).unwrap(), ["vicuna-13b-F16.gguf"]);
        assert!(matches!(quant("mmproj", &projectors), Err(HubError::NoSuchFile { .. })));
        let error = chosen(Pick::Usual, &["mtp-x-Q8_0.gguf", "mmproj-x.gguf"]).unwrap_err().to_string();
        assert!(
            error.contains("no model") && error.contains("a draft head") && error.contains("a projector"),
            "{error}"
        );
    }

    #[test]
    fn split_models_come_whole_or_not_at_all() {
        let parts = ["Q4/m-00002-of-00002.gguf", "Q4/m-00001-of-00002.gguf", "m-Q8_0.gguf"];
        assert_eq!(quant("Q4", &parts).unwrap(), [parts[1], parts[0]]);
        let error = quant("Q4", &parts[1..]).unwrap_err();
        assert!(matches!(error, HubError::PartsMissing { found: 1, of: 2, .. }), "{error}");
    }

    #[test]
    fn a_file_is_found_by_its_name_without_its_folder_and_by_a_later_part() {
        let file = |name: &str, files: &[&str]| chosen(Pick::File(name.into()), files);
        let files = ["Q4/m-00001-of-00002.gguf", "Q4/m-00002-of-00002.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf"];
        assert_eq!(file("M-q8_0.gguf", &files).unwrap(), ["m-Q8_0.gguf"]);
        assert_eq!(file("m-00002-of-00002.gguf", &files).unwrap(), &files[..2]);
        assert_eq!(file("mmproj-F16.gguf", &files).unwrap(), ["mmproj-F16.gguf"]);
        assert!(matches!(file("other.gguf", &files), Err(HubError::NoSuchFile { .. })));
    }

    #[test]
    fn pieces_of_bytes_are_told_with_how_to_join_them() {
        let pieces = ["x.Q8_0.gguf.part1of2", "x.Q8_0.gguf.part2of2", "x.Q4_K_M.gguf"];
        let join = "join the parts: cat x.Q8_0.gguf.part1of2 x.Q8_0.gguf.part2of2 > x.Q8_0.gguf";
        for error in [chosen(Pick::Usual, &pieces[..2]).unwrap_err(), quant("Q8_0", &pieces).unwrap_err()] {
            assert!(error.to_string().contains(join), "{error}");
        }
        assert_eq!(quant("Q4_K_M", &pieces).unwrap(), ["x.Q4_K_M.gguf"]);
    }

    #[test]
    fn hostile_names_are_nothing() {
        let error = chosen(Pick::Usual, &["../../m.gguf", "a\\b.gguf", "config.json", "._m.gguf"]).unwrap_err();
        assert!(matches!(error, HubError::NoGguf { .. }), "{error}");
    }
}
