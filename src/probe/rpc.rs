//! Servers of llama.cpp's RPC: whether one answers, and which protocol it speaks, asked before ggml is, which aborts where it is not told
//! what it expects.

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv6Addr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use thiserror::Error;

/// How long a server may take to answer a greeting. It serves one client after another: one that is busy does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// As many servers as ggml has room for.
pub(crate) const MOST_SERVERS: usize = 16;

/// The version of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RpcProtocol {
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) patch: u8,
}

/// What llama.cpp's client in this program speaks: `ggml-rpc.h` of the pinned engine. A test asks our own server, which is of the same
/// build, whether it still does.
pub(crate) const OWN_PROTOCOL: RpcProtocol = RpcProtocol { major: 7, minor: 0, patch: 0 };

impl fmt::Display for RpcProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch } = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl RpcProtocol {
    /// Whether our client talks to such a server.
    fn is_understood(self) -> bool {
        let Self { major, minor, patch: _ } = OWN_PROTOCOL;
        self.major == major && self.minor <= minor
    }
}

/// Why a server is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RpcError {
    #[error("{endpoint} names no RPC server: write HOST:PORT, as 192.168.1.2:50052")]
    NotAnEndpoint { endpoint: String },
    #[error("the RPC server {endpoint} can't be found: {reason}")]
    Unresolved { endpoint: String, reason: String },
    #[error(
        "{address}, of the RPC server {endpoint}, is a public address: the protocol is neither encrypted nor does it ask who is there; \
         reach it through a tunnel (ssh -L 50052:localhost:50052) or a private network"
    )]
    Public { endpoint: String, address: IpAddr },
    #[error("the RPC server {endpoint} can't be reached: {reason}; is it running (gguf-bench rpc-server)?")]
    Unreachable { endpoint: String, reason: String },
    #[error(
        "the RPC server {endpoint} did not answer within {} s: it serves one client after another, and may be busy with another",
        PATIENCE.as_secs()
    )]
    Busy { endpoint: String },
    #[error("what answers at {endpoint} is no RPC server of llama.cpp, or one of another protocol")]
    NotAServer { endpoint: String },
    #[error(
        "the RPC server {endpoint} speaks protocol {theirs} and this program {OWN_PROTOCOL}: start one of the same build \
         (gguf-bench rpc-server)"
    )]
    OtherProtocol { endpoint: String, theirs: RpcProtocol },
    #[error(
        "llama.cpp was built without RPC: build with GGML_RPC=ON in the environment, as this project's .cargo/config.toml sets it"
    )]
    NotBuiltIn,
}

/// Host and port, as llama.cpp takes them apart: at the first colon.
pub(crate) fn endpoint(text: &str) -> Result<(&str, u16), RpcError> {
    let not = || RpcError::NotAnEndpoint { endpoint: text.into() };
    let (host, port) = text.split_once(':').ok_or_else(not)?;
    let port: u16 = port.parse().map_err(|_| not())?;
    if host.is_empty() || host.contains(char::is_whitespace) || port == 0 { Err(not()) } else { Ok((host, port)) }
}

/// Greets a server and hears which protocol it speaks.
pub(crate) fn greet(text: &str, patience: Duration) -> Result<RpcProtocol, RpcError> {
    let name = || text.to_owned();
    let (host, port) = endpoint(text)?;
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|error| RpcError::Unresolved { endpoint: name(), reason: error.to_string() })?
        .collect();
    if let Some(public) = addresses.iter().find(|address| !is_private(address.ip())) {
        return Err(RpcError::Public { endpoint: name(), address: public.ip() });
    }
    let unreachable = |reason: String| RpcError::Unreachable { endpoint: name(), reason };
    let mut last = unreachable("it has no address".into());
    for address in &addresses {
        match TcpStream::connect_timeout(address, patience) {
            Ok(stream) => return hear(stream, text, patience),
            Err(error) => last = unreachable(error.to_string()),
        }
    }
    Err(last)
}

/// The command, the length of what follows, and what the client's transport can: nothing but TCP.
const CAPABILITIES: usize = 24;
const HELLO: u8 = 14;
/// Major, minor, patch, a byte of padding, the server's capabilities.
const ANSWER: usize = 4 + CAPABILITIES;

