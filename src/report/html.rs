//! The HTML report: one file that loads nothing. The only file that knows the template engine.

use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde};
use sha2::{Digest, Sha256};

use super::{
    Error,
    document::{Figure, Section},
    embed::embed,
    view::View,
};
use crate::{analysis::Analysis, record::Run};

const CSS: &str = include_str!("../../templates/report.css");
const JS: &str = concat!(include_str!("../../templates/report.js"), include_str!("../../templates/judge.js"));
const TEMPLATES: [(&str, &str); 7] = [
    ("report.html.jinja", include_str!("../../templates/report.html.jinja")),
    ("records.html.jinja", include_str!("../../templates/records.html.jinja")),
    ("macros.html.jinja", include_str!("../../templates/partials/macros.html.jinja")),
    ("cards.html.jinja", include_str!("../../templates/partials/cards.html.jinja")),
    ("answers.html.jinja", include_str!("../../templates/partials/answers.html.jinja")),
    ("judge.html.jinja", include_str!("../../templates/partials/judge.html.jinja")),
    ("environment.html.jinja", include_str!("../../templates/partials/environment.html.jinja")),
];

/// The page.
///
/// # Errors
/// When the record can't be embedded or a template names something that is not there.
pub(super) fn render(run: &Run, view: &View, sections: &[Section]) -> Result<String, Error> {
    let env = own_templates()?;
    let record = embed(run)?;
    let page = env.get_template("report.html.jinja").map_err(|e| error(&e))?;
    page.render(context! {
        view => Value::from(Serde(view)),
        sections => Value::from(Serde(sections)),
        charts => Value::from(Serde(figures(sections))),
        css => CSS,
        js => JS,
        css_hash => hash(CSS),
        js_hash => hash(JS),
        record => record.json,
        left_out => record.left_out,
    })
    .map_err(|e| error(&e))
}

/// The page of several records.
///
/// # Errors
/// When a template names something that is not there.
pub(super) fn render_records(view: &super::records::View, charts: &[Figure]) -> Result<String, Error> {
    let env = own_templates()?;
    let page = env.get_template("records.html.jinja").map_err(|e| error(&e))?;
    page.render(context! {
        view => Value::from(Serde(view)),
        charts => Value::from(Serde(charts)),
        css => CSS,
        js => JS,
        css_hash => hash(CSS),
        js_hash => hash(JS),
    })
    .map_err(|e| error(&e))
}

fn own_templates() -> Result<Environment<'static>, Error> {
    let mut env = environment()?;
    for (name, source) in TEMPLATES {
        env.add_template(name, source).map_err(|e| error(&e))?;
    }
    Ok(env)
}

fn environment<'a>() -> Result<Environment<'a>, Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(|e| error(&e))?);
    Ok(env)
}

/// A person's own template over the same values, and the analysis.
///
/// # Errors
/// When it can't be parsed or names something that is not there.
pub(super) fn render_own(
    name: &str,
    source: &str,
    view: &View,
    sections: &[Section],
    analysis: &Analysis,
) -> Result<String, Error> {
    let mut env = environment()?;
    env.add_template(name, source).map_err(|e| error(&e))?;
    let page = env.get_template(name).map_err(|e| error(&e))?;
    page.render(context! {
        view => Value::from(Serde(view)),
        sections => Value::from(Serde(sections)),
        charts => Value::from(Serde(figures(sections))),
        analysis => Value::from(Serde(analysis)),
    })
    // The engine drops the last line end, which a file should have.
    .map(|text| if source.ends_with('\n') { text + "\n" } else { text })
    .map_err(|e| error(&e))
}

/// The figures of all sections: templates find them as `charts`.
fn figures(sections: &[Section]) -> Vec<&Figure> {
    sections.iter().flat_map(|section| &section.figures).collect()
}

fn error(source: &minijinja::Error) -> Error {
    Error::Template { message: format!("{source:#}") }
}

/// What a Content-Security-Policy calls an inline text it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, b| bits << 8 | usize::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sign = SIGNS[bits >> (18 - 6 * i) & 63];
            out.push(if i <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648() {
        let shown = ["", "f", "fo", "foo", "foobar"].map(|t| base64(t.as_bytes()));
        assert_eq!(shown, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
    }
}
