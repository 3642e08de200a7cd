//! Names of the pieces of a model: parts that llama.cpp reads together, and pieces of bytes that must be joined first.

/// A name `STEM-00001-of-00003.gguf`, as `llama-gguf-split` gives it, taken apart. Case does not matter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SplitName<'a> {
    pub(crate) stem: &'a str,
    /// From 1.
    pub(crate) part: u32,
    pub(crate) count: u32,
    /// What stands between the two numbers, and at the end, as it is spelled here.
    between: &'a str,
    extension: &'a str,
}

impl<'a> SplitName<'a> {
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        const EXTENSION: &str = ".gguf";
        const BETWEEN: &str = "-of-";
        const DIGITS: usize = 5;
        let end = name.len().checked_sub(EXTENSION.len())?;
        let count = end.checked_sub(DIGITS)?;
        let between = count.checked_sub(BETWEEN.len())?;
        let part = between.checked_sub(DIGITS)?;
        let dash = part.checked_sub(1)?;
        let piece = |from: usize, to: usize| name.get(from..to);
        let extension = piece(end, name.len()).filter(|text| text.eq_ignore_ascii_case(EXTENSION))?;
        let middle = piece(between, count).filter(|text| text.eq_ignore_ascii_case(BETWEEN))?;
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten()
        };
        let (first, last) = (number(piece(part, between)?)?, number(piece(count, end)?)?);
        let stem = piece(0, dash).filter(|stem| !stem.is_empty() && &name[dash..part] == "-")?;
        (1 <= first && first <= last).then_some(Self { stem, part: first, count: last, between: middle, extension })
    }

    /// The name of another part of the same model.
    pub(crate) fn name_of(&self, part: u32) -> String {
        format!("{}-{part:05}{}{:05}{}", self.stem, self.between, self.count, self.extension)
    }
}

/// A file's name without its folder, extension and number of part.
pub(crate) fn stem(name: &str) -> &str {
    if let Some(part) = SplitName::parse(name) {
        return part.stem;
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if extension.eq_ignore_ascii_case("gguf") && !stem.is_empty() { stem } else { name }
}

/// A piece of a file that was cut by bytes: `x.gguf.part1of2`, `x.gguf-split-a`, `x.gguf.001`, `x.gguf.aa`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BytePiece {
    /// The name of the file it is a piece of.
    pub(crate) whole: String,
    /// Where it stands among its siblings, by number or by letters.
    place: (u32, String),
    /// How many there are, where the name says.
    pub(crate) count: Option<u32>,
}

