use karga_core::{Aggregate, Merge};

struct Sum(u64);

impl Merge for Sum {
    fn fork(&self) -> Self {
        Sum(0)
    }
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

fn needs_aggregate(_: impl Aggregate<()>) {}

fn main() {
    needs_aggregate(Sum(0));
}
