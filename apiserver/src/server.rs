//! The API server as a tower service: the steps of a request.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use futures::{FutureExt, future::BoxFuture};
use http::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::timeout;

use crate::{
    auth,
    body::{Body, Reset},
    catalog::Catalog,
    control, dispatch,
    faults::{ActiveRule, Rule},
    rbac,
    request::{Request, RequestInfo},
    request_log::LoggedRequest,
    response,
    state::{Shared, State},
    status::{Result, Status},
    store::{LogLimits, Store},
    user::User,
    write::{Writer, generate_uid},
};

/// The real server's limit for a request body.
const MAX_BODY_BYTES: usize = 3 << 20;

/// Time limit for reading a request: the default of the real server's `--request-timeout`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Maximum number of changes in the log; older ones are compacted.
    pub log_capacity: usize,
    /// Maximum size of old versions in the log, as JSON. They need a few times as much memory.
    pub log_bytes: usize,
    /// Seed for UIDs, generated names, tokens and random faults.
    pub seed: u64,
    /// The clock for timestamps; it controls no timer.
    pub clock: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { log_capacity: 100_000, log_bytes: 64 << 20, seed: 0, clock: Timestamp::now }
    }
}

/// A Kubernetes API server in memory. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct ApiServer {
    pub(crate) shared: Arc<Shared>,
}

impl ApiServer {
    /// Creates a server with the namespaces and roles of every new cluster.
    pub fn new(settings: Settings) -> ApiServer {
        let state = State {
            store: Store::new(LogLimits { changes: settings.log_capacity, bytes: settings.log_bytes }),
            catalog: Catalog::built_in(),
            tokens: Default::default(),
            faults: Default::default(),
            request_log: Default::default(),
            cut: Default::default(),
            random: StdRng::seed_from_u64(settings.seed),
        };
        let (revision, _) = tokio::sync::watch::channel(state.store.revision());
        let shared = Shared { state: Mutex::new(state), revision, clock: settings.clock };
        let now = (settings.clock)();
        shared.change(|state| {
            for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
                Writer::new(state, &User::admin(), now).create_namespace(name);
            }
            rbac::bootstrap(&mut state.store, now, || generate_uid(&mut state.random));
        });
        ApiServer { shared: Arc::new(shared) }
    }

    /// Adds a fault rule. Returns false if there are 1,000 rules already, because each request checks all of them.
    pub fn fault(&self, rule: Rule) -> bool {
        self.shared.lock().faults.add(rule)
    }

    /// The active fault rules with their counts of matches and hits.
    pub fn faults(&self) -> Vec<ActiveRule> {
        self.shared.lock().faults.active().to_vec()
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Removes all old versions: a watch of an older version gets 410.
    pub fn compact(&self) {
        self.shared.lock().store.compact();
    }

    /// Closes the connection of every open watch.
    pub fn cut_watches(&self) {
        self.shared.lock().cut.send_replace(());
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.shared.lock().store.revision()
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.lock().request_log.entries().cloned().collect()
    }

    /// Handles one request, up to the start of the response body.
    async fn handle<B>(self, request: http::Request<B>) -> Result<Response<Body>, Reset>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let request = match read_request(request).await {
            Ok(request) => request,
            Err(status) => return Ok(response::error(&status)),
        };
        let info = RequestInfo::parse(&request);
        let user = auth::authenticate(&self.shared.lock(), &request.headers, (self.shared.clock)());
        // Faults do not apply to the endpoint that controls them.
        if request.path.starts_with("/control/") {
            let response = user.and_then(|user| self.handle_control(&user, &request));
            return Ok(response.unwrap_or_else(|status| response::error(&status)));
        }
        let (response, name) = match user {
            Ok(user) => (self.execute(&user, &request, info.clone()).await, user.name),
            Err(status) => (Ok(response::error(&status)), String::new()),
        };
        let code = response.as_ref().map_or(0, |response| response.status().as_u16());
        let entry = LoggedRequest::new(name, request, info.ok().flatten(), code);
        self.shared.lock().request_log.push(entry);
        response
    }

    /// Handles a request to `/control/`.
    fn handle_control(&self, user: &User, request: &Request) -> Result<Response<Body>> {
        let value = self.shared.change(|state| {
            rbac::authorize(&state.store, user, request, None)?;
            control::handle(state, request)
        })?;
        Ok(response::value(200, &value))
    }

    /// Executes any other request, with the planned faults.
    async fn execute(
        &self,
        user: &User,
        request: &Request,
        info: Result<Option<RequestInfo>>,
    ) -> Result<Response<Body>, Reset> {
        let plan = {
            let state = &mut *self.shared.lock();
            let known = info.as_ref().ok().and_then(Option::as_ref);
            state.faults.plan(user, request, known, &mut state.random)
        };
        if let Some(delay) = plan.delay {
            tokio::time::sleep(delay).await;
        }
        if plan.compact {
            self.compact();
        }
        if plan.reset_before {
            return Err(Reset);
        }
        let result = match &plan.error {
            Some(status) => Err(status.clone()),
            // The clock is read after the delay, because an object is created when it is stored.
            None => dispatch::dispatch(&self.shared, user, request, info, plan.lag, (self.shared.clock)()),
        };
        if plan.reset_after {
            return Err(Reset);
        }
        let (head, body) = result.unwrap_or_else(|status| response::error(&status)).into_parts();
        Ok(Response::from_parts(head, plan.corrupt(body).await))
    }
}

/// Reads a complete request, within limits of size and time.
async fn read_request<B>(request: http::Request<B>) -> Result<Request>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let body =
        timeout(REQUEST_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await.map_err(|_| Status::timeout())?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
            Status::new(413, "RequestEntityTooLarge", message)
        } else {
            Status::bad_request(error.to_string())
        }
    })?;
    let uri = head.uri.path_and_query().map_or("/", |uri| uri.as_str());
    Ok(Request::new(head.method, uri, head.headers, body.to_bytes()))
}

impl<B> tower_service::Service<http::Request<B>> for ApiServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Reset;
    type Future = BoxFuture<'static, Result<Response<Body>, Reset>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reset>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.clone().handle(request).boxed()
    }
}

#[cfg(test)]
mod tests;