impl BytePiece {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        const EXTENSION: &str = ".gguf";
        let lower = name.to_ascii_lowercase();
        let at = lower.rfind(EXTENSION)? + EXTENSION.len();
        let rest = &lower[at..];
        let rest = rest.strip_prefix(['.', '-', '_'])?;
        let word = |text: &str| text.trim_start_matches(['.', '-', '_']).to_owned();
        let (label, count) = if let Some(rest) = rest.strip_prefix("part") {
            let rest = word(rest);
            match rest.split_once("of") {
                Some((part, count)) => {
                    let trim = |text: &str| text.trim_matches(['.', '-', '_']).to_owned();
                    (trim(part), Some(trim(count).parse::<u32>().ok()?))
                }
                None => (rest, None),
            }
        } else if let Some(rest) = rest.strip_prefix("split") {
            (word(rest), None)
        } else if rest.len() == 2 && rest.starts_with('a') && rest.bytes().all(|b| b.is_ascii_lowercase()) {
            // As split(1) names them. One digit is a second download.
            (rest.to_owned(), None)
        } else if (2..=4).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit()) {
            (rest.to_owned(), None)
        } else {
            return None;
        };
        let short = (1..=4).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric());
        let numbered = label.bytes().all(|b| b.is_ascii_digit());
        let lettered = label.len() <= 2 && label.bytes().all(|b| b.is_ascii_lowercase());
        (short && (numbered || lettered)).then(|| Self {
            whole: name[..at].to_owned(),
            place: (label.parse().unwrap_or(0), label),
            count,
        })
    }

    /// How the whole is made of the pieces that are here, in words.
    pub(crate) fn advice<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        let mut pieces: Vec<(Self, &str)> = names
            .into_iter()
            .filter_map(|name| Self::parse(name).map(|piece| (piece, name)))
            .filter(|(piece, _)| piece.whole == self.whole)
            .collect();
        pieces.sort();
        let quoted = |name: &str| shlex::try_quote(name).map_or_else(|_| name.to_owned(), std::borrow::Cow::into_owned);
        let list: Vec<String> = pieces.iter().map(|(_, name)| quoted(name)).collect();
        let missing = self.count.is_some_and(|count| u32::try_from(pieces.len()) != Ok(count));
        let few = if missing {
            format!(" (of {} parts, {} are here)", self.count.unwrap_or(0), pieces.len())
        } else {
            String::new()
        };
        format!("join the parts: cat {} > {}{few}", list.join(" "), quoted(&self.whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_in_any_case() {
        let part = SplitName::parse("a-of-b-00002-of-00010.gguf").expect("a part");
        assert_eq!((part.stem, part.part, part.count), ("a-of-b", 2, 10));
        assert_eq!(part.name_of(1), "a-of-b-00001-of-00010.gguf");
        let upper = SplitName::parse("A-00001-OF-00002.GGUF").expect("a part");
        assert_eq!(upper.name_of(2), "A-00002-OF-00002.GGUF");
        for other in [
            "m-2-of-3.gguf",
            "m-00004-of-00003.gguf",
            "m-00000-of-00003.gguf",
            "m-00001-of-00003.bin",
            "m.gguf",
            "-00001-of-00003.gguf",
            "é00001-of-00003.gguf",
        ] {
            assert_eq!(SplitName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_stem_has_neither_extension_nor_part() {
        for (name, expected) in [
            ("x-F16-00001-of-00002.gguf", "x-F16"),
            ("x-F16.GGUF", "x-F16"),
            ("x.v1-Q8_0.gguf", "x.v1-Q8_0"),
            ("sha256-0a1b", "sha256-0a1b"),
            (".gguf", ".gguf"),
        ] {
            assert_eq!(stem(name), expected);
        }
    }

    #[test]
    fn pieces_of_bytes_are_known_by_what_follows_the_extension() {
        for name in [
            "x.gguf.part1of2",
            "x.GGUF.part-1-of-2",
            "x.gguf-split-a",
            "x.gguf.part01",
            "x.gguf.part.aa",
            "x.gguf.aa",
            "x.gguf.001",
        ] {
            let piece = BytePiece::parse(name).expect(name);
            assert!(piece.whole.eq_ignore_ascii_case("x.gguf"), "{name}");
        }
        for other in [
            "x.gguf",
            "x.gguf.1",
            "x.gguf.gz",
            "x.gguf.part",
            "x.gguf.partial",
            "x.gguf.tmp",
            "x.part1of2",
            "x.gguf.sha256",
            "x-partial.gguf",
        ] {
            assert_eq!(BytePiece::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_advice_puts_pieces_in_order() {
        let names = ["x y.gguf.part10of10", "x y.gguf.part2of10", "z.gguf.part1of10"];
        let piece = BytePiece::parse(names[0]).expect("a piece");
        assert_eq!(
            piece.advice(names),
            "join the parts: cat 'x y.gguf.part2of10' 'x y.gguf.part10of10' > 'x y.gguf' (of 10 parts, 2 are here)"
        );
        let two = ["x.gguf.part2of2", "x.gguf.part1of2"];
        let piece = BytePiece::parse(two[0]).expect("a piece");
        assert_eq!(piece.advice(two), "join the parts: cat x.gguf.part1of2 x.gguf.part2of2 > x.gguf");
    }
}
