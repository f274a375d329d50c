use karga_core::{Executor, Scenario};

struct Threads(usize);

fn needs_executor<S: Scenario>(_: impl Executor<S>, _: S) {}

fn main() {
    let ping = karga_core::scenario("ping", karga_core::action_fn(ping));
    needs_executor(Threads(4), ping);
}

async fn ping(_: karga_core::Iteration) {}
