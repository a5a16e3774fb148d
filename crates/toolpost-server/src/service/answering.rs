//! The future of an answer, kept small: it is moved, and held, for every request.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use futures_util::future::Either;

use crate::Reply;

/// What answers a request that is no call: known at once, or in a box of its own, so that what is rare
/// makes no room for itself in the future of what is common.
pub(super) type Other<'a> = Either<Ready<Reply>, Pin<Box<dyn Future<Output = Reply> + Send + 'a>>>;

pub(super) fn now<'a>(reply: Reply) -> Other<'a> {
    Either::Left(ready(reply))
}

pub(super) fn later<'a>(answer: impl Future<Output = Reply> + Send + 'a) -> Other<'a> {
    Either::Right(Box::pin(answer))
}
