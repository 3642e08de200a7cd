//! Chat templates: a prompt as one message of a user, through the Jinja template that a model brings along.
//!
//! The template is data that somebody put into a file: it runs on fuel that also pays for every byte it makes, its output has a greatest
//! size, and it sees no clock, no file and nothing else of the machine.

use std::{
    fmt,
    io::{self, Write},
};

use minijinja::{
    Environment, Error, ErrorKind, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, ValueKind},
};
use minijinja_contrib::pycompat::unknown_method_callback;

/// What a template may use up; one unit pays for an instruction or for 64 bytes. A template of a few hundred lines takes some thousand.
const FUEL: u64 = 500_000;
/// Most bytes that a template may put around a prompt.
const MOST_AROUND: usize = 256 << 10;
/// Longest reason that is kept: a template may write it.
const MOST_OF_REASON: usize = 300;
/// Deepest nesting of what is written as JSON.
const MOST_DEPTH: usize = 64;

/// What a template gives for a prompt, up to where the assistant's answer begins.
///
/// # Errors
/// Why it gives nothing: it is no template, it refuses, it is too costly, or it leaves the prompt out.
pub(super) fn render(source: &str, prompt: &str, bos: &str, eos: &str) -> Result<String, String> {
    let shown = with_content(source, Value::from(prompt), prompt, bos, eos);
    match shown {
        Ok(shown) if shows(&shown, prompt) => Ok(shown),
        // Templates of models that also see images may take a list of parts alone.
        tried => {
            let part = context! { type => "text", text => prompt };
            let listed = with_content(source, Value::from(vec![part]), prompt, bos, eos);
            match listed {
                Ok(shown) if shows(&shown, prompt) => Ok(shown),
                _ => Err(tried.err().unwrap_or_else(|| "what it gives does not hold the prompt".into())),
            }
        }
    }
}

/// Whether the prompt is in what was made of it; templates may trim it.
fn shows(shown: &str, prompt: &str) -> bool {
    shown.contains(prompt.trim())
}

fn with_content(source: &str, content: Value, prompt: &str, bos: &str, eos: &str) -> Result<String, String> {
    let source = without_generation_marks(source);
    let env = environment(prompt.len()).map_err(|error| reason(&error))?;
    let template = env.template_from_str(&source).map_err(|error| reason(&error))?;
    let given = context! {
        messages => vec![context! { role => "user", content => content }],
        add_generation_prompt => true,
        bos_token => bos,
        eos_token => eos,
        // What transformers gives where there is none, so that `is not none` holds for neither.
        tools => Value::from(()),
        documents => Value::from(()),
    };
    let mut shown = Limited { bytes: Vec::new(), left: prompt.len().saturating_add(MOST_AROUND) };
    template.render_captured_to(given, &mut shown).map_err(|error| reason(&error))?;
    String::from_utf8(shown.bytes).map_err(|error| error.to_string())
}

/// Set up as transformers sets up Jinja, which is what templates are written for.
fn environment(prompt_bytes: usize) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // A long prompt is copied a few times on its way.
    env.set_fuel(Some(FUEL.saturating_add(prompt_bytes as u64)));
    env.set_unknown_method_callback(unknown_method_callback);
    env.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("the template refuses: {message}")))
    });
    env.add_function("strftime_now", |format: &str| strftime(format));
    env.add_filter("tojson", to_json);
    Ok(env)
}

/// In one line, without the pointer to the place, and no longer than is useful.
fn reason(error: &Error) -> String {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_OF_REASON).collect()
}

/// An output that takes so many bytes.
struct Limited {
    bytes: Vec<u8>,
    left: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            return Err(io::Error::other("it gives more than a prompt may have around it"));
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Training code marks what an assistant says by a pair of tags that Jinja itself does not know: here they are a condition that holds.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find("%}") else { break };
        let inner = &tag[2..end];
        let word = inner.trim_matches(['-', '+']).trim();
        let name = match word {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        match name {
            Some(name) => out.extend(["{%", &inner.replacen(word, name, 1), "%}"]),
            None => out.push_str(&tag[..end + 2]),
        }
        rest = &tag[end + 2..];
    }
    out.push_str(rest);
    out
}

/// The date that templates are told, always the same: a record of another day must hold the same tokens.
const TODAY: [(char, &str); 14] = [
    ('Y', "2026"),
    ('y', "26"),
    ('m', "01"),
    ('d', "01"),
    ('e', " 1"),
    ('j', "001"),
    ('B', "January"),
    ('b', "Jan"),
    ('A', "Thursday"),
    ('a', "Thu"),
    ('H', "12"),
    ('I', "12"),
    ('M', "00"),
    ('S', "00"),
];

/// As Python's, of [`TODAY`]; what it does not know stays as it is.
fn strftime(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut after = rest.clone();
        let (bare, code) = match after.next() {
            Some('-') => (true, after.next()),
            code => (false, code),
        };
        let value = TODAY.iter().find(|(known, _)| Some(*known) == code).map(|(_, value)| *value);
        match (value, code) {
            (Some(value), _) if bare => out.push_str(value.trim_start_matches(['0', ' '])),
            (Some(value), _) => out.push_str(value),
            (None, Some('%')) => out.push('%'),
            (None, Some('p')) => out.push_str("PM"),
            (None, _) => {
                out.push('%');
                continue;
            }
        }
        rest = after;
    }
    out
}

