//! Who answers: authorization, then the room that a request is for.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    auth,
    body::Body,
    catalog::{Catalog, SCALE},
    discovery,
    format::{self, Form, Format},
    list::{self, Page},
    object::Object,
    openapi,
    options::Watch,
    rbac,
    request::{Request, RequestInfo, Verb},
    request_body,
    resource::Resource,
    response, scale,
    selector::Selector,
    state::{Shared, State},
    status::{Result, Status},
    user::User,
    watch,
    write::{WriteResult, Writer},
};

/// What a request is answered, if the connection holds.
pub fn answer(
    shared: &Arc<Shared>,
    user: &User,
    request: &Request,
    target: Result<Option<RequestInfo>>,
    lag: u64,
    now: Timestamp,
) -> Result<Response<Body>> {
    // The lock is for the work alone: a body is read before (but for a patch: what it means depends on the object), and
    // whatever may be long is made into text after: objects, lists, discovery, the documents of OpenAPI.
    let body = request_body::read(request, "");
    let scaled = matches!(&target, Ok(Some(target)) if target.subresource == "scale");
    let outcome = shared.change(|state| {
        let target = target?;
        rbac::authorize(&state.store, user, request, target.as_ref())?;
        let Some(target) = target else { return Ok(Outcome::NoResource(state.catalog.clone())) };
        if target.verb == Verb::Create
            && let Some(review) =
                auth::review(&state.store, user, &target, body.as_ref().unwrap_or(&serde_json::Value::Null))
        {
            // A review in a language that is not spoken is refused as that, not as a path that is not there.
            body?;
            return Ok(Outcome::Ready(response::value(201, &review?)));
        }
        let Some(resource) = find(state, &target)? else { return Ok(Outcome::Ready(not_found())) };
        let kind = match target.verb {
            Verb::List | Verb::DeleteCollection => format::Answer::List,
            Verb::Watch => format::Answer::Watch,
            _ => format::Answer::One,
        };
        let format = Format { form: Form::accepted(&request.headers, &request.query, kind)?, now };
        // A replica that lags answers with what it knows.
        let latest = state.store.revision().saturating_sub(lag).max(state.store.oldest());
        match target.verb {
            Verb::Get => {
                let object = list::get(state, &resource, &target, &request.query, latest)?;
                Ok(Outcome::Object { code: 200, resource, object, format, warnings: Vec::new() })
            }
            Verb::List => {
                let page = list::list(state, &resource, &target, &request.query, latest)?;
                Ok(Outcome::Page { resource, page, format })
            }
            Verb::Watch => {
                let selector = Selector::parse(&resource, &request.query)?;
                let options = Watch::parse(&request.query)?;
                let watch = watch::WatchRequest { resource, target, selector, options, format, latest };
                Ok(Outcome::Ready(response::json(200, watch::open(shared, state, watch))))
            }
            _ => write(state, user, resource, &target, request, body, format),
        }
    })?;
    Ok(match outcome {
        Outcome::Ready(response) => response,
        Outcome::NoResource(catalog) => no_resource(&catalog, request),
        Outcome::Page { resource, page, format } => response::json(200, format.page(&resource, &page)),
        Outcome::Object { code, mut resource, mut object, format, warnings } => {
            if scaled {
                // What was read or written is the object; what is told of it is its Scale.
                (resource, object) = (SCALE.clone(), Arc::new(Object::new(scale::from_object(object.value()))));
            }
            let mut response = response::json(code, format.one(&resource, &object));
            response::add_warnings(&mut response, &warnings);
            response
        }
    })
}

/// What a request has led to, while the state was at hand.
enum Outcome {
    Ready(Response<Body>),
    /// With what is served at that moment.
    NoResource(Catalog),
    Object {
        code: u16,
        resource: Arc<Resource>,
        object: Arc<Object>,
        format: Format,
        warnings: Vec<String>,
    },
    Page {
        resource: Arc<Resource>,
        page: Page,
        format: Format,
    },
}

