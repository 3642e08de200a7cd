//! Short names of the models of a run, unique in it: what their file names differ in, the quantization always kept.

use std::{collections::BTreeMap, ops::Range, path::Path};

use crate::gguf::{self, begins_quant};

/// One name for each path, in order: `Q4_K_M` and `F16` for files of one family. The same model may be given twice.
pub(crate) fn short_names(paths: &[&Path]) -> Vec<String> {
    let stems: Vec<String> = paths.iter().map(|path| stem(path)).collect();
    let cut: Vec<Vec<Token>> = stems.iter().map(|stem| tokens(stem)).collect();
    let (prefix, suffix) = common(&stems, &cut);
    let mut names: Vec<String> = stems
        .iter()
        .zip(&cut)
        .map(|(stem, tokens)| match &tokens[prefix..tokens.len() - suffix] {
            [first, .., last] => stem[first.range.start..last.range.end].to_owned(),
            [only] => stem[only.range.clone()].to_owned(),
            [] => stem.clone(),
        })
        .collect();
    // Equal names of different files are told apart by their folders, those of the same file by a number.
    let repeated = repeats(&names);
    for (name, path) in names.iter_mut().zip(paths) {
        let others: Vec<&Path> = repeated[name].iter().map(|&i| paths[i]).collect();
        if others.iter().any(|other| other != path)
            && let Some(folder) = path.parent().and_then(Path::file_name)
        {
            *name = format!("{}/{name}", folder.to_string_lossy());
        }
    }
    number(&mut names);
    names
}

fn repeats(names: &[String]) -> BTreeMap<String, Vec<usize>> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        places.entry(name.clone()).or_default().push(place);
    }
    places
}

/// The second of equal names becomes `name (2)`, and so on; a number that is taken is passed over.
fn number(names: &mut [String]) {
    for (name, places) in repeats(names) {
        let mut n = 1;
        for place in places.into_iter().skip(1) {
            n += 1;
            while names.contains(&format!("{name} ({n})")) {
                n += 1;
            }
            names[place] = format!("{name} ({n})");
        }
    }
}

/// The file name without folder, extension and number of part.
fn stem(path: &Path) -> String {
    gguf::stem(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()).to_owned()
}

/// A word of a stem; one that names a quantization is never cut away.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    range: Range<usize>,
    quant: bool,
}

/// Words between `-`, `.`, `_` and spaces, but a quantization such as `Q4_K_M` is one word.
fn tokens(stem: &str) -> Vec<Token> {
    let mut words: Vec<Token> = Vec::new();
    let mut start = 0;
    for piece in stem.split(['-', '.', '_', ' ']) {
        let range = start..start + piece.len();
        start = range.end + 1;
        match words.last_mut() {
            // `_` joins what follows a quantization's first word to it.
            Some(last) if last.quant && stem[..range.start].ends_with('_') && continues_quant(piece) => {
                last.range.end = range.end;
            }
            _ if piece.is_empty() => {}
            _ => words.push(Token { range, quant: begins_quant(piece) }),
        }
    }
    words
}

/// The quantization that a file's stem names, as it is spelled there: `Q4_K_M` of `m-UD-Q4_K_M-imat`; the last one where several stand.
pub(crate) fn quant_of(stem: &str) -> Option<&str> {
    tokens(stem).into_iter().rev().find(|token| token.quant).map(|token| &stem[token.range])
}

fn continues_quant(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    matches!(word.as_str(), "0" | "1" | "4" | "8" | "K" | "S" | "M" | "L" | "XS" | "XXS" | "XL" | "XXL" | "NL" | "MOE")
}

