//! Lines of a stream, each bounded.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::ProcessError;

/// How much room there is for the next read, at least.
const READ: usize = 8 << 10;

/// Reads lines from a stream, and never keeps more than one line of at most a limit and one read of 8 KiB.
///
/// ```
/// use toolpost_process::{Lines, ProcessError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut lines = Lines::new(&b"one\ntwo, which is long\n"[..], 8);
/// assert_eq!(lines.next().await?.unwrap(), "one");
/// assert!(matches!(lines.next().await, Err(ProcessError::LongLine { limit: 8, .. })));
/// # Ok::<(), ProcessError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    buffer: BytesMut,
    /// How much of the buffer is known to have no end of line.
    looked: usize,
    limit: usize,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of `source`, each of at most `limit` bytes.
    pub fn new(source: R, limit: usize) -> Self {
        Self { source, buffer: BytesMut::new(), looked: 0, limit, ended: false }
    }

    /// The next line, without its end (`\n` or `\r\n`); what comes after the last end is a line too. `None` when the
    /// stream has ended.
    ///
    /// # Errors
    ///
    /// [`LongLine`](ProcessError::LongLine) as soon as that many bytes came without an end, from then on at each call; or
    /// the stream's.
    ///
    /// # Cancel safety
    ///
    /// Nothing that was read is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ProcessError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.looked..]) {
                let end = self.looked + at;
                self.bounded(end)?;
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                self.looked = 0;
                return Ok(Some(without_return(line)));
            }
            self.looked = self.buffer.len();
            self.bounded(self.looked)?;
            if self.ended {
                let last = std::mem::take(&mut self.buffer);
                self.looked = 0;
                return Ok((!last.is_empty()).then(|| without_return(last)));
            }
            self.buffer.reserve(READ);
            let room = READ.min(self.limit.saturating_add(2).saturating_sub(self.looked).max(1));
            let mut part = (&mut self.source).take(room as u64);
            self.ended = part.read_buf(&mut self.buffer).await? == 0;
        }
    }

    fn bounded(&self, seen: usize) -> Result<(), ProcessError> {
        // A return before the end is no part of the line.
        let line = self.buffer[..seen].strip_suffix(b"\r").map_or(seen, <[u8]>::len);
        if self.limit < line {
            return Err(ProcessError::LongLine { limit: self.limit, seen });
        }
        Ok(())
    }
}

fn without_return(mut line: BytesMut) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut() {
        let text = b"first\r\n\nthird, of some length\nlast";
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            let mut lines = Lines::new(head.chain(tail), 21);
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            assert_eq!(all, ["first", "", "third, of some length", "last"], "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn one_endless_line_is_an_error_in_bounded_memory() {
        let mut lines = Lines::new(tokio::io::repeat(b'x'), 1 << 20);
        for _ in 0..3 {
            let error = lines.next().await.unwrap_err();
            let ProcessError::LongLine { limit, seen } = error else { panic!("{error}") };
            assert!(limit == 1 << 20 && limit < seen && seen <= limit + READ, "{seen}");
        }
        assert!(lines.buffer.capacity() <= (2 << 20) + 2 * READ, "{}", lines.buffer.capacity());
    }
}
