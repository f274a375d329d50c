//! What is promised of any aggregate, held to by the kit of `karga-core`.

use std::io;

use karga_core::testing;
use karga_reporters::{CsvReporter, CsvSamples};

#[test]
fn samples_are_an_aggregate() {
    let csv = CsvReporter::builder()
        .buffer(256 << 20)
        .to_writer(io::sink())
        .unwrap();
    let counted = csv.clone();
    testing::aggregate(move || csv.samples())
        .figures(CsvSamples::recorded)
        .handed_on(move || counted.counts().recorded)
        .run();
}
