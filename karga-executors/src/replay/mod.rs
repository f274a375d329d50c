mod packed;
mod read;
mod recording;
mod seconds;

pub use read::ReadRecordingError;
pub use recording::{Recording, RecordingError};
