use karga_core::{Aggregate, Sample};

struct Sum(u64);

impl<M> Aggregate<M> for Sum {
    fn record(&mut self, _: &Sample<M>) {
        self.0 += 1;
    }
}

fn main() {}