/// As Python's `json.dumps` with `ensure_ascii=False`, which is what templates expect: minijinja's own is meant for HTML.
#[expect(clippy::needless_pass_by_value, reason = "as filters are given their options")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    // No template that is known asks for it.
    let _: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        _ => (", ".to_owned(), ": ".to_owned()),
    };
    let style = Style { indent: indent.map(|n| n.min(16)), ascii: ascii.unwrap_or(false), item, key };
    let mut out = String::new();
    write_json(&mut out, value, &style, 0)?;
    Ok(Value::from_safe_string(out))
}

struct Style {
    indent: Option<usize>,
    ascii: bool,
    item: String,
    key: String,
}

impl Style {
    fn line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }
}

fn write_json(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    let refused = |what: &str| Error::new(ErrorKind::BadSerialization, what.to_owned());
    if depth > MOST_DEPTH || out.len() > MOST_AROUND {
        return Err(refused("too much for JSON"));
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => write_string(out, value.as_str().unwrap_or_default(), style.ascii),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            let mut empty = true;
            for item in value.try_iter()? {
                if !empty {
                    out.push_str(&style.item);
                }
                empty = false;
                style.line(out, depth + 1);
                write_json(out, &item, style, depth + 1)?;
            }
            if !empty {
                style.line(out, depth);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            let mut empty = true;
            for key in value.try_iter()? {
                if !empty {
                    out.push_str(&style.item);
                }
                empty = false;
                style.line(out, depth + 1);
                write_string(out, &key.to_string(), style.ascii);
                out.push_str(&style.key);
                write_json(out, &value.get_item(&key)?, style, depth + 1)?;
            }
            if !empty {
                style.line(out, depth);
            }
            out.push('}');
        }
        other => return Err(refused(&format!("{other} can't be written as JSON"))),
    }
    Ok(())
}

fn write_string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // A string takes whatever is written to it.
                    let _ = fmt::Write::write_fmt(out, format_args!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    const PROMPT: &str = "Name three <rivers> & \"lakes\".\nOne a line.";

    /// Each template of tests/fixtures/chat against what the Jinja of transformers makes of it.
    #[test]
    fn templates_of_every_shape_give_what_jinja_gives() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chat");
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jinja"))
            .collect();
        names.sort();
        assert!(names.len() >= 15, "{} templates", names.len());
        for path in names {
            let source = fs::read_to_string(&path).unwrap();
            let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
            assert_eq!(render(&source, PROMPT, "<s>", "</s>").as_deref(), Ok(expected.as_str()), "{}", path.display());
        }
    }

    #[test]
    fn hostile_templates_end_with_a_reason() {
        let refused = |source: &str| render(source, PROMPT, "<s>", "</s>").unwrap_err();
        let many = "range(99999)";
        for (source, says) in [
            (format!("{{% for a in {many} %}}{{% for b in {many} %}}{{% endfor %}}{{% endfor %}}"), "fuel"),
            (format!("{{% for a in {many} %}}{}{{% endfor %}}", "x".repeat(100)), "more than a prompt"),
            (
                "{% set n = namespace(x='xx') %}{% for a in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}".into(),
                "fuel",
            ),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into(), "recursion"),
            ("{{ raise_exception('only tools') }}".into(), "refuses: only tools"),
            ("{{ messages|spin }}".into(), "filter"),
            ("{% for m in messages %}{{ m.content }}".into(), "syntax"),
            ("{{ messages[0].content.encode('utf-8') }}".into(), "method"),
            ("Hello".into(), "does not hold the prompt"),
            (String::new(), "does not hold the prompt"),
        ] {
            let reason = refused(&source);
            assert!(reason.contains(says) && reason.chars().count() <= MOST_OF_REASON, "{source}: {reason}");
        }
        assert!(refused(&"{% if a %}".repeat(100_000)).len() < 2 * MOST_OF_REASON);
    }

    #[test]
    fn a_template_that_takes_parts_alone_gets_them() {
        let source = "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}<u>{{ p.text }}</u>{% endif %}{% endfor %}{% endfor %}";
        assert_eq!(render(source, "Hi", "", ""), Ok("<u>Hi</u>".into()));
    }

    #[test]
    fn json_is_pythons() {
        let json = |expression: &str| {
            render(&format!("{{{{ {expression} }}}}|{{{{ messages[0].content }}}}"), "p", "", "").unwrap()
        };
        assert_eq!(json("{'a': [1, 2.5, true, none], 'b': {}}|tojson"), "{\"a\": [1, 2.5, true, null], \"b\": {}}|p");
        assert_eq!(json("'<é\"\\\\>'|tojson"), "\"<é\\\"\\\\>\"|p");
        assert_eq!(json("'é'|tojson(ensure_ascii=true)"), "\"\\u00e9\"|p");
        assert_eq!(json("[1, [], [2]]|tojson(indent=2)"), "[\n  1,\n  [],\n  [\n    2\n  ]\n]|p");
        assert_eq!(json("[1, 2]|tojson(separators=(',', ':'))"), "[1,2]|p");
    }

    #[test]
    fn today_is_always_the_same_day() {
        assert_eq!(strftime("%d %b %Y"), "01 Jan 2026");
        assert_eq!(strftime("%A, %-d. %B, %H:%M:%S, 100 %%, %Q, %"), "Thursday, 1. January, 12:00:00, 100 %, %Q, %");
    }
}
