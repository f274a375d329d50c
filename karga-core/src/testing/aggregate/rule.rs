use super::super::rules;

rules! {
    /// What the kit checks of an aggregate. Each is a promise of the contract;
    /// a failure names it.
    AggregateRule

    Record: "`Aggregate::record`", "Takes one sample in, and does not panic.";
    RecordPanic: "`Aggregate::record_panic`", "Takes in an iteration whose action panicked.";
    ForkEmpty: "`Merge::fork`", "An empty value: merging it changes nothing.";
    ForkConfigured: "`Merge::fork`", "A fork has the same configuration: it records as the one that it was forked from.";
    Commutative: "`Merge::merge`", "Merging is commutative.";
    Associative: "`Merge::merge`", "Merging is associative.";
    Split: "`Merge::merge`", "Shards, merged in any order, give what one aggregate gives that recorded every sample.";
    RecordAfterMerge: "`Merge::merge`", "An aggregate that was merged records on.";
    Duplicate: "`Merge::duplicate`", "A full copy, that stands for itself; what can be copied once always can.";
    Apart: "`Merge::fork_apart`", "An empty value, whose samples are handed on to nobody.";
    Memory: "`Aggregate`", "Memory is bounded by what is configured, never by the number of samples.";
}
