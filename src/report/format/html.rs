//! The HTML report: one file that loads nothing. The only file that knows the template engine.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    analysis::Analysis,
    record::{MemorySeries, Run, Visit},
    report::{
        document::{Document, Figure},
        text::inert_in_html,
    },
};

const CSS: &str = include_str!("../../../templates/report.css");
const JS: &str = concat!(
    include_str!("../../../templates/report.js"),
    include_str!("../../../templates/choose.js"),
    include_str!("../../../templates/judge.js"),
);
const PAGE: &str = "report.html.jinja";
const TEMPLATES: [(&str, &str); 11] = [
    (PAGE, include_str!("../../../templates/report.html.jinja")),
    ("macros.html.jinja", include_str!("../../../templates/partials/macros.html.jinja")),
    ("contents.html.jinja", include_str!("../../../templates/partials/contents.html.jinja")),
    ("choices.html.jinja", include_str!("../../../templates/partials/choices.html.jinja")),
    ("cards.html.jinja", include_str!("../../../templates/partials/cards.html.jinja")),
    ("records.html.jinja", include_str!("../../../templates/partials/records.html.jinja")),
    ("answers.html.jinja", include_str!("../../../templates/partials/answers.html.jinja")),
    ("judge.html.jinja", include_str!("../../../templates/partials/judge.html.jinja")),
    ("environment.html.jinja", include_str!("../../../templates/partials/environment.html.jinja")),
    ("method.html.jinja", include_str!("../../../templates/partials/method.html.jinja")),
    ("repeat.html.jinja", include_str!("../../../templates/partials/repeat.html.jinja")),
];
/// Most bytes of the record in a page; with figures and tables the page stays under 1.5 MB, which mail and issues take.
const MOST: usize = 800_000;

/// Why there is no page.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    #[error("render the page: {message}")]
    Template {
        /// What the engine said, with the place.
        message: String,
    },
    #[error("put the record into the page: {0}")]
    Record(#[from] serde_json::Error),
}

/// The page, with the record inside it where there is one.
pub(super) fn render(document: &Document, record: Option<&Run>) -> Result<String, PageError> {
    let mut env = environment()?;
    for (name, source) in TEMPLATES {
        env.add_template(name, source).map_err(|e| error(&e))?;
    }
    let record = record.map(embed).transpose()?.unwrap_or_default();
    let page = env.get_template(PAGE).map_err(|e| error(&e))?;
    page.render(context! {
        view => Value::from(Serde(document)),
        css => CSS,
        js => JS,
        css_hash => hash(CSS),
        js_hash => hash(JS),
        record => record.json,
        left_out => record.left_out,
    })
    .map_err(|e| error(&e))
}

/// A person's own template over what the page is made of, and the analysis; TEMPLATES.md documents it. Text is escaped for HTML
/// unless `name` ends otherwise than `.html`, `.htm` or `.xml` (a further `.jinja` or `.j2` doesn't count).
pub(crate) fn render_template(
    name: &str,
    source: &str,
    document: &Document,
    analysis: &Analysis,
) -> Result<String, PageError> {
    let mut env = environment()?;
    env.add_template(name, source).map_err(|e| error(&e))?;
    let mut charts = Vec::new();
    for section in &document.sections {
        charts.extend(section.figures.iter().map(|figure| Chart { section: section.id, figure }));
    }
    let page = env.get_template(name).map_err(|e| error(&e))?;
    page.render(context! {
        view => Value::from(Serde(document)),
        sections => Value::from(Serde(&document.sections)),
        charts => Value::from(Serde(charts)),
        analysis => Value::from(Serde(analysis)),
    })
    .map_err(|e| error(&e))
}

/// A figure beside the section it belongs to, as people's templates find it.
#[derive(Serialize)]
struct Chart<'a> {
    section: &'static str,
    #[serde(flatten)]
    figure: &'a Figure,
}

fn environment<'a>() -> Result<Environment<'a>, PageError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    env.set_syntax(syntax.build().map_err(|e| error(&e))?);
    Ok(env)
}

fn error(source: &minijinja::Error) -> PageError {
    PageError::Template { message: format!("{source:#}") }
}

/// What a Content-Security-Policy calls an inline text it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The record as JSON that no parser of HTML can mistake, thinned when it is too large to send.
#[derive(Default)]
struct Embedded {
    /// Empty when even the thinned record is too large.
    json: String,
    /// What is missing, in words.
    left_out: Option<String>,
}

fn embed(run: &Run) -> Result<Embedded, serde_json::Error> {
    let whole = inert_in_html(&serde_json::to_string(run)?);
    if whole.len() <= MOST {
        return Ok(Embedded { json: whole, left_out: None });
    }
    let mut run = run.clone();
    let visits = |run: &mut Run, thin: fn(&mut Visit)| {
        run.rounds.iter_mut().flat_map(|r| &mut r.visits).for_each(thin);
    };
    visits(&mut run, |v| {
        if let Some(memory) = &mut v.memory {
            memory.series = MemorySeries { marks: std::mem::take(&mut memory.series.marks), ..MemorySeries::default() };
        }
    });
    let thinned = inert_in_html(&serde_json::to_string(&run)?);
    if thinned.len() <= MOST {
        return Ok(Embedded { json: thinned, left_out: Some("the memory readings; run.json has them".into()) });
    }
    visits(&mut run, |v| v.generations.iter_mut().for_each(|g| g.inter_token_ns.clear()));
    let thinned = inert_in_html(&serde_json::to_string(&run)?);
    if thinned.len() <= MOST {
        let left_out = "the memory readings and the times between tokens; run.json has them";
        return Ok(Embedded { json: thinned, left_out: Some(left_out.into()) });
    }
    Ok(Embedded {
        json: String::new(),
        left_out: Some("the record, which is too large for a page; run.json has it".into()),
    })
}
