//! Who answers: authorization, then the room that a request is for.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use crate::{
    auth::{self, User},
    body::Body,
    catalog::Resource,
    decode, discovery,
    format::{self, Form, Format},
    list, openapi,
    options::Watch,
    rbac,
    request::{Request, Target, Verb},
    respond,
    selector::Selector,
    state::{Shared, State},
    status::{Result, Status},
    watch,
    write::{Answer, Writer},
};

/// What a request is answered, if the connection holds.
pub fn answer(
    shared: &Arc<Shared>,
    user: &User,
    request: &Request,
    target: Result<Option<Target>>,
    lag: u64,
    now: Timestamp,
) -> Result<Response<Body>> {
    // Read before anybody is kept waiting for the lock.
    let body = decode::body(request, "");
    shared.change(|state| {
        let target = target?;
        rbac::authorize(state, user, request, target.as_ref())?;
        let Some(target) = target else { return Ok(no_resource(state, request)) };
        if target.verb == Verb::Create
            && let Ok(body) = &body
            && let Some(review) = auth::review(state, user, &target, body)
        {
            return Ok(respond::value(201, &review?));
        }
        let Some(resource) = find(state, &target)? else { return Ok(not_found()) };
        let format = |answer| {
            let form = Form::accepted(&request.headers, &request.query, answer)?;
            Ok(Format { form, now })
        };
        // A replica that lags answers with what it knows.
        let latest = state.store.revision().saturating_sub(lag).max(state.store.oldest());
        match target.verb {
            Verb::Get => {
                let format = format(format::Answer::One)?;
                let object = list::get(state, &resource, &target, &request.query, latest)?;
                Ok(respond::json(200, format.one(&resource, &object)))
            }
            Verb::List => {
                let format = format(format::Answer::List)?;
                let page = list::list(state, &resource, &target, &request.query, latest)?;
                Ok(respond::json(200, format.page(&resource, &page)))
            }
            Verb::Watch => {
                let plan = watch::Plan {
                    format: format(format::Answer::Watch)?,
                    options: Watch::parse(&request.query)?,
                    selector: Selector::parse(&resource, &request.query)?,
                    resource,
                    target,
                    latest,
                };
                Ok(respond::json(200, watch::open(shared, state, plan)))
            }
            _ => {
                let format = format(format::Answer::One)?;
                write(state, user, &resource, &target, request, body, &format)
            }
        }
    })
}

/// A write, and its answer.
fn write(
    state: &mut State,
    user: &User,
    resource: &Resource,
    target: &Target,
    request: &Request,
    body: Result<serde_json::Value>,
    format: &Format,
) -> Result<Response<Body>> {
    let Request { query, .. } = request;
    // Read once more for the sake of the message; nobody else is kept waiting by that for long.
    let body = || body.or_else(|_| decode::body(request, &resource.kind));
    if target.verb == Verb::Create && target.subresource == "token" {
        return Ok(respond::value(201, &auth::create_token(state, target, body()?, format.now)?));
    }
    let mut writer = Writer::new(state, user, format.now);
    let written = match target.verb {
        Verb::Create => writer.create(resource, target, query, body()?)?,
        Verb::Update => writer.replace(resource, target, query, body()?)?,
        Verb::Patch => writer.patch(resource, target, query, request.content_type(), &request.body)?,
        Verb::Delete => writer.delete(resource, target, query, body()?)?,
        _ => writer.delete_collection(resource, target, query, body()?)?,
    };
    let object = |object| format.one(resource, object);
    let mut response = match &written.answer {
        Answer::Created(created) => respond::json(201, object(created)),
        Answer::Object(now) => respond::json(200, object(now)),
        Answer::Accepted(ending) => respond::json(202, object(ending)),
        Answer::Value(value) => respond::value(200, value),
        Answer::CreatedValue(value) => respond::value(201, value),
    };
    respond::warn(&mut response, &written.warnings);
    Ok(response)
}

/// The resource, if there is one and the request makes sense there. None: not even its group is served.
fn find(state: &State, target: &Target) -> Result<Option<Arc<Resource>>> {
    let Some(resource) = state.catalog.find(&target.group, &target.version, &target.plural) else {
        let served = state.catalog.all().iter().any(|resource| resource.group == target.group);
        return if served { Err(Status::no_such_path()) } else { Ok(None) };
    };
    let (named, below) = (!target.name.is_empty(), &*target.subresource);
    let everywhere = resource.namespaced && target.namespace.is_empty();
    let elsewhere = !resource.namespaced && !target.namespace.is_empty();
    if elsewhere || (everywhere && named) || !(below.is_empty() || resource.subresources.iter().any(|s| s == below)) {
        return Err(Status::no_such_path());
    }
    let allowed = match (target.verb, below) {
        (Verb::List | Verb::Watch, _) => true,
        (Verb::Create, "") => !named && !everywhere,
        (Verb::DeleteCollection, _) => !everywhere && resource.plural != "namespaces",
        (Verb::Get | Verb::Update | Verb::Patch, "status") => true,
        (Verb::Update, "finalize") => true,
        (Verb::Create, "token" | "binding") => true,
        (_, below) => named && below.is_empty(),
    };
    if allowed { Ok(Some(resource)) } else { Err(Status::method_not_allowed()) }
}

/// Everything that is not a resource.
fn no_resource(state: &State, request: &Request) -> Response<Body> {
    if let Some((content_type, value)) = discovery::answer(&state.catalog, request) {
        return respond::with(200, &content_type, Bytes::from(value.to_string()).into());
    }
    if let Some(value) = openapi::answer(&state.catalog, request) {
        return respond::value(200, &value);
    }
    match request.path.split('/').nth(1) {
        // It answers, so it lives; it is ready from the first moment on.
        Some("healthz" | "livez" | "readyz") => respond::text(200, "ok"),
        Some("api") => respond::refusal(&Status::no_such_path()),
        _ => not_found(),
    }
}

/// What a path that leads nowhere is answered; this is no Status.
fn not_found() -> Response<Body> {
    respond::text(404, "404 page not found\n")
}
