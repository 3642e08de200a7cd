//! Several machines: two RPC servers of this program on loopback are two devices, which share a model's weights and give the same output; one
//! that is killed ends the run, and `resume` goes on when it is back.
#![cfg(target_os = "linux")]

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use serde_json::Value;

use crate::support::{Bench, Ran, processes::wait_until, quants, untouched};

/// A server that is killed with its test.
struct Server {
    port: u16,
    process: Child,
}

/// A port at which nobody listens, and which nobody is given who asks for any: those lie above. Each is given once.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = (std::process::id() % 500) as u16 * 20;
    let next = || 11_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
    (0..10_000).map(|_| next()).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

impl Server {
    fn start() -> Self {
        Self::at(free_port())
    }

    fn at(port: u16) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gguf-bench"));
        command.args(["rpc-server", "--threads", "1", "--port", &port.to_string()]);
        let mut process = untouched(&mut command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the server listens", || {
            assert!(process.try_wait().unwrap().is_none(), "the server at port {port} has ended");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { port, process }
    }

    fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The bundled model and its `Q8_0`, which on x86 is laid out the same here and there: a `Q4_K` is laid out anew for a CPU of this process
/// alone, and computed in another order.
fn compare(options: &str) -> Bench {
    Bench::new(&format!(
        "compare {{pocket}} {} --pp 8 --tg 4 --prompts none --out out {options}",
        quants()[0].display()
    ))
}

/// The mean KLD of each window, and what the candidate's perplexity is over the original's.
fn outputs(ran: &Ran) -> Vec<f64> {
    let result = ran.json("out/run.json")["quality"]["results"][0].clone();
    let windows =
        result["texts"].as_array().unwrap().iter().flat_map(|text| text["windows"].as_array().unwrap().clone());
    let klds = windows.map(|window| window["kld_nats"].as_f64().unwrap());
    klds.chain([result["overall"]["ppl_ratio"]["value"].as_f64().unwrap()]).collect()
}

#[test]
fn two_servers_share_a_model_and_give_the_same_output() {
    let servers = [Server::start(), Server::start()];
    let endpoints = servers.each_ref().map(Server::endpoint);
    let options = "--quick --ctx 64 --max-windows 4";
    let spread = compare(&format!("{options} -rpc {}", endpoints.join(","))).run().ok();
    let alone = compare(options).run().ok();
    let (own, alone) = (outputs(&spread), outputs(&alone));
    assert_eq!((own.len(), alone.len()), (5, 5));
    for (own, alone) in own.iter().zip(&alone) {
        assert!((own - alone).abs() < 1e-3, "{own} and {alone}");
    }

    let run = spread.json("out/run.json");
    assert_eq!(run["subjects"][1]["settings"]["rpc"], Value::from(endpoints.to_vec()));
    for (server, endpoint) in run["machine"]["rpc_servers"].as_array().unwrap().iter().zip(&endpoints) {
        assert_eq!(server["endpoint"], endpoint.as_str());
        // Ours is a constant beside the pinned engine; theirs is what that engine says.
        assert_eq!(server["protocol"], server["own_protocol"]);
        assert_eq!(server["devices"].as_array().unwrap().len(), 1, "{server}");
    }
    assert_eq!(run["adaptation"]["decisions"][0], "one_client_a_server");
    for visit in run["rounds"][0]["visits"].as_array().unwrap() {
        let weights = |endpoint: &String| {
            let of = |buffer: &&Value| buffer["name"].as_str().unwrap().contains(endpoint.as_str());
            visit["buffers"].as_array().unwrap().iter().find(of).unwrap()["weights_bytes"].as_u64().unwrap()
        };
        let [one, other] = endpoints.each_ref().map(weights);
        assert!(one > 0 && other > 0, "{visit}");
    }
    let report = spread.read("out/report.html");
    assert!(report.contains("Several machines") && report.contains(&endpoints[1]), "{report}");
}

#[test]
fn a_server_killed_in_the_middle_is_waited_for() {
    let killed = || {
        let mut server = Server::start();
        let bench = compare(&format!("--rounds 12..12 --no-quality --quiet --rpc {}", server.endpoint()));
        let journal = bench.folder.path().join("out/run.jsonl");
        let rounds = || std::fs::read_to_string(&journal).unwrap_or_default().matches("{\"round\":").count();
        let child = bench.spawn();
        wait_until("a round is done", || rounds() > 0);
        server.kill();
        (server, bench.ran(child))
    };
    // This process may be stopped until the run is over.
    let (server, ran) = (0..5).map(|_| killed()).find(|(_, ran)| ran.code != 0).expect("one was killed in the middle");
    let endpoint = server.endpoint();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.tells("RPC server") && ran.tells("resume out` goes on"), "{}", ran.stderr);
    let run = ran.json("out/run.json");
    assert_eq!(run["ended"], "server_lost");
    let failed = run["rounds"].as_array().unwrap().iter().flat_map(|round| round["visits"].as_array().unwrap());
    let failed: Vec<&Value> = failed.filter(|visit| !visit["outcome"]["failed"].is_null()).collect();
    assert!(failed.len() == 1 && failed[0]["outcome"]["failed"]["stage"] == "server", "{failed:?}");

