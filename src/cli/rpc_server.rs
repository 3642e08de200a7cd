//! rpc-server: llama.cpp's own server of its RPC, from this build, so that both sides speak one protocol.

use std::net::IpAddr;

use anyhow::{Result, bail};
use clap::Args;

use super::console::{Exit, notice};
use crate::{
    engine::LlamaEngine,
    probe::{self, rpc},
    record::DeviceInfo,
    text::printable,
};

#[derive(Debug, Args)]
#[command(after_help = WHAT)]
pub(super) struct RpcServerArgs {
    /// Address to listen at: of this machine alone, unless another is named
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Port to listen at
    #[arg(long, default_value_t = 50052, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Devices to lend, by ggml's names [default: every GPU, or the CPU where there is none]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    device: Vec<String>,
    /// Threads of the CPU device [default: as measuring has them]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    threads: Option<u32>,
}

const WHAT: &str = "\
It serves one client after another until it is stopped. On the other machine:
  gguf-bench compare model-F16.gguf model-Q4_K_M.gguf --rpc 192.168.1.2:50052,192.168.1.3:50052

The protocol is neither encrypted nor does it ask who is there. Whoever reaches the port can use the devices, read what is computed,
and perhaps more: llama.cpp calls it fragile and insecure. Keep it on 127.0.0.1 behind an SSH tunnel, or in a network of your own.";

pub(super) fn run(args: &RpcServerArgs) -> Result<Exit> {
    let RpcServerArgs { host, port, device, threads } = args;
    // llama.cpp takes the two apart at the first colon.
    let IpAddr::V4(address) = host else {
        bail!("llama.cpp's RPC server listens at IPv4 addresses only, and {host} is none")
    };
    notice(&exposed(*host, *port));
    let lent = if device.is_empty() { lent(&LlamaEngine::devices()) } else { device.clone() };
    let threads = threads.unwrap_or_else(|| probe::default_threads(None).n_threads);
    match LlamaEngine::serve_rpc(&format!("{address}:{port}"), threads, &lent)? {}
}

/// As llama.cpp's server: what computes faster than the CPU, or else the CPU.
fn lent(devices: &[DeviceInfo]) -> Vec<String> {
    let names = |of: fn(&DeviceInfo) -> bool| -> Vec<String> {
        devices.iter().filter(|device| of(device)).map(|device| device.name.clone()).collect()
    };
    let gpus = names(|device| device.kind.is_gpu());
    if gpus.is_empty() { names(|device| device.kind.is_cpu()) } else { gpus }
}

/// Who reaches the port.
fn exposed(host: IpAddr, port: u16) -> String {
    let at = printable(&host.to_string());
    if host.is_loopback() {
        format!("Only programs of this machine reach {at}:{port}. Stop it with Ctrl-C.\n")
    } else if rpc::is_private(host) {
        format!(
            "Whoever is in the network of {at} reaches port {port}: nothing is encrypted, and nobody is asked who they are. Stop it with Ctrl-C.\n"
        )
    } else {
        format!(
            "WARNING: {at} may be reached from anywhere. Nothing is encrypted, nobody is asked who they are, and llama.cpp calls its server \
             insecure. Close port {port} to other networks. Stop it with Ctrl-C.\n"
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::record::DeviceKind;

    #[test]
    fn a_gpu_is_lent_before_the_cpu() {
        let device = |name: &str, kind| DeviceInfo {
            name: name.into(),
            description: String::new(),
            kind,
            backend: String::new(),
            memory_total_bytes: 0,
            memory_free_bytes: 0,
            pci_id: None,
        };
        let (cpu, blas) = (device("CPU", DeviceKind::Cpu), device("BLAS", DeviceKind::Accelerator));
        let gpus = [device("CUDA0", DeviceKind::Gpu), device("CUDA1", DeviceKind::Gpu)];
        assert_eq!(lent(&[cpu.clone(), blas.clone(), gpus[0].clone(), gpus[1].clone()]), ["CUDA0", "CUDA1"]);
        assert_eq!(lent(&[blas, cpu]), ["CPU"]);
    }

    #[test]
    fn it_says_who_reaches_it() {
        let said = |host: &str| exposed(host.parse().unwrap(), 1);
        assert!(said("127.0.0.1").contains("Only programs of this machine"));
        assert!(said("192.168.1.2").contains("Whoever is in the network"));
        assert!(said("0.0.0.0").starts_with("WARNING") && said("8.8.8.8").starts_with("WARNING"));
    }
}
