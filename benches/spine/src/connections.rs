//! What a connection adds to a message: the same one answered without, over one that stays, and over one of its own.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use toolpost_json::{Frame, Limits};
use toolpost_server::{Connection, Server};
use toolpost_tool::Principal;

use crate::ours;

/// A server of the two tools, and a connection to it.
pub struct Connected {
    server: Server,
    stays: Connection,
}

pub fn connected() -> Connected {
    let server = Server::builder(ours::dispatcher()).build();
    let stays = server.connection(Principal::anonymous());
    Connected { server, stays }
}

impl Connected {
    /// As a message of its own, as HTTP answers its requests.
    pub fn without(&self, body: &[u8]) -> Vec<u8> {
        let frame = Frame::parse(Bytes::copy_from_slice(body), &Limits::new()).expect("a frame");
        let mut call = Box::pin(self.server.handle(frame, Principal::anonymous()));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(reply)) => reply,
            _ => unreachable!(),
        }
    }

    /// Over the connection that stays, as stdio answers its lines.
    pub fn staying(&mut self, body: &[u8]) -> Bytes {
        answer(&mut self.stays, body)
    }

    /// Over a connection of its own, as HTTP would if each of its requests had one.
    pub fn own(&self, body: &[u8]) -> Bytes {
        answer(&mut self.server.connection(Principal::anonymous()), body)
    }
}

fn answer(connection: &mut Connection, body: &[u8]) -> Bytes {
    connection.receive(Bytes::copy_from_slice(body));
    match connection.poll_send(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(reply)) => reply,
        _ => unreachable!(),
    }
}
