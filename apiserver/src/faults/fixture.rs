//! Requests, and what becomes of them.

use http::{HeaderMap, Method};
use rand::{SeedableRng, rngs::StdRng};

use super::{Faults, Plan};
use crate::{
    request::{Request, RequestInfo},
    user::User,
};

pub const PODS: &str = "/api/v1/namespaces/x/pods";

pub fn request(method: Method, uri: &str) -> (Request, Option<RequestInfo>) {
    let request = Request::new(method, uri, HeaderMap::new(), Default::default());
    let target = RequestInfo::parse(&request).expect("a path");
    (request, target)
}

pub fn plan(faults: &mut Faults, method: Method, uri: &str) -> Plan {
    let (request, target) = request(method, uri);
    faults.plan(&User::admin(), &request, target.as_ref(), &mut StdRng::seed_from_u64(1))
}
