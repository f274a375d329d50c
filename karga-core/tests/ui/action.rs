use karga_core::scenario;

fn main() {
    scenario("ping", |_iteration| async {});
}
