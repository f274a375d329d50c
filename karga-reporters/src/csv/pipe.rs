//! The way from those who record to the thread that writes.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use super::{
    counts::{CsvCounts, Failure, Ledger},
    promise::{Promise, Promised, promise},
    row,
    sink::Sink,
    writer::Writer,
};

/// The size of a block of rows, unless the buffer is small.
const BLOCK: usize = 64 * 1024;

/// How many blocks make the least buffer.
const BLOCKS: usize = 16;

pub(super) enum Message {
    Rows {
        bytes: Vec<u8>,
        samples: u64,
        ledger: Arc<Ledger>,
    },
    /// To be dropped when all before it is written.
    Sync(Promise),
}

/// What both ends know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The memory of rows that are on their way, the block being written
    /// included.
    pub(super) on_the_way: AtomicUsize,
    pub(super) failure: Failure,
    /// Empty blocks to be filled again.
    spare: Mutex<Vec<Vec<u8>>>,
    /// How large they are.
    block: usize,
}

impl Shared {
    fn new(block: usize) -> Self {
        Self {
            block,
            ..Self::default()
        }
    }

    /// Takes a block back, unless that would take waiting.
    pub(super) fn give_back(&self, mut block: Vec<u8>) {
        // Not those that were cut to their size, or that a long row has grown.
        if !(self.block..=2 * self.block).contains(&block.capacity()) {
            return;
        }
        block.clear();
        if let Ok(mut spare) = self.spare.try_lock()
            && spare.len() < BLOCKS
        {
            spare.push(block);
        }
    }
}

/// Nobody who hands something over ever waits. The thread ends, and is waited
/// for, when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Gone only while it is dropped.
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    ledgers: Mutex<Vec<Arc<Ledger>>>,
    /// How many bytes may be on their way.
    buffer: usize,
    target: String,
}

impl Pipe {
    pub(super) fn open(
        target: String,
        sink: Box<dyn Sink>,
        begins_at: u64,
        buffer: usize,
    ) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let block = BLOCK.min(buffer / BLOCKS).max(row::USUAL);
        let shared = Arc::new(Shared::new(block));
        let writer = Writer::new(sink, begins_at, Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("karga-csv".into())
            .spawn(move || run(writer, &receiver))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            shared,
            ledgers: Mutex::default(),
            buffer,
            target,
        })
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    pub(super) const fn buffer(&self) -> usize {
        self.buffer
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.shared.failure.get()
    }

    /// A block with so many bytes in it is to be handed over.
    pub(super) fn full_at(&self) -> usize {
        self.shared.block - row::USUAL
    }

    pub(super) fn ledger(&self) -> Arc<Ledger> {
        let ledger = Arc::<Ledger>::default();
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.push(Arc::clone(&ledger));
        ledger
    }

    pub(super) fn counts(&self) -> CsvCounts {
        let ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = ledgers.iter().map(|ledger| ledger.counts());
        counts.fold(CsvCounts::default(), CsvCounts::add)
    }

    /// An empty block with room.
    pub(super) fn block(&self) -> Vec<u8> {
        let spare = self.shared.spare.try_lock().ok();
        let spare = spare.and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(self.shared.block))
    }

    /// Hands the rows of so many samples over, or counts these as lost.
    pub(super) fn send(&self, bytes: Vec<u8>, samples: u64, ledger: &Arc<Ledger>) {
        ledger.recorded.fetch_add(samples, Relaxed);
        // A block that is mostly empty would keep memory from others.
        let bytes = if bytes.len() < bytes.capacity() / 2 {
            let exact = bytes.as_slice().to_vec();
            self.shared.give_back(bytes);
            exact
        } else {
            bytes
        };
        let size = bytes.capacity();
        let before = self.shared.on_the_way.fetch_add(size, Relaxed);
        if before.saturating_add(size) > self.buffer {
            self.shared.on_the_way.fetch_sub(size, Relaxed);
            ledger.lost_to_full_buffer.fetch_add(samples, Relaxed);
            self.shared.give_back(bytes);
            return;
        }
        let message = Message::Rows {
            bytes,
            samples,
            ledger: Arc::clone(ledger),
        };
        let gone = match &self.sender {
            Some(sender) => sender.send(message).is_err(),
            None => true,
        };
        if gone {
            self.shared.on_the_way.fetch_sub(size, Relaxed);
            ledger.lost_to_error.fetch_add(samples, Relaxed);
        }
    }

    /// Ready when all that was handed over before is written or lost.
    pub(super) fn sync(&self) -> Promised {
        let (promise, promised) = promise();
        if let Some(sender) = &self.sender {
            // If the thread is gone, the promise comes back and is dropped,
            // which keeps it.
            let _ = sender.send(Message::Sync(promise));
        }
        promised
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // `run` lets no panic out.
            let _ = thread.join();
        }
    }
}

/// Writes until nobody is left who could send. After a panic of the writer all
/// that comes is lost, and counted.
fn run(mut writer: Writer, messages: &Receiver<Message>) {
    loop {
        let next = match messages.try_recv() {
            Ok(message) => Some(message),
            // What there is should be seen by whoever reads along.
            Err(_) => {
                guard(&mut writer, Writer::flush);
                messages.recv().ok()
            }
        };
        match next {
            Some(Message::Rows {
                bytes,
                samples,
                ledger,
            }) => guard(&mut writer, |writer| writer.rows(bytes, samples, &ledger)),
            Some(Message::Sync(promise)) => {
                guard(&mut writer, Writer::sync);
                drop(promise);
            }
            None => break,
        }
    }
    // The writer may panic when it is dropped, too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(writer)));
}

fn guard(writer: &mut Writer, act: impl FnOnce(&mut Writer)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(writer))) {
        let text = panic.downcast_ref::<&'static str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(String::as_str));
        writer.fail(format!(
            "the writer panicked: {}",
            text.unwrap_or("no text")
        ));
    }
}
