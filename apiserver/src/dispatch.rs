//! Authorizes a request and calls the module that handles it.

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
    format::{Format, Representation, ResponseKind},
    list::{self, Page},
    object::Object,
    openapi,
    options::WatchOptions,
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

/// Handles one request. Reads return the state of `lag` revisions ago.
pub fn dispatch(
    shared: &Arc<Shared>,
    user: &User,
    request: &Request,
    info: Result<Option<RequestInfo>>,
    lag: u64,
    now: Timestamp,
) -> Result<Response<Body>> {
    // Parse the body before taking the lock and encode the response after its release, to hold it only briefly. A patch is
    // parsed under the lock, because its meaning depends on the object.
    let body = request_body::read(request, "");
    let is_scale = matches!(&info, Ok(Some(info)) if info.subresource == "scale");
    let outcome = shared.change(|state| {
        let info = info?;
        rbac::authorize(&state.store, user, request, info.as_ref())?;
        let Some(info) = info else { return Ok(Outcome::NonResource(state.catalog.clone())) };
        if info.verb == Verb::Create
            && let Some(review) =
                auth::review(&state.store, user, &info, body.as_ref().unwrap_or(&serde_json::Value::Null))
        {
            // An unsupported content type is 415, not 404.
            body?;
            return Ok(Outcome::Ready(response::value(201, &review?)));
        }
        let Some(resource) = resolve_resource(state, &info)? else { return Ok(Outcome::Ready(not_found())) };
        let kind = match info.verb {
            Verb::List | Verb::DeleteCollection => ResponseKind::List,
            Verb::Watch => ResponseKind::Watch,
            _ => ResponseKind::Object,
        };
        let format = Format { representation: Representation::negotiate(&request.headers, &request.query, kind)?, now };
        // The latest revision of this replica; with a `StaleRead` fault, an older one.
        let latest = state.store.revision().saturating_sub(lag).max(state.store.oldest());
        match info.verb {
            Verb::Get => {
                let object = list::get(state, &resource, &info, &request.query, latest)?;
                Ok(Outcome::Object { code: 200, resource, object, format, warnings: Vec::new() })
            }
            Verb::List => {
                let page = list::list(state, &resource, &info, &request.query, latest)?;
                Ok(Outcome::Page { resource, page, format })
            }
            Verb::Watch => {
                let selector = Selector::parse(&resource, &request.query)?;
                let options = WatchOptions::parse(&request.query)?;
                let watch = watch::WatchRequest { resource, info, selector, options, format, latest };
                Ok(Outcome::Ready(response::json(200, watch::open(shared, state, watch))))
            }
            _ => write(state, user, resource, &info, request, body, format),
        }
    })?;
    Ok(match outcome {
        Outcome::Ready(response) => response,
        Outcome::NonResource(catalog) => handle_non_resource(&catalog, request),
        Outcome::Page { resource, page, format } => response::json(200, format.encode_page(&resource, &page)),
        Outcome::Object { code, mut resource, mut object, format, warnings } => {
            if is_scale {
                // The request read or wrote the object; the response shows its Scale.
                (resource, object) = (SCALE.clone(), Arc::new(Object::new(scale::from_object(object.value()))));
            }
            let mut response = response::json(code, format.encode_object(&resource, &object));
            response::add_warnings(&mut response, &warnings);
            response
        }
    })
}