fn hear(mut stream: TcpStream, text: &str, patience: Duration) -> Result<RpcProtocol, RpcError> {
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => RpcError::Busy { endpoint: text.into() },
        _ => RpcError::NotAServer { endpoint: text.into() },
    };
    let mut hello = vec![HELLO];
    hello.extend((CAPABILITIES as u64).to_le_bytes());
    hello.extend([0; CAPABILITIES]);
    let mut length = [0; 8];
    stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.write_all(&hello))
        .and_then(|()| stream.read_exact(&mut length))
        .map_err(|error| failed(&error))?;
    if u64::from_le_bytes(length) != ANSWER as u64 {
        return Err(RpcError::NotAServer { endpoint: text.into() });
    }
    let mut answer = [0; ANSWER];
    stream.read_exact(&mut answer).map_err(|error| failed(&error))?;
    let [major, minor, patch, ..] = answer;
    let theirs = RpcProtocol { major, minor, patch };
    if theirs.is_understood() { Ok(theirs) } else { Err(RpcError::OtherProtocol { endpoint: text.into(), theirs }) }
}

/// Whether an address is of this machine or of a network that is not the internet.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // The last are addresses that providers and overlay networks share out among their own (RFC 6598).
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(IpAddr::V4(v4)),
            None => v6 == Ipv6Addr::LOCALHOST || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{net::TcpListener, sync::mpsc, thread};

    use super::*;

    const SOON: Duration = Duration::from_millis(200);
    /// Longer than any machine takes to answer at once.
    const LATE: Duration = Duration::from_mins(2);

    /// What is heard from someone who reads the greeting and answers so.
    fn heard(answer: Option<Vec<u8>>) -> Result<RpcProtocol, RpcError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let patience = if answer.is_some() { LATE } else { SOON };
        let (is_heard, heard_it) = mpsc::channel();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut greeting = [0; 1 + 8 + CAPABILITIES];
            client.read_exact(&mut greeting).unwrap();
            assert_eq!((greeting[0], greeting[1]), (14, 24));
            match answer {
                Some(answer) => client.write_all(&answer).unwrap(),
                None => heard_it.recv().unwrap(),
            }
        });
        let heard = greet(&format!("127.0.0.1:{port}"), patience);
        // Whoever answered does not wait for it.
        let _ = is_heard.send(());
        server.join().unwrap();
        heard
    }

    fn of_version(major: u8, minor: u8) -> Vec<u8> {
        let mut answer = (ANSWER as u64).to_le_bytes().to_vec();
        answer.extend([major, minor, 3, 0]);
        answer.extend([0; CAPABILITIES]);
        answer
    }

    #[test]
    fn a_server_of_our_protocol_is_told_from_others() {
        assert_eq!(heard(Some(of_version(7, 0))), Ok(RpcProtocol { major: 7, minor: 0, patch: 3 }));
        for (major, minor) in [(6, 0), (7, 1), (8, 0)] {
            assert!(matches!(heard(Some(of_version(major, minor))), Err(RpcError::OtherProtocol { .. })));
        }
        assert!(matches!(heard(Some(b"HTTP/1.1 400 Bad Request\r\n".to_vec())), Err(RpcError::NotAServer { .. })));
        assert!(matches!(heard(Some(Vec::new())), Err(RpcError::NotAServer { .. })));
        assert!(matches!(heard(None), Err(RpcError::Busy { .. })));
        // Nobody listens at a port that is given to none who asks for any.
        assert!(matches!(greet("127.0.0.1:9", LATE), Err(RpcError::Unreachable { .. })));
    }

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        assert_eq!(endpoint("box.local:50052"), Ok(("box.local", 50052)));
        for wrong in ["", "box", "box:", ":50052", "box:0", "box:70000", "::1:50052", "a b:1"] {
            assert!(matches!(endpoint(wrong), Err(RpcError::NotAnEndpoint { .. })), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_said_to_the_internet() {
        for private in
            ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
        assert!(matches!(greet("8.8.8.8:50052", SOON), Err(RpcError::Public { .. })));
    }
}
