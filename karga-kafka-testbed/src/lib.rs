//! An in-process, in-memory Kafka broker on a real TCP port, to test clients and load generators against.
