//! doctor: whether numbers from this machine and build can be trusted, each row with a remedy.

use anyhow::Result;

use super::{args::DoctorArgs, exit::Exit, machine, print};

pub(super) fn run(args: &DoctorArgs) -> Result<Exit> {
    let here = machine::here()?;
    let _ = args;
    print(&serde_json::to_string_pretty(&here.machine)?)
}
