//! A connection that can be taken from the HTTP/1 dispatcher once the head of an answer is written.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready as at_once};
use std::io::{Error, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::{FromRequest, HttpRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

type Taker = Box<dyn FnOnce(TcpStream)>;

/// What the dispatcher reads and writes. When the stream was taken, it finds the connection broken, and
/// goes with its buffers.
pub(super) struct Wire(Rc<Slot>);

/// Where the stream can be taken. Every request of the connection has one as its connection data; the
/// connection does not stay open for it.
#[derive(Clone)]
pub(super) struct Handle(Weak<Slot>);

struct Slot {
    stream: RefCell<Option<TcpStream>>,
    taker: Cell<Option<Taker>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Rc::new(Slot { stream: Some(stream).into(), taker: Cell::default() }))
    }

    pub(super) fn handle(&self) -> Handle {
        Handle(Rc::downgrade(&self.0))
    }

    /// `None`: it was taken.
    pub(super) fn into_stream(self) -> Option<TcpStream> {
        self.0.stream.take()
    }

    fn with<T>(
        &self,
        io: impl FnOnce(Pin<&mut TcpStream>) -> Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        match &mut *self.0.stream.borrow_mut() {
            Some(stream) => io(Pin::new(stream)),
            None => Poll::Ready(Err(Error::from(ErrorKind::NotConnected))),
        }
    }
}

impl Handle {
    /// The body of an answer that `taker` goes on with, on the bare stream. If that never comes to pass,
    /// `taker` is dropped.
    pub(super) fn taken_by(&self, taker: impl FnOnce(TcpStream) + 'static) -> TakenOver {
        TakenOver { slot: self.0.clone(), taker: Some(Box::new(taker)) }
    }
}

impl Handle {
    /// Returns when the client has closed its side of the connection. Only for whoever the dispatcher polls:
    /// it has to be woken for input too.
    pub(super) async fn gone(&self) {
        poll_fn(|context| {
            let Some(slot) = self.0.upgrade() else { return Poll::Ready(()) };
            let stream = slot.stream.borrow();
            let Some(stream) = &*stream else { return Poll::Ready(()) };
            let mut byte = [0; 1];
            match stream.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
                // The next request, early: it lives.
                Poll::Ready(Ok(1..)) | Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl FromRequest for Handle {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let handle = request.conn_data::<Self>().cloned();
        at_once(handle.ok_or_else(|| ErrorInternalServerError("a connection without a handle")))
    }
}

/// A body without an end, as far as the dispatcher knows.
pub(super) struct TakenOver {
    slot: Weak<Slot>,
    taker: Option<Taker>,
}

impl MessageBody for TakenOver {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    /// First asked for when the head is in the dispatcher's buffer, and that is flushed next.
    fn poll_next(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<bytes::Bytes, Infallible>>> {
        if let Some(slot) = self.slot.upgrade()
            && let Some(taker) = self.taker.take()
        {
            slot.taker.set(Some(taker));
        }
        Poll::Pending
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.with(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The dispatcher flushes when the kernel has taken all that it had to write.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.with(|stream| stream.poll_flush(context)))?;
        if let Some(taker) = self.0.taker.take()
            && let Some(stream) = self.0.stream.take()
        {
            taker(stream);
            // So that the dispatcher looks once more, and goes.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }
}
