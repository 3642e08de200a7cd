//! The record inside the page: as JSON that no parser of HTML can mistake, thinned when it is too large to send.

use crate::record::{MemorySeries, Run};

/// Most bytes of the record in a page; with charts and tables the page stays under 1.5 MB.
const MOST: usize = 800_000;

/// The record as JSON, and what was left out.
pub(super) struct Embedded {
    /// JSON in which `<`, `>` and `&` are escaped; empty when even the thinned record is too large.
    pub(super) json: String,
    /// What is missing, in words.
    pub(super) left_out: Option<String>,
}

pub(super) fn embed(run: &Run) -> Result<Embedded, serde_json::Error> {
    let whole = inert(&serde_json::to_string(run)?);
    if whole.len() <= MOST {
        return Ok(Embedded { json: whole, left_out: None });
    }
    let mut run = run.clone();
    let visits = |run: &mut Run, thin: fn(&mut crate::record::Visit)| {
        run.rounds.iter_mut().flat_map(|r| &mut r.visits).for_each(thin);
    };
    visits(&mut run, |v| {
        if let Some(memory) = &mut v.memory {
            memory.series = MemorySeries { marks: std::mem::take(&mut memory.series.marks), ..MemorySeries::default() };
        }
    });
    let thinned = inert(&serde_json::to_string(&run)?);
    if thinned.len() <= MOST {
        return Ok(Embedded { json: thinned, left_out: Some("the memory readings; run.json has them".into()) });
    }
    visits(&mut run, |v| v.generations.iter_mut().for_each(|g| g.inter_token_ns.clear()));
    let thinned = inert(&serde_json::to_string(&run)?);
    if thinned.len() <= MOST {
        let left_out = "the memory readings and the times between tokens; run.json has them";
        return Ok(Embedded { json: thinned, left_out: Some(left_out.into()) });
    }
    Ok(Embedded {
        json: String::new(),
        left_out: Some("the record, which is too large for a page; run.json has it".into()),
    })
}

/// Inside JSON these signs occur in strings only, where an escape means the same.
pub(super) fn inert(json: &str) -> String {
    let escaped = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    escaped.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_end_is_escaped_and_means_the_same() {
        let text = "</script><!--&";
        let json = inert(&serde_json::to_string(text).expect("a string"));
        assert!(!json.contains(['<', '>', '&']));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }
}