/// The result of a request under the lock, before it is encoded.
enum Outcome {
    Ready(Response<Body>),
    /// A non-resource path, with the catalog at the moment of the request.
    NonResource(Catalog),
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
    info: &RequestInfo,
    request: &Request,
    body: Result<Value>,
    format: Format,
) -> Result<Outcome> {
    let Request { query, .. } = request;
    // Parse an invalid body again: the kind is known now, and the error message names it.
    let kind = if info.subresource == "scale" { &SCALE.kind } else { &resource.kind };
    let body = || body.or_else(|_| request_body::read(request, kind));
    if info.verb == Verb::Create && info.subresource == "token" {
        let token = auth::create_token(state, info, &body()?, format.now)?;
        return Ok(Outcome::Ready(response::value(201, &token)));
    }
    let mut writer = Writer::new(state, user, format.now);
    let written = match info.verb {
        Verb::Create => writer.create(&resource, info, query, body()?),
        Verb::Update => writer.replace(&resource, info, query, body()?),
        Verb::Patch => writer.patch(&resource, info, query, request.content_type(), &request.body),
        Verb::Delete => writer.delete(&resource, info, query, body()?),
        _ => writer.delete_collection(&resource, info, query, body()?),
    };
    let warnings = writer.finish();
    Ok(match written {
        Ok(WriteResult::Object(code, object)) => Outcome::Object { code, resource, object, format, warnings },
        Ok(WriteResult::Page(page)) => Outcome::Page { resource, page, format },
        Ok(WriteResult::Status(code, status)) => Outcome::Ready(response::value(code, &status)),
        Err(status) => {
            let mut response = response::error(&status);
            response::add_warnings(&mut response, &warnings);
            Outcome::Ready(response)
        }
    })
}

/// The resource of a request, if the request is valid for it. None if its group is not served.
fn resolve_resource(state: &State, info: &RequestInfo) -> Result<Option<Arc<Resource>>> {
    let Some(resource) = state.catalog.find(&info.group, &info.version, &info.plural) else {
        let served = state.catalog.all().iter().any(|resource| resource.group == info.group);
        return if served { Err(Status::no_such_path()) } else { Ok(None) };
    };
    let (has_name, subresource) = (!info.name.is_empty(), &*info.subresource);
    let all_namespaces = resource.namespaced && info.namespace.is_empty();
    let has_wrong_scope = !resource.namespaced && !info.namespace.is_empty();
    if has_wrong_scope || (all_namespaces && has_name) {
        return Err(Status::no_such_path());
    }
    if !subresource.is_empty() && !resource.subresources.iter().any(|s| s == subresource) {
        if resource.custom.is_some() {
            // The real server returns this even if the object exists.
            return Err(Status::not_found(&info.group, &info.plural, &info.name));
        }
        return Err(Status::no_such_subresource(&resource.plural, subresource));
    }
    let allowed = match (info.verb, subresource) {
        (Verb::List | Verb::Watch, "" | "status" | "scale") => true,
        (Verb::Create, "") => !has_name && !all_namespaces,
        (Verb::DeleteCollection, "") => !all_namespaces && resource.plural != "namespaces",
        (Verb::Get | Verb::Update | Verb::Patch, "status" | "scale") => true,
        (Verb::Update, "finalize") => true,
        (Verb::Create, "token" | "binding") => true,
        _ => has_name && subresource.is_empty(),
    };
    if !allowed {
        return Err(Status::method_not_allowed());
    }
    // Pitfall: `pods//status` has a subresource but no name. If it were handled as the collection, a right to
    // `pods/status` would give access to all pods.
    if !has_name && !subresource.is_empty() {
        return Err(Status::bad_request("name must be provided"));
    }
    Ok(Some(resource))
}

/// Handles the non-resource paths: discovery, OpenAPI and health.
fn handle_non_resource(catalog: &Catalog, request: &Request) -> Response<Body> {
    if let Some((content_type, value)) = discovery::handle(catalog, request) {
        return response::new(200, &content_type, Bytes::from(value.to_string()).into());
    }
    if let Some(value) = openapi::handle(catalog, request) {
        return response::value(200, &value);
    }
    if request.path == "/openapi/v2" {
        return response::new(200, openapi::EMPTY_V2, Bytes::new().into());
    }
    match request.path.split('/').nth(1) {
        // The server is ready from its start.
        Some("healthz" | "livez" | "readyz") => response::text(200, "ok"),
        Some("api") => response::error(&Status::no_such_path()),
        _ => not_found(),
    }
}

/// The response to an unknown path, which is plain text, not a Status.
fn not_found() -> Response<Body> {
    response::text(404, "404 page not found\n")
}
