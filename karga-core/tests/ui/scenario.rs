use karga_core::{Scenario, action_fn};

fn needs_scenario(_: impl Scenario) {}

fn main() {
    needs_scenario(action_fn(|_iteration| async {}));
}
