//! karga: load testing, composed.
