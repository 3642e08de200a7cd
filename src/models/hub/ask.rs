//! Questions to the Hub over HTTP. What goes wrong is sorted by who failed; no answer, of whatever shape, is more than an error.

use std::{io::Read, time::Duration};

use serde_json::Value;
use ureq::{Agent, Body, Error, config::RedirectAuthHeaders, http::Response};

use super::{
    HubError, HubName, HubSettings,
    choose::RemoteFile,
    name::{encoded, is_revision, is_word},
};

/// Longest time to get a connection: without a network a person should not wait.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time of a question about a repository. The answer lists every file of it.
const ASK: Duration = Duration::from_secs(30);
/// Longest silence of the Hub during a transfer: a slow line still brings something within it.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest description: repositories of ten thousands of files have some megabytes.
const MAX_DESCRIPTION_BYTES: u64 = 256 << 20;
/// GGUF repositories to propose: what fits a line or two.
const NEARBY: usize = 5;

/// A repository as the Hub describes it.
pub(super) struct Repository {
    /// Its commit.
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

/// Who asks which Hub.
pub(super) struct Asker<'a> {
    hub: &'a HubSettings,
    agent: Agent,
}

/// What a question is about, for the words of a failure.
#[derive(Clone, Copy)]
enum About<'a> {
    Repo(&'a HubName),
    File(&'a HubName, &'a str),
}

impl<'a> Asker<'a> {
    pub(super) fn of(hub: &'a HubSettings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A repository that was renamed is at another path of the same Hub; its storage is another's.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
        Self { hub, agent: config.build().into() }
    }

    /// The repository at the revision that was asked for.
    pub(super) fn describe(&self, asked: &HubName) -> Result<Repository, HubError> {
        let endpoint = &self.hub.endpoint;
        let revision = encoded(asked.revision()).replace('/', "%2F");
        let url = format!("{endpoint}/api/models/{}/revision/{revision}?blobs=true", asked.repo);
        let request = self.signed(self.agent.get(url)).config().timeout_global(Some(ASK)).build();
        let mut answer = self.checked(request.call(), About::Repo(asked))?;
        let value: Value = answer
            .body_mut()
            .with_config()
            .limit(MAX_DESCRIPTION_BYTES)
            .read_json()
            .map_err(|e| self.strange(format!("about {}: {e}", asked.repo)))?;
        let Some(siblings) = value.get("siblings").and_then(Value::as_array) else {
            return Err(self.strange(format!("about {}: its files are missing", asked.repo)));
        };
        let commit = value.get("sha").and_then(Value::as_str).filter(|sha| is_word(sha));
        Ok(Repository {
            // A mirror that leaves it out still has the branch.
            commit: commit.unwrap_or(asked.revision()).to_owned(),
            files: siblings.iter().filter_map(file).collect(),
        })
    }

    /// A file's bytes from `from` on, to `to` at most.
    pub(super) fn open(
        &self,
        asked: &HubName,
        commit: &str,
        file: &str,
        from: u64,
        to: Option<u64>,
    ) -> Result<Response<Body>, HubError> {
        let endpoint = &self.hub.endpoint;
        let commit = if is_revision(commit) { encoded(commit).replace('/', "%2F") } else { "main".into() };
        let url = format!("{endpoint}/{}/resolve/{commit}/{}", asked.repo, encoded(file));
        let mut request = self.signed(self.agent.get(url));
        if from > 0 || to.is_some() {
            let to = to.map_or_else(String::new, |to| to.to_string());
            request = request.header("Range", format!("bytes={from}-{to}"));
        }
        let request = request
            .config()
            .accept_encoding("identity")
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build();
        self.checked(request.call(), About::File(asked, file))
    }

    /// GGUF repositories of a similar name; none when the Hub does not say.
    pub(super) fn nearby(&self, repo: &str) -> Vec<String> {
        let name = repo.rsplit('/').next().unwrap_or(repo);
        let request = self
            .agent
            .get(format!("{}/api/models", self.hub.endpoint))
            .query("search", name)
            .query("filter", "gguf")
            .query("sort", "downloads")
            .query("limit", NEARBY.to_string());
        let request = self.signed(request).config().timeout_global(Some(ASK)).build();
        let listed = request.call().ok().filter(|answer| answer.status().is_success());
        let listed = listed.and_then(|mut answer| answer.body_mut().read_json::<Value>().ok());
        let listed = listed.as_ref().and_then(Value::as_array).into_iter().flatten();
        let names = listed.filter_map(|one| one.get("id")?.as_str());
        names.filter(|id| HubName::parse(id).is_some()).take(NEARBY).map(str::to_owned).collect()
    }

    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.hub.token {
            Some(token) => request.header("Authorization", format!("Bearer {}", token.value())),
            None => request,
        }
    }

    /// The answer, if it is one.
    fn checked(&self, answer: Result<Response<Body>, Error>, about: About<'_>) -> Result<Response<Body>, HubError> {
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        let code = answer.status().as_u16();
        if answer.status().is_success() {
            return Ok(answer);
        }
        let said = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Err(self.refusal(code, said("x-error-code"), about))
    }

    fn no_answer(&self, error: &Error) -> HubError {
        match error {
            Error::BadUri(_)
            | Error::Http(_)
            | Error::Protocol(_)
            | Error::TooManyRedirects
            | Error::RedirectFailed
            | Error::LargeResponseHeader(..) => self.strange(error.to_string()),
            Error::Io(error) => self.unreachable(error),
            other => self.unreachable(other),
        }
    }

    fn unreachable(&self, reason: &impl ToString) -> HubError {
        HubError::Unreachable { endpoint: self.hub.endpoint.clone(), reason: reason.to_string() }
    }

    fn refusal(&self, code: u16, said: &str, about: About<'_>) -> HubError {
        let endpoint = self.hub.endpoint.clone();
        let token = self.hub.token.as_ref().map(|token| token.source().to_owned());
        let asked = match about {
            About::Repo(asked) | About::File(asked, _) => asked,
        };
        let repo = asked.repo.clone();
        match (code, said, about) {
            (401 | 403, "GatedRepo", _) | (403, _, About::Repo(_)) => HubError::Gated { repo, endpoint, token },
            (404, "RevisionNotFound", _) => HubError::NoSuchRevision { repo, revision: asked.revision().to_owned() },
            (401, said, _) if said != "RepoNotFound" && token.is_some() => {
                HubError::BadToken { endpoint, token: token.unwrap_or_default() }
            }
            (401 | 404, _, About::Repo(_)) => HubError::NoSuchRepo { repo, endpoint, nearby: Vec::new(), token },
            (429, ..) => HubError::TooMany { endpoint },
            (500.., ..) => HubError::OutOfOrder { endpoint, code },
            (401 | 403 | 404, _, About::File(_, file)) => {
                HubError::FileRefused { repo, file: file.to_owned(), endpoint, code }
            }
            (300..=399, ..) => self.strange(format!("a redirect ({code}) that leads nowhere")),
            _ => self.strange(format!("status {code}")),
        }
    }

    pub(super) fn strange(&self, what: String) -> HubError {
        HubError::Strange { endpoint: self.hub.endpoint.clone(), what }
    }
}

