//! A small Hub on 127.0.0.1: real HTTP, and the ways a real one fails.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use sha2::{Digest, Sha256};

/// A repository and how it behaves.
#[derive(Clone, Default)]
pub(crate) struct Repo {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) manner: Manner,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    #[default]
    Good,
    /// Every question about it is answered with this status.
    Status(u16),
    /// It wants a token.
    Gated,
    /// A transfer from the start ends in the middle.
    CutOnce,
    /// Every transfer ends after some bytes.
    CutAlways,
    /// The list of files gives another checksum than the file has.
    WrongChecksum,
    /// The header that names the blob leads out of the cache.
    HostileTag,
}

type State = Arc<Mutex<(BTreeMap<String, Repo>, Vec<String>)>>;

/// A Hub that lives as long as the test process.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    state: State,
}

pub(crate) const TOKEN: &str = "hf_test";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Hub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = State::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away in the middle is the client's affair.
                thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Self { endpoint, state }
    }

    pub(crate) fn with(self, name: &str, manner: Manner, files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        self.state.lock().unwrap().0.insert(name.into(), Repo { files, manner });
        self
    }

    pub(crate) fn heal(&self, name: &str) {
        self.state.lock().unwrap().0.get_mut(name).unwrap().manner = Manner::Good;
    }

    /// First line and range of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().1.clone()
    }
}

fn answer(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let range = headers.get("range").cloned().unwrap_or_default();
    let repos = {
        let mut state = state.lock().unwrap();
        state.1.push(format!("{path} {range}"));
        state.0.clone()
    };
    let path = path.split('?').next().unwrap_or_default();
    if path == "/api/models" {
        let ids: Vec<_> =
            repos.keys().filter(|id| id.ends_with("GGUF")).map(|id| serde_json::json!({ "id": id })).collect();
        return send(&mut out, 200, &[], serde_json::to_string(&ids)?.as_bytes());
    }
    let (name, file) = match path.strip_prefix("/api/models/") {
        Some(rest) => (rest.split("/revision/").next().unwrap_or_default(), None),
        None => match path[1..].split_once("/resolve/main/") {
            Some((name, file)) => (name, Some(file)),
            None => return send(&mut out, 404, &[], b""),
        },
    };
    let Some(repo) = repos.get(name) else { return send(&mut out, 404, &[], b"") };
    match repo.manner {
        Manner::Status(code) => return send(&mut out, code, &[], b""),
        Manner::Gated if headers.get("authorization") != Some(&format!("Bearer {TOKEN}")) => {
            return send(&mut out, 401, &[], b"");
        }
        _ => {}
    }
    let Some(file) = file else { return send(&mut out, 200, &[], describe(repo).as_bytes()) };
    let Some((_, content)) = repo.files.iter().find(|(name, _)| name == file) else {
        return send(&mut out, 404, &[], b"");
    };
    serve(&mut out, repo.manner, content, &range)
}

fn describe(repo: &Repo) -> String {
    let sibling = |(name, content): &(String, Vec<u8>)| {
        let sha256 = if repo.manner == Manner::WrongChecksum { "0".repeat(64) } else { sha256(content) };
        serde_json::json!({ "rfilename": name, "size": content.len(), "lfs": { "sha256": sha256, "size": content.len() } })
    };
    let siblings: Vec<_> = repo.files.iter().map(sibling).collect();
    serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string()
}

fn serve(out: &mut TcpStream, manner: Manner, content: &[u8], range: &str) -> std::io::Result<()> {
    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse().unwrap_or(content.len().saturating_sub(1));
    let body = &content[from.min(content.len())..=to.min(content.len() - 1)];
    let etag = if manner == Manner::HostileTag { "../../../escaped".to_owned() } else { sha256(content) };
    let headers = [
        ("ETag", format!("\"{etag}\"")),
        ("X-Linked-Etag", format!("\"{etag}\"")),
        ("X-Repo-Commit", COMMIT.to_owned()),
        ("Content-Range", format!("bytes {from}-{to}/{}", content.len())),
    ];
    let sent = match manner {
        _ if body.len() == 1 => body.len(),
        Manner::CutOnce if from == 0 => body.len() / 2,
        Manner::CutAlways => body.len().min(1000),
        _ => body.len(),
    };
    head(out, 206, &headers, body.len())?;
    out.write_all(&body[..sent])?;
    out.flush()
}

fn send(out: &mut TcpStream, code: u16, headers: &[(&str, String)], body: &[u8]) -> std::io::Result<()> {
    head(out, code, headers, body.len())?;
    out.write_all(body)?;
    out.flush()
}

fn head(out: &mut TcpStream, code: u16, headers: &[(&str, String)], length: usize) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {code} As it is\r\nConnection: close\r\nContent-Length: {length}\r\n")?;
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "\r\n")
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
