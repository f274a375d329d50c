use karga_core::{Metric, action_fn};

struct Answer;

fn needs_metric<M: Metric>(_: M) {}

fn main() {
    needs_metric(Answer);
    // The place where people meet it: what a closure returns.
    action_fn(|_iteration| async { Answer });
}
