//! Histogram aggregates, the summary report and the generator's verdict for karga.