fn write(
    state: &mut State,
    user: &User,
    resource: Arc<Resource>,
    target: &RequestInfo,
    request: &Request,
    body: Result<Value>,
    format: Format,
) -> Result<Outcome> {
    let Request { query, .. } = request;
    // Read once more for the sake of the message, now that the kind is known.
    let kind = if target.subresource == "scale" { &SCALE.kind } else { &resource.kind };
    let body = || body.or_else(|_| request_body::read(request, kind));
    if target.verb == Verb::Create && target.subresource == "token" {
        let token = auth::create_token(state, target, &body()?, format.now)?;
        return Ok(Outcome::Ready(response::value(201, &token)));
    }
    let mut writer = Writer::new(state, user, format.now);
    let written = match target.verb {
        Verb::Create => writer.create(&resource, target, query, body()?),
        Verb::Update => writer.replace(&resource, target, query, body()?),
        Verb::Patch => writer.patch(&resource, target, query, request.content_type(), &request.body),
        Verb::Delete => writer.delete(&resource, target, query, body()?),
        _ => writer.delete_collection(&resource, target, query, body()?),
    };
    let warnings = writer.finish();
    Ok(match written {
        Ok(WriteResult::Object(code, object)) => Outcome::Object { code, resource, object, format, warnings },
        Ok(WriteResult::Page(page)) => Outcome::Page { resource, page, format },
        Ok(WriteResult::Status(code, status)) => Outcome::Ready(response::value(code, &status)),
        Err(status) => {
            let mut refusal = response::error(&status);
            response::add_warnings(&mut refusal, &warnings);
            Outcome::Ready(refusal)
        }
    })
}

/// The resource, if there is one and the request makes sense there. None: not even its group is served.
fn find(state: &State, target: &RequestInfo) -> Result<Option<Arc<Resource>>> {
    let Some(resource) = state.catalog.find(&target.group, &target.version, &target.plural) else {
        let served = state.catalog.all().iter().any(|resource| resource.group == target.group);
        return if served { Err(Status::no_such_path()) } else { Ok(None) };
    };
    let (named, below) = (!target.name.is_empty(), &*target.subresource);
    let everywhere = resource.namespaced && target.namespace.is_empty();
    let elsewhere = !resource.namespaced && !target.namespace.is_empty();
    if elsewhere || (everywhere && named) {
        return Err(Status::no_such_path());
    }
    if !below.is_empty() && !resource.subresources.iter().any(|s| s == below) {
        if resource.custom.is_some() {
            // Without a status subresource the real server says this, although the object is there.
            return Err(Status::not_found(&target.group, &target.plural, &target.name));
        }
        return Err(Status::no_such_subresource(&resource.plural, below));
    }
    let allowed = match (target.verb, below) {
        (Verb::List | Verb::Watch, "" | "status" | "scale") => true,
        (Verb::Create, "") => !named && !everywhere,
        (Verb::DeleteCollection, "") => !everywhere && resource.plural != "namespaces",
        (Verb::Get | Verb::Update | Verb::Patch, "status" | "scale") => true,
        (Verb::Update, "finalize") => true,
        (Verb::Create, "token" | "binding") => true,
        (_, below) => named && below.is_empty(),
    };
    if !allowed {
        return Err(Status::method_not_allowed());
    }
    // Pitfall: `pods//status` has a subresource and no name. Taken for the collection, it would be all pods for whoever
    // has rights to their status alone.
    if !named && !below.is_empty() {
        return Err(Status::bad_request("name must be provided"));
    }
    Ok(Some(resource))
}

/// Everything that is not a resource.
fn no_resource(catalog: &Catalog, request: &Request) -> Response<Body> {
    if let Some((content_type, value)) = discovery::answer(catalog, request) {
        return response::new(200, &content_type, Bytes::from(value.to_string()).into());
    }
    if let Some(value) = openapi::answer(catalog, request) {
        return response::value(200, &value);
    }
    if request.path == "/openapi/v2" {
        return response::new(200, openapi::EMPTY_V2, Bytes::new().into());
    }
    match request.path.split('/').nth(1) {
        // It answers, so it lives; it is ready from the first moment on.
        Some("healthz" | "livez" | "readyz") => response::text(200, "ok"),
        Some("api") => response::error(&Status::no_such_path()),
        _ => not_found(),
    }
}

/// What a path that leads nowhere is answered; this is no Status.
fn not_found() -> Response<Body> {
    response::text(404, "404 page not found\n")
}
