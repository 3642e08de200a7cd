//! Several machines: the RPC servers that took part, and how much of each model each device held.

use super::names::name;
use crate::{
    analysis::{Analysis, Unit},
    record::{Buffer, DeviceInfo, RpcServer},
    report::{
        document::{Cell, Column, Section, Table},
        number::{Scale, UNKNOWN, percent},
        text::inert_line,
    },
    units::{GIB, MIB},
};

/// Nothing where one machine did it all.
pub(super) fn section(analysis: &Analysis) -> Section {
    Section {
        id: "machines",
        title: "Several machines",
        lead: "Devices of other machines held layers and computed them over a network. The network's speed is in every figure of speed here.",
        tables: vec![servers(analysis), shares(analysis)],
        figures: Vec::new(),
    }
}

fn servers(analysis: &Analysis) -> Table {
    let machine = &analysis.context.machine;
    let columns = vec![
        Column::text("server"),
        Column::text("its devices here"),
        Column::number("free memory", "GiB"),
        Column::text("protocol"),
        Column::text("this program's"),
    ];
    let row = |RpcServer { endpoint, protocol, own_protocol, devices }: &RpcServer| {
        let of: Vec<&DeviceInfo> = machine.devices.iter().filter(|device| devices.contains(&device.name)).collect();
        let free = of.iter().map(|device| device.memory_free_bytes).fold(0, u64::saturating_add);
        vec![
            Cell::text(inert_line(endpoint)),
            Cell::text(inert_line(&devices.join(", "))),
            Cell::number(Scale::of(Unit::Bytes, GIB).number(free as f64), free as f64),
            Cell::text(inert_line(protocol)),
            Cell::text(inert_line(own_protocol)),
        ]
    };
    let rows = machine.rpc_servers.iter().map(row).collect();
    let mut table = Table::new("rpc-servers", "Servers that took part", columns, rows);
    table.notes = vec!["A server tells the version of the protocol, but not of the llama.cpp behind it.".into()];
    table
}

/// One row a model and buffer that holds weights.
fn shares(analysis: &Analysis) -> Table {
    let columns =
        vec![Column::text("model"), Column::text("held by"), Column::number("weights", "MiB"), Column::text("share")];
    let mut rows = Vec::new();
    let took_part = !analysis.context.machine.rpc_servers.is_empty();
    for (model, memory) in analysis.models.iter().filter_map(|model| Some((model, model.memory.as_ref()?))) {
        let all: u64 = memory.buffers.iter().map(|buffer| buffer.weights_bytes).sum();
        for Buffer { name: buffer, weights_bytes, .. } in
            memory.buffers.iter().filter(|b| took_part && b.weights_bytes > 0)
        {
            let share = if all == 0 { UNKNOWN.into() } else { percent(*weights_bytes as f64 / all as f64) };
            rows.push(vec![
                Cell::text(name(model)),
                Cell::text(inert_line(buffer)),
                Cell::number(Scale::of(Unit::Bytes, MIB).number(*weights_bytes as f64), *weights_bytes as f64),
                Cell::text(share),
            ]);
        }
    }
    Table::new("weights-by-machine", "Where the weights lay", columns, rows)
}