    let ran = Bench::at(ran.folder, "resume out --quiet").run();
    assert_eq!(ran.code, 1);
    assert!(ran.tells(&format!("{endpoint} can't be reached")), "{}", ran.stderr);

    let _back = Server::at(server.port);
    let ran = Bench::at(ran.folder, "resume out --quiet").run().ok();
    let run = ran.json("out/run.json");
    assert_eq!((&run["ended"], run["rounds"].as_array().unwrap().len()), (&Value::from("rounds_done"), 12));
    assert!(run["subjects"].as_array().unwrap().iter().all(|subject| subject["outcome"] == "done"), "{run}");
}

#[test]
fn what_is_no_server_is_told_before_anything_is_measured() {
    let nobody = free_port();
    for (servers, code, told) in [
        (format!("127.0.0.1:{nobody}"), 1, "can't be reached"),
        ("8.8.8.8:50052".into(), 1, "is a public address"),
        ("here".into(), 2, "write HOST:PORT"),
    ] {
        let ran = compare(&format!("--quick --rpc {servers}")).run();
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.tells(told), "{}", ran.stderr);
        assert!(!ran.folder.path().join("out").exists());
    }
}

#[test]
fn layers_are_fitted_to_the_memory_of_the_devices() {
    let server = Server::start();
    // A margin of a MiB leaves room for all of it, and one that no machine has for nothing.
    let line = format!(
        "compare {{pocket}} -fitt 1,16000000 -fitc 256 --pp 8 --tg 4 --quick --prompts none --no-quality --out out -rpc {}",
        server.endpoint()
    );
    let ran = Bench::new(&line).run().ok();
    let record = ran.json("out/run.json");
    let on_server = |subject: usize| {
        let buffers = record["probes"][subject]["buffers"].as_array().unwrap();
        let of_it = buffers.iter().filter(|buffer| buffer["name"].as_str().unwrap().contains(&server.endpoint()));
        of_it.map(|buffer| buffer["weights_bytes"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(on_server(0) > 4 << 20, "{}", record["probes"][0]["buffers"]);
    assert_eq!(on_server(1), 0, "{}", record["probes"][1]["buffers"]);
    let ran = Bench::at(ran.folder, "report out/run.json --format llama-bench-json").run().ok();
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let columns = |row: &Value| [row["fit_target"].as_u64(), row["fit_min_ctx"].as_u64()];
    let all: Vec<_> = rows.iter().map(columns).collect();
    assert_eq!(
        all,
        [[Some(1), Some(256)], [Some(1), Some(256)], [Some(16_000_000), Some(256)], [Some(16_000_000), Some(256)]]
    );
}
