//! Executors for karga on tokio: staged open-loop load with a complete account of every planned arrival.
