//! What marks mean, and the colours a page gives them: plotters draws with numbers of inks, and what it wrote gets the page's variables.

use plotters::style::RGBColor;

/// What a mark means. The page's style sheet decides the colour, so light, dark and print differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Text,
    Muted,
    Grid,
    /// The region of equivalence.
    Region,
    Original,
    Candidate,
    Better,
    Worse,
    /// Weights; file-backed memory.
    Weights,
    /// KV cache; anonymous memory.
    Context,
    Compute,
    /// The page itself, for text on a dark mark.
    Page,
    /// The first of a figure's series, in order; after the fifth, shapes tell them apart.
    First,
    Second,
    Third,
    Fourth,
    Fifth,
    /// What is around the recommended one; the page's script moves it.
    Ring,
    /// A limit, which the script moves too.
    Limit,
    /// What lies beyond it.
    Beyond,
}

/// Every ink has its entry: a forgotten one does not compile.
const _: () = assert!(Ink::ALL.len() == Ink::Beyond as usize + 1);

impl Ink {
    const ALL: [Self; 20] = [
        Self::Text,
        Self::Muted,
        Self::Grid,
        Self::Region,
        Self::Original,
        Self::Candidate,
        Self::Better,
        Self::Worse,
        Self::Weights,
        Self::Context,
        Self::Compute,
        Self::Page,
        Self::First,
        Self::Second,
        Self::Third,
        Self::Fourth,
        Self::Fifth,
        Self::Ring,
        Self::Limit,
        Self::Beyond,
    ];

    /// Name of the page's variable, and the colour (Okabe and Ito, 2008) where there is no page.
    fn style(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "#1f2328"),
            Self::Muted => ("muted", "#59636e"),
            Self::Grid => ("grid", "#d1d9e0"),
            Self::Region => ("region", "#cfd7df"),
            Self::Original => ("original", "#818b98"),
            Self::Candidate => ("candidate", "#0072b2"),
            Self::Better => ("better", "#0072b2"),
            Self::Worse => ("worse", "#d55e00"),
            Self::Weights => ("weights", "#0072b2"),
            Self::Context => ("context", "#56b4e9"),
            Self::Compute => ("compute", "#e69f00"),
            Self::Page => ("page", "#ffffff"),
            Self::First => ("1", "#0072b2"),
            Self::Second => ("2", "#c75000"),
            Self::Third => ("3", "#00795a"),
            Self::Fourth => ("4", "#a8488a"),
            Self::Fifth => ("5", "#8a6a00"),
            Self::Ring => ("ring", "#1f2328"),
            Self::Limit => ("limit", "#a84300"),
            Self::Beyond => ("beyond", "#f6ede6"),
        }
    }

    /// Its number as a colour: all that plotters carries of a style is a colour and a width.
    pub(super) fn number(self) -> RGBColor {
        RGBColor(1, 1, self as u8)
    }

    /// The ink whose number plotters wrote (`#010104`).
    fn written(colour: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ink| {
            let RGBColor(r, g, b) = ink.number();
            colour == format!("#{r:02X}{g:02X}{b:02X}")
        })
    }
}

/// What plotters wrote inside its `svg` element, for a page: numbers of inks become the page's variables, and what is so by default is
/// left out.
pub(super) fn for_page(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    // plotters escapes texts and values: each `<` begins a tag, each `>` ends one, and quotes stand around values alone.
    for piece in svg.split('<').skip(2) {
        let Some((tag, text)) = piece.split_once('>') else { continue };
        let (tag, end) = tag.strip_suffix('/').map_or((tag, ">"), |tag| (tag, "/>"));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        out.extend(["<", name]);
        let mut quoted = attributes.split('"');
        while let (Some(name), Some(value)) = (quoted.next(), quoted.next()) {
            let name = name.trim_matches([' ', '=']);
            if matches!((name, value), ("opacity", "1") | ("stroke", "none") | ("font-family", _)) {
                continue;
            }
            out.extend([" ", name, "=\""]);
            match Ink::written(value).filter(|_| matches!(name, "fill" | "stroke")).map(Ink::style) {
                Some((variable, colour)) => out.extend(["var(--c-", variable, ",", colour, ")"]),
                None => out.push_str(value),
            }
            out.push('"');
        }
        out.push_str(end);
        out.push_str(text.trim_matches('\n'));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_variables_in_attributes_alone() {
        let svg = "<svg width=\"9\">\n<text x=\"1\" font-family=\"sans-serif\" opacity=\"1\" fill=\"#010107\">\n&quot;#010107&quot; a\n</text>\n\
                   <circle r=\"4\" opacity=\"1\" fill=\"none\" stroke=\"#01010C\"/>\n<polygon opacity=\"1\" fill=\"#010100\" points=\"1,2 3,4 \"/>\n\
                   <rect fill=\"#FFFFFF\" stroke=\"none\"/>\n</svg>\n";
        let expected = "<text x=\"1\" fill=\"var(--c-worse,#d55e00)\">&quot;#010107&quot; a</text>\
                        <circle r=\"4\" fill=\"none\" stroke=\"var(--c-1,#0072b2)\"/>\
                        <polygon fill=\"var(--c-text,#1f2328)\" points=\"1,2 3,4 \"/><rect fill=\"#FFFFFF\"/></svg>";
        assert_eq!(for_page(svg), expected);
    }

    #[test]
    fn every_ink_is_found_again() {
        for ink in Ink::ALL {
            let RGBColor(r, g, b) = ink.number();
            assert_eq!(Ink::written(&format!("#{r:02X}{g:02X}{b:02X}")), Some(ink));
        }
    }

    /// A colour that the style sheet does not set would not follow dark and print.
    #[test]
    fn the_page_sets_every_variable() {
        let css = include_str!("../../../templates/report.css");
        for ink in Ink::ALL {
            assert!(css.contains(&format!("--c-{}:", ink.style().0)), "--c-{}", ink.style().0);
        }
    }
}
