//! The traits and the data model of karga: scenarios, executors, samples, aggregates and reports, with no runtime, protocol or sink.
