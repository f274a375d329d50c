//! Reporters for karga: standard output, JSON and live progress.
