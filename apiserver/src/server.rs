//! The handle: a tower service, and the order in which a request is looked at.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    auth::{self, User},
    body::{Body, Reset},
    catalog::{Catalog, Resource},
    control,
    faults::{Active, Plan, Rule},
    journal::Entry,
    list,
    object::{GroupResource, Key},
    rbac,
    request::{Query, Request, Target, Verb},
    state::{Shared, State},
    status::{Result, Status},
    store::Store,
    watch,
    write::{Answer, Writer, Written},
};

/// The real server takes no more in one request either.
const LARGEST_BODY: usize = 3 << 20;

/// How to start it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many changes the log keeps; older ones are compacted away.
    pub log_capacity: usize,
    /// For UIDs, generated names, tokens and the dice of faults.
    pub seed: u64,
    /// The wall clock, for timestamps only.
    pub clock: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { log_capacity: 100_000, seed: 0, clock: Timestamp::now }
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
            store: Store::new(settings.log_capacity),
            catalog: Catalog::built_in(),
            tokens: Default::default(),
            faults: Default::default(),
            journal: Default::default(),
            random: StdRng::seed_from_u64(settings.seed),
        };
        let (revision, _) = tokio::sync::watch::channel(state.store.revision());
        let shared = Shared { state: Mutex::new(state), revision, clock: settings.clock };
        let now = (settings.clock)();
        shared.change(|state| {
            for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
                let namespace = json!({
                    "apiVersion": "v1", "kind": "Namespace",
                    "metadata": {
                        "name": name, "labels": { "kubernetes.io/metadata.name": name },
                        "uid": uid(&mut state.random), "creationTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    },
                    "spec": { "finalizers": ["kubernetes"] },
                    "status": { "phase": "Active" },
                });
                state.store.put(&GroupResource::new("", "namespaces"), Key::new("", name), namespace);
            }
            rbac::bootstrap(&mut state.store, now, || uid(&mut state.random));
        });
        ApiServer { shared: Arc::new(shared) }
    }

    /// Adds a rule for what is to go wrong.
    pub fn fault(&self, rule: Rule) {
        self.shared.lock().faults.add(rule);
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
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, LARGEST_BODY).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(_) => {
                let message = format!("limit is {LARGEST_BODY}");
                return Ok(refusal(&Status::new(413, "RequestEntityTooLarge", message)));
            }
        };
        let uri = head.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let request = Request::new(head.method, uri, head.headers, body);
        let target = Target::parse(&request);
        let now = (self.shared.clock)();

        // Who asks, and what is to go wrong with it.
        let user = auth::authenticate(&self.shared.lock(), &request.headers, now);
        let known = target.as_ref().ok().and_then(Option::as_ref);
        if let Ok(user) = &user
            && let Some(answer) = self.shared.change(|state| {
                rbac::authorize(state, user, &request, known).map_or_else(
                    |refused| request.path.starts_with("/control/").then_some(Err(refused)),
                    |()| control::answer(state, &request),
                )
            })
        {
            return Ok(answer.map_or_else(|status| refusal(&status), |value| answer_value(200, &value)));
        }
        let plan = match &user {
            Ok(user) => {
                let state = &mut *self.shared.lock();
                state.faults.plan(user, &request, known, &mut state.random)
            }
            Err(_) => Plan::default(),
        };
        if let Some(delay) = plan.delay {
            tokio::time::sleep(delay).await;
        }
        if plan.compact {
            self.compact();
        }

        let response = if plan.reset_before {
            Err(Reset)
        } else if let Some(status) = &plan.refuse {
            Ok(refusal(status))
        } else {
            let answer = user.clone().and_then(|user| self.answer(&user, &request, target.clone(), now));
            let response = answer.unwrap_or_else(|status| refusal(&status));
            if plan.reset_after {
                Err(Reset)
            } else {
                let (head, body) = response.into_parts();
                Ok(Response::from_parts(head, plan.spoil(body).await))
            }
        };
        let user = user.map(|user| user.name).unwrap_or_default();
        let code = response.as_ref().map_or(0, |response| response.status().as_u16());
        let entry = Entry::of(user, request, target.ok().flatten(), code);
        self.shared.lock().journal.push(entry);
        response
    }

    /// What a request is answered when nothing goes wrong.
    fn answer(
        &self,
        user: &User,
        request: &Request,
        target: Result<Option<Target>>,
        now: Timestamp,
    ) -> Result<Response<Body>> {
        self.shared.change(|state| {
            let target = target?;
            rbac::authorize(state, user, request, target.as_ref())?;
            let Some(target) = target else {
                return other(state, request);
            };
            let body = || match &request.body[..] {
                b"" => Ok(Value::Null),
                text => serde_json::from_slice(text).map_err(|error| Status::bad_request(error.to_string())),
            };
            if target.verb == Verb::Create
                && let Some(review) = auth::review(state, user, &target, &body()?)
            {
                return Ok(answer_value(201, &review?));
            }
            let resource = state
                .catalog
                .find(&target.group, &target.version, &target.plural)
                .filter(|resource| fits(resource, &target))
                .ok_or_else(Status::no_such_path)?;
            let query = &request.query;
            let written = match target.verb {
                Verb::Get => {
                    let object = list::get(state, &resource, &target)?;
                    return Ok(json_response(200, object.json().into()));
                }
                Verb::List => return Ok(json_response(200, list::list(state, &resource, &target, query)?)),
                Verb::Watch => {
                    return Ok(json_response(200, watch::watch(&self.shared, state, &resource, &target, query)?));
                }
                Verb::Create if target.subresource == "token" => {
                    return Ok(answer_value(201, &auth::create_token(state, &target, body()?, now)?));
                }
                Verb::Create => Writer::new(state, now).create(&resource, &target, query, body()?)?,
                Verb::Update => Writer::new(state, now).replace(&resource, &target, query, body()?)?,
                Verb::Patch => {
                    let kind = request.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
                    Writer::new(state, now).patch(&resource, &target, query, kind, &request.body)?
                }
                Verb::Delete => Writer::new(state, now).delete(&resource, &target, query, body()?)?,
                Verb::DeleteCollection => {
                    Writer::new(state, now).delete_collection(&resource, &target, query, body()?)?
                }
            };
            Ok(answer_write(written))
        })
    }
}

