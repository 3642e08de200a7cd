//! Memory: what the kernel says of each worker, llama.cpp's own account, what the header made us expect.

mod timeline;

use super::names::name;
use crate::{
    analysis::{Analysis, DeviceUse, MemorySummary, ModelAnalysis, Unit},
    report::{
        document::{Cell, Column, Figure, Section, Table},
        draw::{
            axis::Axis,
            canvas::{Anchor, Canvas, DrawError, Face, Ink, Size, svg},
        },
        figure::both,
        number::{Scale, bytes, percent, sig3},
        text::{inert_line, list, shorten},
    },
};

pub(super) fn section(analysis: &Analysis) -> Result<Section, DrawError> {
    Ok(Section {
        id: "memory",
        title: "Memory",
        lead: "Resident memory of each model's own process, and what it takes on devices. Weights mapped from the file are file-backed: \
             the system can drop them and read them again. llama.cpp's account and the size expected from the header stand beside it.",
        tables: devices(analysis).into_iter().chain([resident(analysis), buffers(analysis)]).collect(),
        figures: both(|size| parts(analysis, size))?
            .into_iter()
            .chain(both(|size| timeline::figure(analysis, size))?)
            .collect(),
    })
}

/// Resident memory, medians over rounds.
fn resident(analysis: &Analysis) -> Table {
    type Field = (&'static str, fn(&MemorySummary) -> Option<f64>);
    let fields: [Field; 11] = [
        ("initial", |m| Some(m.initial_bytes)),
        ("after load", |m| Some(m.after_load_bytes)),
        ("least", |m| Some(m.min_bytes)),
        ("average", |m| Some(m.average_bytes)),
        ("std. dev.", |m| Some(m.std_bytes)),
        ("greatest", |m| Some(m.max_bytes)),
        ("peak", |m| Some(m.peak_bytes)),
        ("increase", |m| Some(m.increase_bytes)),
        ("anonymous", |m| m.peak_anon_bytes),
        ("file-backed", |m| m.peak_file_bytes),
        ("expected", |m| m.expected_bytes.map(|b| b as f64)),
    ];
    let with: Vec<_> = analysis.models.iter().filter_map(|m| Some((m, m.memory.as_ref()?))).collect();
    let scale = Scale::for_all(Unit::Bytes, with.iter().map(|(_, s)| s.peak_bytes));
    let mut columns = vec![Column::text("model")];
    columns.extend(fields.iter().map(|(title, _)| Column::number(title, scale.suffix)));
    let row = |(m, s): &(&ModelAnalysis, &MemorySummary)| {
        let mut cells = vec![Cell::text(name(m))];
        cells.extend(fields.iter().map(|(_, get)| Cell::maybe(get(s), |v| scale.number(v), "not readable here")));
        cells
    };
    let mut t =
        Table::new("memory-table", "Resident memory, medians over rounds", columns, with.iter().map(row).collect());
    let readings: Vec<String> = with.iter().map(|(m, s)| reading(m, s)).collect();
    if !readings.is_empty() {
        t.notes.push(format!("Readings: {}.", readings.join("; ")));
    }
    let twice = |(m, s): &(&ModelAnalysis, &MemorySummary)| {
        (s.repacked_bytes > 0).then(|| format!("{} ({})", name(m), bytes(s.repacked_bytes as f64)))
    };
    let twice: Vec<String> = with.iter().filter_map(twice).collect();
    if !twice.is_empty() {
        t.notes.push(format!(
            "Weights held twice: {}. llama.cpp lays them out anew for this CPU, in anonymous memory. The file's own pages, which it \
             reads for that, count as file-backed and can be dropped.",
            list(&twice)
        ));
    }
    t.notes.push(
        "Expected, from the header: weights, those laid out anew for the CPU a second time, and KV cache. Compute buffers and the \
         program itself are not in it."
            .into(),
    );
    t
}

fn reading(m: &ModelAnalysis, s: &MemorySummary) -> String {
    let cost = s.sampling_cpu_share.map_or("cost n/a".into(), |c| format!("for {} of one core", percent(c)));
    format!("{} {} a second {cost}", name(m), sig3(s.readings_per_s))
}

/// What each model takes of each device, by both accounts; `None` where there is no device.
fn devices(analysis: &Analysis) -> Option<Table> {
    let with: Vec<(&ModelAnalysis, &DeviceUse)> = analysis
        .models
        .iter()
        .filter_map(|m| Some((m, m.memory.as_ref()?)))
        .flat_map(|(m, memory)| memory.devices.iter().map(move |device| (m, device)))
        .collect();
    let scale =
        Scale::for_all(Unit::Bytes, with.iter().map(|(_, d)| d.taken_bytes() as f64).filter(|bytes| *bytes > 0.0));
    let columns = ["free memory fell by", "llama.cpp's account", "beyond it", "free before", "total"];
    let columns = columns.map(|title| Column::number(title, scale.suffix));
    let columns = [Column::text("model"), Column::text("device")].into_iter().chain(columns).collect();
    let cell = |b: u64| Cell::number(scale.number(b as f64), b as f64);
    let row = |(m, d): &(&ModelAnalysis, &DeviceUse)| {
        let shared = if d.is_unified { " (in the machine's memory)" } else { "" };
        let mut row = vec![Cell::text(name(m)), Cell::text(format!("{}{shared}", inert_line(&d.name)))];
        row.push(Cell::maybe(d.fell_bytes.map(|b| b as f64), |b| scale.number(b), "not told"));
        row.push(cell(d.account_bytes));
        row.push(Cell::maybe(d.beyond_bytes().map(|b| b as f64), |b| scale.number(b), "not told"));
        row.extend([d.free_before_bytes, d.total_bytes].map(cell));
        row
    };
    let any = |is: fn(&DeviceUse) -> bool| with.iter().any(|(_, d)| is(d));
    let title = "Memory of devices, read once, each model alone";
    let mut table = Table::new("device-memory", title, columns, with.iter().map(row).collect());
    if any(|d| d.fell_bytes.is_some()) {
        table.notes.push(
            "Beyond llama.cpp's account lies what its backend keeps on the device for itself, such as kernels and handles. It is much the \
             same for every model."
                .into(),
        );
    }
    if any(|d| d.fell_bytes.is_none()) {
        table.notes.push(format!("n/a: {SILENT_DRIVER}. There llama.cpp's own account stands for device memory."));
    }
    if any(|d| d.is_unified) {
        table.notes.push(
            "A device in the machine's memory takes nothing beside it, so device and resident memory are not to be added."
                .into(),
        );
    }
    (!with.is_empty()).then_some(table)
}

/// Weights, KV cache and compute buffers by buffer type.
fn buffers(analysis: &Analysis) -> Table {
    let all = || analysis.models.iter().filter_map(|m| Some((m, m.memory.as_ref()?)));
    let scale = Scale::for_all(Unit::Bytes, all().map(|(_, s)| s.totals.weights_bytes as f64));
    let columns = ["weights", "KV cache", "compute", "total"].map(|title| Column::number(title, scale.suffix));
    let columns = [Column::text("model"), Column::text("buffer type")].into_iter().chain(columns).collect();
    let cell = |b: u64| Cell::number(scale.number(b as f64), b as f64);
    let mut rows = Vec::new();
    for (m, s) in all() {
        for b in &s.buffers {
            let total = b.weights_bytes.saturating_add(b.context_bytes).saturating_add(b.compute_bytes);
            let place = if b.host { "" } else { " (device)" };
            let mut row = vec![Cell::text(name(m)), Cell::text(format!("{}{place}", inert_line(&b.name)))];
            row.extend([b.weights_bytes, b.context_bytes, b.compute_bytes, total].map(cell));
            rows.push(row);
        }
    }
    Table::new("buffers", "llama.cpp's own account, by buffer type", columns, rows)
}

/// Why there is no account but llama.cpp's.
const SILENT_DRIVER: &str = "the driver does not say how much of its memory is free";

const ROW: i32 = 56;
/// Where the legend's parts begin.
const INDENT: i32 = 70;
/// Between lines of the legend.
const LINE: i32 = 18;

fn parts(analysis: &Analysis, size: Size) -> Result<Option<Figure>, DrawError> {
    let models: Vec<(String, &MemorySummary)> =
        analysis.models.iter().filter_map(|m| Some((shorten(&name(m), 22), m.memory.as_ref()?))).collect();
    if models.is_empty() {
        return Ok(None);
    }
    let any_device = models.iter().any(|(_, m)| on_devices(m) > 0.0);
    let most = models.iter().map(|(_, m)| measured(m).max(account(m))).fold(0.0, f64::max);
    let scale = Scale::of(Unit::Bytes, most);
    let widest = models.iter().map(|(n, _)| Face::Bold.width(n)).max().unwrap_or(0).max(Face::Small.width("llama.cpp"));
    // A long name leaves no room for bars, and is cut.
    let left = (widest + 10).min(size.width * 2 / 5);
    let right =
        models.iter().map(|(_, m)| Face::Normal.width(&scale.number(measured(m).max(account(m))))).max().unwrap_or(0)
            + 12;
    let x = Axis::up_to(most, (left, left + (size.width - left - right).max(80)));
    let title = format!("Memory by part, {}", scale.suffix);
    let say = |(n, m): &(String, &MemorySummary)| {
        format!("{n}: llama.cpp {}, measured {}", scale.number(account(m)), scale.number(measured(m)))
    };
    let desc = models.iter().map(say).collect::<Vec<_>>().join("; ");
    let top = legend_height(size, any_device);
    let height = top + ROW * i32::try_from(models.len()).unwrap_or(0);
    let svg = svg(&size.id("chart-memory"), &title, &desc, (size.width, height), |canvas| {
        legend(canvas, size, any_device);
        for (i, (name, m)) in (0_i32..).zip(&models) {
            let y = top + i * ROW;
            canvas.text(Ink::Text, Face::Bold, Anchor::Start, (0, y + 12), &fitting(name, left - 10));
            draw_model(canvas, m, (y, size.width), left, &x, scale);
        }
    })?;
    let note = "Upper bar: llama.cpp's own account. Lower bar: what devices hold, then the measured peak, split at the greatest anonymous part seen. \
                The mark is what the header makes us expect: weights, also those held twice, and KV cache."
        .into();
    Ok(Some(Figure { id: "chart-memory".into(), title, note, svg, narrow: None }))
}

/// llama.cpp's sum over buffers in host memory and on devices.
fn account(m: &MemorySummary) -> f64 {
    m.totals.weights_bytes as f64 + m.totals.context_bytes as f64 + m.totals.compute_bytes as f64
}

/// Of devices with memory of their own: what lies in the machine's is in the peak.
fn on_devices(m: &MemorySummary) -> f64 {
    m.devices.iter().filter(|d| !d.is_unified).map(|d| d.taken_bytes() as f64).sum()
}

/// The peak, and beside it what devices hold.
fn measured(m: &MemorySummary) -> f64 {
    m.peak_bytes + on_devices(m)
}

/// As many characters of a name as there is room for.
fn fitting(name: &str, room: i32) -> String {
    let most = (1..=name.chars().count()).rev().find(|most| Face::Bold.width(&shorten(name, *most)) <= room);
    shorten(name, most.unwrap_or(1))
}

/// What the parts are called: first llama.cpp's, then what was measured.
fn items(devices: bool) -> [Vec<(Ink, &'static str)>; 2] {
    let mut of_measured = vec![(Ink::Weights, "file-backed"), (Ink::Compute, "anonymous"), (Ink::Text, "expected")];
    if devices {
        of_measured.insert(0, (Ink::Context, "on devices"));
    }
    [vec![(Ink::Weights, "weights"), (Ink::Context, "KV cache"), (Ink::Compute, "compute buffers")], of_measured]
}

/// A part, its name, and where that lies.
type PlacedPart = (Ink, &'static str, (i32, i32));

/// Where each part's name lies, from the top left: what does not fit a line goes on the next.
fn legend_places(size: Size, devices: bool) -> Vec<(&'static str, Vec<PlacedPart>)> {
    let mut y = 10;
    let heads = ["llama.cpp:", "measured:"].into_iter().zip(items(devices));
    let line = |(head, items): (&'static str, Vec<(Ink, &'static str)>)| {
        let mut x = INDENT;
        let mut placed = Vec::new();
        for (ink, label) in items {
            let width = 15 + Face::Small.width(label);
            if x > INDENT && x + width > size.width {
                (x, y) = (INDENT, y + LINE);
            }
            placed.push((ink, label, (x, y)));
            x += width + 14;
        }
        y += LINE;
        (head, placed)
    };
    heads.map(line).collect()
}

fn legend_height(size: Size, devices: bool) -> i32 {
    let last = legend_places(size, devices).into_iter().flat_map(|(_, items)| items).map(|(.., (_, y))| y).max();
    last.unwrap_or(0) + 24
}

fn legend(canvas: &mut Canvas<'_>, size: Size, devices: bool) {
    for (head, items) in legend_places(size, devices) {
        let top = items.first().map_or(10, |(.., (_, y))| *y);
        canvas.text(Ink::Muted, Face::Small, Anchor::Start, (0, top), head);
        for (ink, label, (x, y)) in items {
            let w = if ink == Ink::Text { 2 } else { 10 };
            canvas.rect(ink, (x, y - 5), (w, 10));
            canvas.text(Ink::Muted, Face::Small, Anchor::Start, (x + 15, y), label);
        }
    }
}

fn draw_model(canvas: &mut Canvas<'_>, m: &MemorySummary, (y, width): (i32, i32), left: i32, x: &Axis, scale: Scale) {
    let t = &m.totals;
    let parts = [
        (Ink::Weights, t.weights_bytes as f64),
        (Ink::Context, t.context_bytes as f64),
        (Ink::Compute, t.compute_bytes as f64),
    ];
    stack(canvas, &parts, y + 4, x);
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (width - 2, y + 12), &scale.number(account(m)));
    let peak = m.peak_bytes;
    let mut parts = match m.peak_anon_bytes {
        Some(anon) => vec![(Ink::Weights, (peak - anon).max(0.0)), (Ink::Compute, anon.min(peak))],
        None => vec![(Ink::Original, peak)],
    };
    let of_devices = on_devices(m);
    if of_devices > 0.0 {
        parts.insert(0, (Ink::Context, of_devices));
    }
    canvas.text(Ink::Muted, Face::Small, Anchor::Start, (0, y + 32), "measured");
    stack(canvas, &parts, y + 24, x);
    canvas.text(Ink::Text, Face::Normal, Anchor::End, (width - 2, y + 32), &scale.number(measured(m)));
    if let Some(expected) = m.expected_bytes {
        let at = x.at(expected as f64);
        canvas.line(Ink::Page, (at - 2, y + 1), (at - 2, y + 43), 1);
        canvas.line(Ink::Text, (at, y + 1), (at, y + 43), 2);
    }
    canvas.line(Ink::Muted, (left, y + 1), (left, y + 43), 1);
}

/// Parts end to end, a gap between them so that they are told apart in grey.
fn stack(canvas: &mut Canvas<'_>, parts: &[(Ink, f64)], y: i32, x: &Axis) {
    let mut from = 0.0;
    for (ink, bytes) in parts {
        canvas.rect(*ink, (x.at(from), y), (x.at(from + bytes) - x.at(from) - 1, 16));
        from += bytes;
    }
}