/// How many words all stems share at the front and at the back, quantizations and at least one word of each left over.
fn common(stems: &[String], cut: &[Vec<Token>]) -> (usize, usize) {
    let Some(first) = cut.first() else { return (0, 0) };
    let shortest = cut.iter().map(Vec::len).min().unwrap_or(0);
    let word = |model: usize, place: usize| &stems[model][cut[model][place].range.clone()];
    let shared = |from_front: &dyn Fn(usize) -> usize| {
        // `from_front` turns a model into the place looked at.
        let place = from_front(0);
        !first[place].quant && (1..cut.len()).all(|model| word(model, from_front(model)) == word(0, place))
    };
    let room = shortest.saturating_sub(1);
    let prefix = (0..room).take_while(|&n| shared(&|_| n)).count();
    let suffix = (0..room - prefix).take_while(|&n| shared(&|model| cut[model].len() - 1 - n)).count();
    (prefix, suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        short_names(&paths.iter().map(Path::new).collect::<Vec<_>>())
    }

    #[test]
    fn a_family_is_named_by_its_quantizations() {
        let family = [
            "m/SmolLM2-135M-Instruct-F16.gguf",
            "m/SmolLM2-135M-Instruct-Q4_K_M.gguf",
            "m/SmolLM2-135M-Instruct-Q4_K_S.gguf",
        ];
        assert_eq!(names(&family), ["F16", "Q4_K_M", "Q4_K_S"]);
        assert_eq!(names(&["Meta-Llama-3.1-8B.Q8_0.gguf", "Meta-Llama-3.1-8B.IQ2_XXS.gguf"]), ["Q8_0", "IQ2_XXS"]);
        assert_eq!(names(&["pocket_4m_f16.gguf", "pocket_4m_q4_k_m.gguf"]), ["f16", "q4_k_m"]);
    }

    #[test]
    fn shared_endings_go_and_quantizations_stay() {
        assert_eq!(names(&["x-Q4_K_M-imat.gguf", "x-Q8_0-imat.gguf"]), ["Q4_K_M", "Q8_0"]);
        assert_eq!(names(&["x-Q4_K_M.gguf", "x-Q4_K_M-imat.gguf"]), ["Q4_K_M", "Q4_K_M-imat"]);
        let two = ["Qwen2-0.5B-Q4_K_M.gguf", "SmolLM2-135M-Q4_K_M.gguf"];
        assert_eq!(names(&two), ["Qwen2-0.5B-Q4_K_M", "SmolLM2-135M-Q4_K_M"]);
        assert_eq!(names(&["model.gguf", "model-Q4_0.gguf"]), ["model", "model-Q4_0"]);
        assert_eq!(names(&["x-UD-Q4_K_XL.gguf", "x-Q4_K_M.gguf"]), ["UD-Q4_K_XL", "Q4_K_M"]);
    }

    #[test]
    fn equal_names_are_told_apart() {
        assert_eq!(names(&["a/x-F16.gguf", "a/x-F16.gguf"]), ["F16", "F16 (2)"]);
        assert_eq!(names(&["a/x-F16.gguf", "b/x-F16.gguf"]), ["a/F16", "b/F16"]);
        assert_eq!(names(&["x-F16.gguf", "a/x-F16.gguf", "a/x-F16.gguf"]), ["F16", "a/F16", "a/F16 (2)"]);
        assert_eq!(names(&["p/a/x.gguf", "q/a/x.gguf"]), ["a/x", "a/x (2)"]);
    }

    #[test]
    fn odd_names_still_have_one() {
        assert_eq!(names(&["only-Q4_0.gguf"]), ["Q4_0"]);
        assert_eq!(names(&[]), Vec::<String>::new());
        assert_eq!(names(&["big-Q2_K-00001-of-00003.gguf", "big-F16.gguf"]), ["Q2_K", "F16"]);
        assert_eq!(names(&["blobs/sha256-0a1b", "blobs/sha256-2c3d"]), ["0a1b", "2c3d"]);
        assert_eq!(names(&["-.gguf", "--.gguf"]), ["-", "--"]);
        assert_eq!(names(&["modèle-F16.gguf", "modèle-Q8_0.GGUF"]), ["F16", "Q8_0"]);
        assert_eq!(names(&[".gguf", "/"]), ["gguf", "/"]);
    }
}