/// A file of the description; what is not understood of it is left out.
fn file(sibling: &Value) -> Option<RemoteFile> {
    let lfs = sibling.get("lfs");
    let sha256 = lfs.and_then(|lfs| lfs.get("sha256").or_else(|| lfs.get("oid"))?.as_str());
    let bytes = sibling.get("size").and_then(Value::as_u64);
    Some(RemoteFile {
        name: sibling.get("rfilename")?.as_str()?.to_owned(),
        sha256: sha256.filter(|sha256| is_sha256(sha256)).map(str::to_ascii_lowercase),
        bytes: bytes.or_else(|| lfs?.get("size")?.as_u64()),
    })
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Where the bytes of an answer begin, and how many the whole file has, as far as the Hub says.
pub(super) fn place(answer: &Response<Body>) -> (Option<u64>, Option<u64>) {
    let range = answer.headers().get("content-range").and_then(|value| value.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes "));
    let Some((span, total)) = range.and_then(|range| range.split_once('/')) else {
        let whole = answer.status().as_u16() == 200;
        return (whole.then_some(0), answer.body().content_length().filter(|_| whole));
    };
    (span.split('-').next().and_then(|start| start.parse().ok()), total.parse().ok())
}

/// How much of a header is asked for at a time, in bytes: most are within the first.
const STRETCH_BYTES: u64 = 4 << 20;

/// A file of the Hub, read from its beginning in stretches, so that no more is fetched than is read, and a little.
pub(super) struct RemoteReader<'a> {
    client: &'a Asker<'a>,
    asked: &'a HubName,
    commit: &'a str,
    file: &'a str,
    at: u64,
    total: Option<u64>,
    stretch: Option<ureq::BodyReader<'static>>,
    /// Whether this stretch has brought anything.
    brought: bool,
    /// What the Hub answered, since `Read` can't say.
    pub(super) failure: Option<HubError>,
}

impl<'a> RemoteReader<'a> {
    pub(super) fn new(client: &'a Asker<'a>, asked: &'a HubName, commit: &'a str, file: &'a RemoteFile) -> Self {
        Self {
            client,
            asked,
            commit,
            file: &file.name,
            at: 0,
            total: file.bytes,
            stretch: None,
            brought: false,
            failure: None,
        }
    }

    /// How large the file is; asks for its beginning where the description did not say.
    pub(super) fn total(&mut self) -> Result<u64, HubError> {
        if self.total.is_none() {
            self.next_stretch()?;
        }
        self.total.ok_or_else(|| self.client.strange(format!("{} has no size", self.file)))
    }

    fn next_stretch(&mut self) -> Result<(), HubError> {
        let answer =
            self.client.open(self.asked, self.commit, self.file, self.at, Some(self.at + STRETCH_BYTES - 1))?;
        let (start, total) = place(&answer);
        self.total = self.total.or(total);
        let mut reader = answer.into_body().into_with_config().limit(u64::MAX).reader();
        // A server that knows no ranges begins at the beginning.
        if start == Some(0) && self.at > 0 {
            let skipped = std::io::copy(&mut (&mut reader).take(self.at), &mut std::io::sink());
            skipped.map_err(|e| HubError::Cut { file: self.file.to_owned(), reason: e.to_string() })?;
        }
        (self.stretch, self.brought) = (Some(reader), false);
        Ok(())
    }
}

impl Read for RemoteReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.total.is_some_and(|total| self.at >= total) {
                return Ok(0);
            }
            if self.stretch.is_none()
                && let Err(error) = self.next_stretch()
            {
                let words = error.to_string();
                self.failure = Some(error);
                return Err(std::io::Error::other(words));
            }
            let read = match &mut self.stretch {
                Some(stretch) => stretch.read(out)?,
                None => 0,
            };
            if read > 0 {
                (self.at, self.brought) = (self.at + read as u64, true);
                return Ok(read);
            }
            // The stretch is at its end, and there is more.
            self.stretch = None;
            if !self.brought {
                return Ok(0);
            }
        }
    }
}
