//! Users whom a busy generator lets begin late are counted, whether they had
//! begun to wait or not.

use std::time::Duration;

use karga_core::{Executor, action_fn, scenario};
use karga_executors::{ThinkTime, UsersExecutor};
use tokio::time::advance;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test(start_paused = true)]
async fn who_is_kept_from_the_thread_is_late() {
    // Time passes within the action, as if it computed: nobody else runs.
    let computing = scenario("computing", action_fn(|_| advance(ms(100))));
    let executor = UsersExecutor::builder()
        .users(5)
        .duration(ms(1000))
        .think_time(ThinkTime::constant(ms(150)))
        .build()
        .unwrap();
    let run = executor.execute(&computing, (), &mut ()).await.unwrap();
    assert!(run.account.is_balanced());
    // All five are to begin at 0 s, and to go on together when the last is
    // done; each time one is on time and the others wait for it. In the second
    // round the time is over for the last.
    assert_eq!(run.account.planned, 9);
    assert_eq!(run.generator.late_with_free_worker, 7);
}
