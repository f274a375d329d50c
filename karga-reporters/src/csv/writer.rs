//! What the writer's thread does with the rows that it gets.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{counts::Ledger, pipe::Shared, row, sink::Sink};

/// Bytes after which what was written is flushed even if more is to come.
const FLUSH: usize = 1 << 20;

pub(super) struct Writer {
    sink: Box<dyn Sink>,
    /// Where the last whole sample ends.
    end: u64,
    shared: Arc<Shared>,
    /// Samples that the sink took and did not flush yet.
    unflushed: Vec<(Arc<Ledger>, u64)>,
    unflushed_bytes: usize,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, begins_at: u64, shared: Arc<Shared>) -> Self {
        Self {
            sink,
            end: begins_at,
            shared,
            unflushed: Vec::new(),
            unflushed_bytes: 0,
        }
    }

    /// Writes a block, the rows of so many samples. After a failure nothing is written any more: a file with
    /// a hole in it would look like a whole one.
    pub(super) fn rows(&mut self, bytes: Vec<u8>, samples: u64, ledger: &Arc<Ledger>) {
        // Counted however this ends.
        let mut block = Block {
            shared: Arc::clone(&self.shared),
            ledger: Arc::clone(ledger),
            size: bytes.capacity(),
            lost: samples,
        };
        if self.shared.failure.get().is_some() {
            return;
        }
        let (taken, error) = self.put(&bytes);
        let (whole, end) = match &error {
            None => (samples, bytes.len()),
            Some(_) => row::whole_samples(&bytes[..taken]),
        };
        self.end += end as u64;
        block.lost -= whole;
        self.unflushed.push((Arc::clone(ledger), whole));
        self.unflushed_bytes += end;
        if let Some(error) = error {
            let mut what = error.to_string();
            if let Err(error) = self.sink.truncate(self.end) {
                what = format!("{what}; and its last row is cut short ({error})");
            }
            self.shared.failure.set(what);
            self.flush();
        } else if self.unflushed_bytes >= FLUSH {
            self.flush();
        }
        self.shared.give_back(bytes);
    }

    /// Writes as much as the sink takes.
    fn put(&mut self, bytes: &[u8]) -> (usize, Option<io::Error>) {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.sink.write(&bytes[taken..]) {
                Ok(0) => return (taken, Some(io::ErrorKind::WriteZero.into())),
                Ok(more) => taken = bytes.len().min(taken.saturating_add(more)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (taken, Some(error)),
            }
        }
        (taken, None)
    }

    pub(super) fn flush(&mut self) {
        if self.unflushed.is_empty() {
            return;
        }
        match self.sink.flush() {
            Ok(()) => {
                for (ledger, samples) in self.unflushed.drain(..) {
                    ledger.written.fetch_add(samples, Relaxed);
                }
                self.unflushed_bytes = 0;
            }
            Err(error) => self.fail(error.to_string()),
        }
    }

    pub(super) fn sync(&mut self) {
        self.flush();
        if self.shared.failure.get().is_none()
            && let Err(error) = self.sink.sync()
        {
            self.fail(format!(
                "{error}, said the file system in the end, so that what was written last may be \
                 missing"
            ));
        }
    }

    /// From here on nothing is written; what is not flushed is given up.
    pub(super) fn fail(&mut self, what: String) {
        self.shared.failure.set(what);
        for (ledger, samples) in self.unflushed.drain(..) {
            ledger.lost_to_error.fetch_add(samples, Relaxed);
        }
    }
}

/// A block that is being written; what is lost of it is counted when it is
/// dropped, also by a panic of the sink.
struct Block {
    shared: Arc<Shared>,
    ledger: Arc<Ledger>,
    size: usize,
    lost: u64,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.ledger.lost_to_error.fetch_add(self.lost, Relaxed);
        self.shared.on_the_way.fetch_sub(self.size, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk of so many bytes, which takes a few at a time.
    struct Disk {
        room: usize,
        bytes: Arc<Mutex<Vec<u8>>>,
        truncates: bool,
    }

    impl Sink for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.bytes.lock().expect("nothing panics under the lock");
            let taken = bytes.len().min(7).min(self.room - disk.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            if !self.truncates {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let mut disk = self.bytes.lock().expect("nothing panics under the lock");
            disk.truncate(len as usize);
            Ok(())
        }
    }

    #[test]
    fn wherever_the_disk_is_full_the_file_ends_with_a_whole_sample() {
        let (one, two) = (b"1,\"a,\nb\",\n2,\n".as_slice(), b"3,0\n3,\n".as_slice());
        let ends = [0, 10, 13, 20];
        for room in 0..=20 {
            let disk = Arc::<Mutex<Vec<u8>>>::default();
            let shared = Arc::<Shared>::default();
            let sink = Disk {
                room,
                bytes: Arc::clone(&disk),
                truncates: true,
            };
            let mut writer = Writer::new(Box::new(sink), 0, Arc::clone(&shared));
            let ledger = Arc::<Ledger>::default();
            writer.rows(one.to_vec(), 2, &ledger);
            writer.rows(two.to_vec(), 1, &ledger);
            writer.sync();

            let written = ends.iter().filter(|end| **end <= room).count() - 1;
            let disk = disk.lock().expect("nothing panics under the lock");
            assert_eq!(*disk, [one, two].concat()[..ends[written]], "{room} bytes");
            let counts = ledger.counts();
            assert_eq!(counts.written, written as u64, "{room} bytes");
            assert_eq!(counts.lost_to_error, 3 - written as u64, "{room} bytes");
            assert_eq!(shared.failure.get().is_some(), written < 3);
        }
    }

    #[test]
    fn a_row_that_cannot_be_taken_back_is_named() {
        let shared = Arc::<Shared>::default();
        let sink = Disk {
            room: 5,
            bytes: Arc::default(),
            truncates: false,
        };
        let mut writer = Writer::new(Box::new(sink), 0, Arc::clone(&shared));
        writer.rows(b"1,\n2,\n".to_vec(), 2, &Arc::default());
        let failure = shared.failure.get().unwrap_or_default();
        assert!(failure.contains("its last row is cut short"), "{failure}");
    }
}
