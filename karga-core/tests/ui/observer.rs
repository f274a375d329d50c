use karga_core::Observer;

struct Bell;

fn needs_observer(_: impl Observer<()>) {}

fn main() {
    needs_observer(Bell);
}
