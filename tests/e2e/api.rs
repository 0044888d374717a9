//! A blocking client for the API server: JSON objects by path.
//!
//! It is much cheaper than one kubectl process per request.

use std::{fmt, future::Future, sync::LazyLock, time::Duration};

use http::{Method, Request, header::CONTENT_TYPE};
use kube::{Client, Config, config::AuthInfo};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Runs the client: the tests are blocking code.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

/// A client with the credentials of one user.
#[derive(Clone)]
pub struct ApiClient(Client);

/// A request that failed.
#[derive(Debug)]
pub struct ApiError {
    /// The status code, 0 without a response.
    pub code: u16,
    /// The message of the server or of the client.
    pub message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

impl From<ApiError> for String {
    fn from(error: ApiError) -> String {
        error.to_string()
    }
}

/// The object in a response, or the error.
pub type Response = Result<Value, ApiError>;

impl ApiClient {
    /// Creates a client for this URL. It sends nothing yet.
    pub fn new(server: &str, ca_der: Option<Vec<u8>>, token: Option<&str>) -> ApiClient {
        let mut config = Config::new(server.parse().expect("a URL"));
        config.root_cert = ca_der.map(|der| vec![der]);
        config.auth_info = AuthInfo { token: token.map(|token| token.to_owned().into()), ..AuthInfo::default() };
        config.default_retry = false;
        let _inside = RUNTIME.enter();
        ApiClient(Client::try_from(config).expect("a client"))
    }

    /// Reads the object at `path`.
    pub fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, "", &Value::Null)
    }

    /// Reads the object at `path`. Returns None on 404.
    pub fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get(path) {
            Err(ApiError { code: 404, .. }) => Ok(None),
            response => response.map(Some),
        }
    }

    /// Lists the objects at `path`.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, ApiError> {
        let mut list = self.get(path)?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Creates an object.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, "application/json", body)
    }

    /// Patches an object, by merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Response {
        self.send(Method::PATCH, path, "application/merge-patch+json", body)
    }

    /// Deletes an object.
    pub fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, "", &Value::Null)
    }

    fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Response {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        block_on(self.0.request(request.body(bytes).expect("a request")))
    }
}

fn block_on<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    let limit = Duration::from_secs(10);
    match RUNTIME.block_on(async { tokio::time::timeout(limit, request).await }) {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) => Err(ApiError { code: status.code, message: status.message }),
        Ok(Err(error)) => Err(ApiError { code: 0, message: daemon::error_chain(&error) }),
        Err(_) => Err(ApiError { code: 0, message: format!("no response within {limit:?}") }),
    }
}
