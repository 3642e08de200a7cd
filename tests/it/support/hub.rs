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
    commit: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    #[default]
    Good,
    /// Every question about it is answered with this status.
    Status(u16),
    /// It is described, and its files are answered with this status.
    FileStatus(u16),
    /// It wants a token.
    Gated,
    /// It wants a token that was let in, and says so.
    NotEntitled,
    /// A transfer from the start ends in the middle.
    CutOnce,
    /// A transfer from the start sends half and then nothing more, for minutes.
    Stalls,
    /// Every transfer ends after some bytes.
    CutAlways,
    /// The list of files gives another checksum than the file has.
    WrongChecksum,
    /// The header that names the blob leads out of the cache.
    HostileTag,
    /// Files are answered with a redirect that names no place.
    RedirectNowhere,
    /// Questions about it lead to the repository of this name, as after a renaming.
    Renamed(&'static str),
    /// A mirror that leaves out what headers say.
    Bare,
    /// Every transfer begins at the beginning, whatever was asked for.
    NoRanges,
    /// Every question is answered with a page.
    Page,
    /// The description knows checksums of no file, and has entries of other shapes.
    Loose,
}

#[derive(Default)]
struct Kept {
    repos: BTreeMap<String, Repo>,
    requests: Vec<String>,
    /// Bytes of files that were sent.
    sent_bytes: usize,
    /// Whether it answers 401 to the anonymous who ask for what is not there, as the real one does.
    guarded: bool,
}

type State = Arc<Mutex<Kept>>;

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
        let repo = Repo { files, manner, commit: COMMIT.into() };
        self.state.lock().unwrap().repos.insert(name.into(), repo);
        self
    }

    /// What is not there is hidden from the anonymous.
    pub(crate) fn guarded(self) -> Self {
        self.state.lock().unwrap().guarded = true;
        self
    }

    pub(crate) fn heal(&self, name: &str) {
        self.behave(name, Manner::Good);
    }

    pub(crate) fn behave(&self, name: &str, manner: Manner) {
        self.state.lock().unwrap().repos.get_mut(name).unwrap().manner = manner;
    }

    /// Another commit of the same files.
    pub(crate) fn commit(&self, name: &str, commit: &str) {
        self.state.lock().unwrap().repos.get_mut(name).unwrap().commit = commit.into();
    }

    /// First line and range of every request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Bytes of files that were sent so far.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.state.lock().unwrap().sent_bytes
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
    let (repos, guarded) = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{path} {range}"));
        (state.repos.clone(), state.guarded)
    };
    let authorized = headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
    let path = path.split('?').next().unwrap_or_default();
    if path == "/api/models" {
        let ids: Vec<_> =
            repos.keys().filter(|id| id.ends_with("GGUF")).map(|id| serde_json::json!({ "id": id })).collect();
        return send(&mut out, 200, &[], serde_json::to_string(&ids)?.as_bytes());
    }
    let (name, file) = match path.strip_prefix("/api/models/") {
        Some(rest) => (rest.split("/revision/").next().unwrap_or_default(), None),
        None => match path[1..].split_once("/resolve/") {
            Some((name, rest)) => (name, rest.split_once('/').map(|(_, file)| file)),
            None => return send(&mut out, 404, &[], b""),
        },
    };
    let Some(repo) = repos.get(name) else {
        let code = if guarded && !authorized { 401 } else { 404 };
        return send(&mut out, code, &[("X-Error-Code", "RepoNotFound".into())], b"");
    };
    match repo.manner {
        Manner::Status(code) => return send(&mut out, code, &[], b""),
        Manner::FileStatus(code) if file.is_some() => return send(&mut out, code, &[], b""),
        Manner::Gated if !authorized => return send(&mut out, 401, &[], b""),
        Manner::NotEntitled => return send(&mut out, 403, &[("X-Error-Code", "GatedRepo".into())], b""),
        Manner::RedirectNowhere if file.is_some() => return send(&mut out, 302, &[], b""),
        Manner::Renamed(to) => {
            return send(&mut out, 308, &[("Location", path.replacen(name, to, 1))], b"");
        }
        Manner::Page => return send(&mut out, 200, &[], b"<!doctype html><html>We will be back soon</html>"),
        _ => {}
    }
    let Some(file) = file.map(decoded) else { return send(&mut out, 200, &[], describe(repo).as_bytes()) };
    let Some((_, content)) = repo.files.iter().find(|(name, _)| *name == file) else {
        return send(&mut out, 404, &[("X-Error-Code", "EntryNotFound".into())], b"");
    };
    let sent = serve(&mut out, repo, content, &range, |bytes| state.lock().unwrap().sent_bytes += bytes)?;
    if repo.manner == Manner::Stalls && sent < content.len() {
        thread::sleep(std::time::Duration::from_mins(2));
    }
    Ok(())
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn describe(repo: &Repo) -> String {
    let sibling = |(name, content): &(String, Vec<u8>)| {
        let sha256 = if repo.manner == Manner::WrongChecksum { "0".repeat(64) } else { sha256(content) };
        if repo.manner == Manner::Loose {
            return serde_json::json!({ "rfilename": name, "lfs": { "size": content.len() }, "new": [1] });
        }
        serde_json::json!({ "rfilename": name, "size": content.len(), "lfs": { "sha256": sha256, "size": content.len() } })
    };
    let mut siblings: Vec<_> = repo.files.iter().map(sibling).collect();
    if repo.manner == Manner::Loose {
        siblings.extend([serde_json::json!(7), serde_json::json!({ "size": 3 }), serde_json::json!(null)]);
    }
    let mut description = serde_json::json!({ "siblings": siblings });
    if repo.manner != Manner::Bare {
        description["sha"] = repo.commit.clone().into();
    }
    description.to_string()
}

/// Says how many bytes are sent, which are counted before they are on their way: whoever has them all may ask for the count.
fn serve(
    out: &mut TcpStream,
    repo: &Repo,
    content: &[u8],
    range: &str,
    count: impl Fn(usize),
) -> std::io::Result<usize> {
    let manner = repo.manner;
    let range = if manner == Manner::NoRanges { "" } else { range };
    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse().unwrap_or(usize::MAX).min(content.len().saturating_sub(1));
    let body = &content[from.min(content.len())..=to];
    let etag = if manner == Manner::HostileTag { "../../../escaped".to_owned() } else { sha256(content) };
    let headers = [
        ("ETag", format!("\"{etag}\"")),
        ("X-Linked-Etag", format!("\"{etag}\"")),
        ("X-Repo-Commit", repo.commit.clone()),
        ("Content-Range", format!("bytes {from}-{to}/{}", content.len())),
    ];
    let headers = if manner == Manner::Bare || range.is_empty() { &headers[..0] } else { &headers[..] };
    let sent = match manner {
        Manner::CutOnce | Manner::Stalls if from == 0 => body.len() / 2,
        Manner::CutAlways => body.len().min(1000),
        _ => body.len(),
    };
    head(out, if range.is_empty() { 200 } else { 206 }, headers, body.len())?;
    for part in body[..sent].chunks(64 << 10) {
        count(part.len());
        out.write_all(part)?;
    }
    out.flush()?;
    Ok(sent)
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
