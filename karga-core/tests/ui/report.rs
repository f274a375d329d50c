use karga_core::{Account, Report, Run};

#[derive(Debug)]
struct Mean(f64);

fn derive<R: Report<()>>(run: &Run<()>) -> R {
    R::derive(run)
}

fn main() {
    let run = Run::new("ping", (), Account::default(), std::time::Duration::ZERO);
    println!("{:?}", derive::<Mean>(&run));
}
