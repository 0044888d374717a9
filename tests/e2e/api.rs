//! The administrator's own requests: JSON in, JSON out, by path.
//!
//! A process of kubectl for each of them would be most of the work that the machine does.

use std::{fmt, future::Future, sync::LazyLock, time::Duration};

use http::{Method, Request, header::CONTENT_TYPE};
use kube::{Client, Config, config::AuthInfo};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The tests are plain blocking code; the client is not.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

/// The API server, as the administrator sees it.
#[derive(Clone)]
pub struct Api(Client);

/// A request without a good answer.
#[derive(Debug)]
pub struct Refused {
    /// 0 if there was no answer.
    pub code: u16,
    /// The message of the server or of the client.
    pub why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.why)
    }
}

impl From<Refused> for String {
    fn from(refused: Refused) -> String {
        refused.to_string()
    }
}

type Answer = Result<Value, Refused>;

impl Api {
    /// Sends nothing yet. Without a CA it is plain HTTP.
    pub fn new(server: &str, ca_der: Option<Vec<u8>>, token: Option<&str>) -> Api {
        let mut config = Config::new(server.parse().expect("a URL"));
        config.root_cert = ca_der.map(|der| vec![der]);
        config.auth_info = AuthInfo { token: token.map(|token| token.to_owned().into()), ..AuthInfo::default() };
        config.default_retry = false;
        let _inside = RUNTIME.enter();
        Api(Client::try_from(config).expect("a client"))
    }

    /// The object at `path`.
    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", &Value::Null)
    }

    /// The object at `path`, or None if there is none.
    pub fn find(&self, path: &str) -> Result<Option<Value>, Refused> {
        match self.get(path) {
            Err(Refused { code: 404, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The items of the list at `path`.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, Refused> {
        let mut list = self.get(path)?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Creates.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", body)
    }

    /// Changes, by merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, "application/merge-patch+json", body)
    }

    /// Deletes.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "", &Value::Null)
    }

    fn send(&self, method: Method, path: &str, content: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request = Request::builder().method(method).uri(path);
        if !content.is_empty() {
            request = request.header(CONTENT_TYPE, content);
        }
        wait(self.0.request(request.body(bytes).expect("a request")))
    }
}

fn wait<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Refused> {
    let limit = Duration::from_secs(10);
    match RUNTIME.block_on(async { tokio::time::timeout(limit, request).await }) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Refused { code: status.code, why: status.message }),
        Ok(Err(error)) => Err(Refused { code: 0, why: daemon::error_chain(&error) }),
        Err(_) => Err(Refused { code: 0, why: format!("no answer within {limit:?}") }),
    }
}