/// Whether a path has a namespace where the resource wants one, and names a subresource that there is.
fn fits(resource: &Resource, target: &Target) -> bool {
    let all = matches!(target.verb, Verb::List | Verb::Watch) && target.namespace.is_empty();
    (all || resource.namespaced != target.namespace.is_empty())
        && (target.subresource.is_empty() || resource.subresources.contains(&target.subresource))
}

/// What is no resource.
fn other(state: &State, request: &Request) -> Result<Response<Body>> {
    if matches!(request.path.trim_end_matches('/'), "/healthz" | "/readyz" | "/livez") {
        return Ok(response(200, "text/plain; charset=utf-8", Bytes::from_static(b"ok").into()));
    }
    if let Some((kind, value)) = crate::discovery::answer(&state.catalog, request) {
        return Ok(response(200, &kind, Bytes::from(value.to_string()).into()));
    }
    match crate::openapi::answer(&state.catalog, request) {
        Some(value) => Ok(answer_value(200, &value)),
        None => Err(Status::no_such_path()),
    }
}

fn uid(random: &mut StdRng) -> String {
    use rand::RngExt;
    let bits: u128 = random.random();
    let hex = format!("{:032x}", (bits & !(0xf << 76 | 0x3 << 62)) | 0x4 << 76 | 0x2 << 62);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn answer_write(written: Written) -> Response<Body> {
    let mut response = match written.answer {
        Answer::Created(object) => json_response(201, object.json().into()),
        Answer::Object(object) => json_response(200, object.json().into()),
        Answer::Value(value) => answer_value(200, &value),
        Answer::CreatedValue(value) => answer_value(201, &value),
        Answer::Accepted(object) => json_response(202, object.json().into()),
    };
    for warning in &written.warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

fn response(code: u16, kind: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn json_response(code: u16, body: Body) -> Response<Body> {
    response(code, "application/json", body)
}

fn answer_value(code: u16, value: &Value) -> Response<Body> {
    json_response(code, Bytes::from(value.to_string()).into())
}

fn refusal(status: &Status) -> Response<Body> {
    let mut response = answer_value(status.code, &status.body());
    if let Some(after) = status.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().into());
    }
    response
}

impl<B> tower_service::Service<http::Request<B>> for ApiServer
where
    B: http_body::Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
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
