//! Our own shape: everything the registry can do.

mod routes;

pub(super) use self::routes::answer;
