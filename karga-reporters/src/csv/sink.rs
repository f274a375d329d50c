//! Where rows go in the end.

use std::{
    fs::File,
    io::{self, Write},
};

/// A writer that may be able to take back what it wrote.
pub(super) trait Sink: Send {
    /// Writes some of the bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Hands on what was written.
    fn flush(&mut self) -> io::Result<()>;

    /// Waits until what was written will stay; some file systems notice only
    /// now that they have no room for it.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts off everything from `len` bytes on, if that can be.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A regular file, written from its beginning on by nobody else.
impl Sink for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// What was written to it is written.
pub(super) struct Stream<W>(pub(super) W);

impl<W: Write + Send> Sink for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}
