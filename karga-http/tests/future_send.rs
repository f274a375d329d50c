//! Users can be spawned, and what they share can be shared.

use std::{error::Error, time::Duration};

use karga_core::{Action, Executor as _, Iteration, Metric, Scenario};
use karga_executors::IterationsExecutor;
use karga_http::{
    BuildError, Capture, Check, Engine, HttpMetric, HttpRequest, HttpScenario, HttpScenarioBuilder,
    HttpUser, HttpVersion, SetupError, Statuses, UnknownEngine, UnknownVersion,
};

fn send<T: Send>(_: &T) {}
fn send_sync<T: Send + Sync + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}
fn action<T: Action<Metric: Metric + Clone>>(_: &T) {}

#[tokio::test]
async fn futures_can_move_between_threads() {
    for engine in [Engine::Lean, Engine::Reqwest] {
        let scenario = HttpScenario::builder("http://127.0.0.1:1/{{index}}")
            .engine(engine)
            .build()
            .unwrap();
        send(&scenario.setup());
        send(&scenario.connect(0));
        send(&scenario.teardown());
        let user = scenario.connect(0).await.unwrap();
        action(&user);
        send(&user.call(Iteration::new(0, 0, Duration::ZERO)));
        fn owned<T: Send + 'static>(_: T) {}
        owned(async move { user.call(Iteration::new(0, 0, Duration::ZERO)).await });
        let executor = IterationsExecutor::shared(1, 1).build().unwrap();
        owned(async move { executor.execute(&scenario, (), &mut ()).await });
    }
}

#[test]
fn types_can_be_shared() {
    send_sync::<HttpScenario>();
    send_sync::<HttpScenarioBuilder>();
    send_sync::<HttpUser>();
    send_sync::<HttpMetric>();
    send_sync::<HttpRequest>();
    send_sync::<Check>();
    send_sync::<Statuses>();
    send_sync::<Capture>();
    send_sync::<Engine>();
    send_sync::<HttpVersion>();
    error::<BuildError>();
    error::<SetupError>();
    error::<UnknownEngine>();
    error::<UnknownVersion>();
}
