//! Mean KLD by domain, with its interval: where a candidate suffers most.

use crate::{
    analysis::{self, Analysis},
    report::{
        document::Figure,
        draw::{
            axis::{Axis, grid_across},
            canvas::{Anchor, DrawError, Face, Ink, Size, svg},
            rows::Rows,
        },
        number::nats,
        section::names::name,
        text::{inert_line, shorten},
    },
};

const ROW: i32 = 21;
const HEAD: i32 = 28;
const FOOT: i32 = 40;

struct Row {
    label: String,
    text: String,
    kld: analysis::Figure,
}

pub(super) fn figure(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let groups: Vec<(String, Vec<Row>)> = analysis
        .models
        .iter()
        .filter_map(|m| {
            let domains = &m.quality.as_ref()?.domains;
            (domains.len() > 1).then(|| {
                let row = |t: &analysis::DomainFigures| {
                    let kld = t.figures.kld_mean_nats;
                    let interval = kld.low.zip(kld.high);
                    let interval = interval.map_or(String::new(), |(l, h)| format!(" [{}, {}]", nats(l), nats(h)));
                    let text = format!("{}{interval}", nats(kld.value));
                    Row { label: shorten(&inert_line(&t.domain), 22), text, kld }
                };
                (shorten(&name(m), 40), domains.iter().map(row).collect())
            })
        })
        .collect();
    let rows = || groups.iter().flat_map(|(_, rows)| rows);
    let frame = Rows::of(size, rows().map(|r| (&r.label[..], &r.text[..])), ROW);
    let ends = rows().flat_map(|r| [Some(r.kld.value), r.kld.low, r.kld.high]).flatten();
    let Some(axis) = Axis::holding(ends, (frame.left, frame.right)) else { return Ok(None) };
    let title = "Mean KLD by domain";
    let say = |(model, rows): &(String, Vec<Row>)| {
        rows.iter().map(|r| format!("{model}, {}: {}", r.label, r.text)).collect::<Vec<_>>().join("; ")
    };
    let desc = groups.iter().map(say).collect::<Vec<_>>().join("; ");
    let len = |n: usize| i32::try_from(n).unwrap_or(0);
    let height = FOOT + groups.iter().map(|(_, rows)| HEAD + len(rows.len()) * frame.height).sum::<i32>();
    let svg = svg(&size.id("chart-kld-domain"), title, &desc, (size.width, height), |canvas| {
        grid_across(canvas, &axis.decades(), 0, height - FOOT);
        let mut y = 0;
        for (head, rows) in &groups {
            canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + HEAD / 2 + 3), head);
            y += HEAD;
            for row in rows {
                let middle = y + frame.mark;
                frame.words(canvas, y, &row.label, (Ink::Text, &row.text));
                if let Some((low, high)) = row.kld.low.zip(row.kld.high) {
                    canvas.line(Ink::Candidate, (axis.at(low), middle), (axis.at(high), middle), 2);
                }
                canvas.dot(Ink::Candidate, (axis.at(row.kld.value), middle), 4, true);
                y += frame.height;
            }
        }
        canvas.text(Ink::Muted, Face::Small, Anchor::End, (size.width - 2, height - 8), "nats, logarithmic");
    })?;
    let note =
        "Less is better. Lines: intervals, where a domain has enough documents, or a text enough windows.".into();
    Ok(Some(Figure { id: "chart-kld-domain".into(), title: title.into(), note, svg, narrow: None }))
}
