//! The handle: a tower service, and the order in which a request is looked at.

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
    faults::{Active, Rule},
    journal::Entry,
    rbac,
    request::{Request, Target},
    respond,
    state::{Shared, State},
    status::{Result, Status},
    store::{Bounds, Store},
    user::User,
    write::{Writer, uid},
};

/// The real server takes no more in one request either.
const LARGEST_BODY: usize = 3 << 20;

/// Nor does it wait any longer for all of a request (its `--request-timeout`).
const LONGEST_READ: Duration = Duration::from_secs(60);

/// How to start it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many changes the log keeps; older ones are compacted away.
    pub log_capacity: usize,
    /// How many bytes of old versions it keeps, counted as JSON. In memory they take a few times as much.
    pub log_bytes: usize,
    /// For UIDs, generated names, tokens and the dice of faults.
    pub seed: u64,
    /// The wall clock, for timestamps only.
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
    /// Empty but for the namespaces and the roles that every cluster has.
    pub fn new(settings: Settings) -> ApiServer {
        let state = State {
            store: Store::new(Bounds { changes: settings.log_capacity, bytes: settings.log_bytes }),
            catalog: Catalog::built_in(),
            tokens: Default::default(),
            faults: Default::default(),
            journal: Default::default(),
            cut: Default::default(),
            random: StdRng::seed_from_u64(settings.seed),
        };
        let (revision, _) = tokio::sync::watch::channel(state.store.revision());
        let shared = Shared { state: Mutex::new(state), revision, clock: settings.clock };
        let now = (settings.clock)();
        shared.change(|state| {
            for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
                Writer::new(state, &User::admin(), now).found_namespace(name);
            }
            rbac::bootstrap(&mut state.store, now, || uid(&mut state.random));
        });
        ApiServer { shared: Arc::new(shared) }
    }

    /// Adds a rule for what is to go wrong. False, and it is not added, if there are 1,000 already: each request is held
    /// against all of them.
    pub fn fault(&self, rule: Rule) -> bool {
        self.shared.lock().faults.add(rule)
    }

    /// The rules in force, and how often each has matched and hit.
    pub fn faults(&self) -> Vec<Active> {
        self.shared.lock().faults.active().to_vec()
    }

    /// All goes well again.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Forgets every version but the present one: whoever is behind gets 410.
    pub fn compact(&self) {
        self.shared.lock().store.compact();
    }

    /// Hangs up on every watch that is open.
    pub fn cut_watches(&self) {
        self.shared.lock().cut.send_replace(());
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.shared.lock().store.revision()
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<Entry> {
        self.shared.lock().journal.entries().cloned().collect()
    }

    /// One request, from its arrival to the beginning of its answer.
    async fn handle<B>(self, request: http::Request<B>) -> Result<Response<Body>, Reset>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let request = match read(request).await {
            Ok(request) => request,
            Err(status) => return Ok(respond::refusal(&status)),
        };
        let target = Target::parse(&request);
        let user = auth::authenticate(&self.shared.lock(), &request.headers, (self.shared.clock)());
        // Whatever goes wrong by order, this has to work: here the orders come in.
        if request.path.starts_with("/control/") {
            let answer = user.and_then(|user| self.control(&user, &request));
            return Ok(answer.unwrap_or_else(|status| respond::refusal(&status)));
        }
        let (response, name) = match user {
            Ok(user) => (self.carry_out(&user, &request, target.clone()).await, user.name),
            Err(status) => (Ok(respond::refusal(&status)), String::new()),
        };
        let code = response.as_ref().map_or(0, |response| response.status().as_u16());
        let entry = Entry::of(name, request, target.ok().flatten(), code);
        self.shared.lock().journal.push(entry);
        response
    }

    /// An order: about faults, the log, the journal.
    fn control(&self, user: &User, request: &Request) -> Result<Response<Body>> {
        let value = self.shared.change(|state| {
            rbac::authorize(&state.store, user, request, None)?;
            control::answer(state, request)
        })?;
        Ok(respond::value(200, &value))
    }

    /// Everything else, with whatever is to go wrong with it, in that order.
    async fn carry_out(
        &self,
        user: &User,
        request: &Request,
        target: Result<Option<Target>>,
    ) -> Result<Response<Body>, Reset> {
        let plan = {
            let state = &mut *self.shared.lock();
            let known = target.as_ref().ok().and_then(Option::as_ref);
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
        let answer = match &plan.refuse {
            Some(status) => Err(status.clone()),
            // Not when it arrived: an object is created when it is stored.
            None => dispatch::answer(&self.shared, user, request, target, plan.lag, (self.shared.clock)()),
        };
        if plan.reset_after {
            return Err(Reset);
        }
        let (head, body) = answer.unwrap_or_else(|status| respond::refusal(&status)).into_parts();
        Ok(Response::from_parts(head, plan.spoil(body).await))
    }
}

/// All of a request, if it is not too large and does not take too long.
async fn read<B>(request: http::Request<B>) -> Result<Request>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let body =
        timeout(LONGEST_READ, Limited::new(body, LARGEST_BODY).collect()).await.map_err(|_| Status::timeout())?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("Request entity too large: limit is {LARGEST_BODY}");
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
