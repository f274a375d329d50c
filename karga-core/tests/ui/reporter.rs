use karga_core::BoxReporter;

struct Printer;

fn main() {
    BoxReporter::<str>::new(Printer);
}
