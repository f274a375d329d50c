//! The open model: workers claim arrivals that come when they are due.

mod arriving;
mod work;

use std::{ops::Range, time::Duration};

use karga_core::{Action, Aggregate, LoadModel};

use self::arriving::Arriving;
use crate::{
    OverloadPolicy,
    engine::{Load, PerPhase, Seat, Settings, Until},
    source::Source,
};

/// The arrivals of a source, shared out among workers.
#[derive(Debug)]
pub(crate) struct Open<R> {
    arriving: Arriving<R>,
    workers: u64,
    /// How late an arrival may be before it is dropped.
    max_lag: Option<Duration>,
    /// The number of the first arrival after the warm-up.
    first: u64,
}

impl<R: Source> Open<R> {
    pub(crate) fn new(
        source: R,
        workers: u64,
        overload: OverloadPolicy,
        settings: &Settings,
    ) -> Self {
        Self {
            first: (settings.before_t0()).map_or(0, |t| source.count_until(t)),
            arriving: Arriving::new(source),
            workers,
            max_lag: match overload {
                OverloadPolicy::Queue => None,
                OverloadPolicy::Drop { max_lag } => Some(max_lag),
            },
        }
    }

    fn source(&self) -> &R {
        self.arriving.source()
    }

    fn count_until(&self, time: Option<Duration>) -> u64 {
        time.map_or(0, |time| self.source().count_until(time))
    }
}

impl<R: Source> Load for Open<R> {
    /// Numbers of arrivals.
    type Rest = Range<u64>;

    fn model(&self) -> LoadModel {
        LoadModel::Open
    }

    fn users(&self) -> u64 {
        self.workers
    }

    fn duration(&self) -> Duration {
        self.source().duration()
    }

    fn fills_its_time(&self) -> bool {
        true
    }

    fn arrivals(&self) -> Option<u64> {
        Some(self.source().len().saturating_sub(self.first))
    }

    fn rate_at(&self, t: Duration) -> f64 {
        self.source().rate_at(t)
    }

    fn planned(&self, until: Until) -> PerPhase<Option<u64>> {
        let all = PerPhase::split(&(0..self.count_until(until.time)), self.first);
        PerPhase::new(Some(all.warm_up), Some(all.result))
    }

    fn unbegun(&self, until: Until, rests: &[Range<u64>]) -> PerPhase<u64> {
        let planned = self.count_until(until.time);
        let mut unbegun = PerPhase::split(&(self.arriving.claimed()..planned), self.first);
        for rest in rests {
            unbegun.add(PerPhase::split(
                &(rest.start..rest.end.min(planned)),
                self.first,
            ));
        }
        unbegun
    }

    fn remains(&self) -> bool {
        self.arriving.claimed() < self.source().len()
    }

    fn rest(&self, _: u64) -> Range<u64> {
        0..0
    }

    async fn work<X, A>(action: X, seat: Seat<A, Self>)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        work::work(action, seat).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ops::ControlFlow,
        sync::{
            Arc, Mutex, OnceLock,
            mpsc::{Receiver, Sender, channel},
        },
        time::Instant,
    };

    use karga_core::{Account, BoxFuture, Observer, Snapshot, StopReason, action_fn, scenario};

    use super::*;
    use crate::{
        Handle,
        engine::{End, Ledger, Legacy, Phase, execute},
        handle::StopSignal,
        shard::Tally,
    };

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// 1000/s for 1 s.
    struct Flat;

    impl Source for Flat {
        type Memo = ();
        fn due(&self, k: u64, (): &mut ()) -> Duration {
            ms(k)
        }
        fn index(&self, k: u64) -> u64 {
            k
        }
        fn len(&self) -> u64 {
            1000
        }
        fn count_until(&self, t: Duration) -> u64 {
            (t.as_millis() as u64 + 1).min(1000)
        }
        fn rate_at(&self, _: Duration) -> f64 {
            1000.0
        }
        fn duration(&self) -> Duration {
            ms(1000)
        }
    }

    /// Of which so many are claimed.
    fn claimed(count: u64, warm_up: Duration) -> Open<Flat> {
        let settings = Settings {
            warm_up,
            ..Settings::default()
        };
        let open = Open::new(Flat, 8, OverloadPolicy::Queue, &settings);
        for k in 0..count {
            assert_eq!(open.arriving.claim(), k..k + 1);
        }
        open
    }

    fn completed(completed: u64) -> Tally {
        Tally {
            completed,
            ..Tally::default()
        }
    }

    /// A user in or before an iteration, the arrivals that it had claimed, and
    /// when the last was due that it began.
    fn leaves(
        ledger: &Ledger<Range<u64>>,
        cut: Option<Phase>,
        rest: Range<u64>,
        latest_due: Option<Duration>,
    ) {
        ledger.leave(Legacy {
            begun: PerPhase::default(),
            cut,
            rest: Some(rest),
            latest_due,
        });
    }

    fn close(
        ledger: &Ledger<Range<u64>>,
        open: &Open<Flat>,
        time: Option<Duration>,
        tally: PerPhase<Tally>,
    ) -> PerPhase<Account> {
        let end = End::Stop;
        let tally = PerPhase::new(&tally.warm_up, &tally.result);
        ledger.close(open, Until { time, end }, tally)
    }

    #[test]
    fn every_arrival_has_one_fate() {
        let ledger = Ledger::default();
        // Stopped at 99 ms, when 0 ... 99 were due and 0 ... 59 claimed: one
        // dropped, one cut off, one not begun, one that nobody could record.
        ledger.drop_one(Phase::Result);
        leaves(&ledger, Some(Phase::Result), 0..0, Some(ms(58)));
        leaves(&ledger, None, 59..60, None);
        let tally = Tally {
            unrecorded: 1,
            ..completed(56)
        };
        let tally = PerPhase::new(completed(0), tally);
        let accounts = close(&ledger, &claimed(60, ms(0)), Some(ms(99)), tally);
        assert_eq!(accounts.result, Account::new(100, 56, 1, 43));
        assert_eq!(accounts.warm_up, Account::default());
        assert_eq!(ledger.last_cut(Some(ms(99))), Some(ms(99)));
    }

    #[test]
    fn a_warm_up_has_an_account_of_its_own() {
        let ledger = Ledger::default();
        // The same, and 0 ... 49 were due in the warm-up.
        ledger.drop_one(Phase::WarmUp);
        leaves(&ledger, Some(Phase::WarmUp), 0..0, Some(ms(58)));
        leaves(&ledger, None, 48..51, None);
        let tally = PerPhase::new(completed(46), completed(9));
        let accounts = close(&ledger, &claimed(60, ms(50)), Some(ms(99)), tally);
        assert_eq!(accounts.warm_up, Account::new(50, 46, 1, 3));
        assert_eq!(accounts.result, Account::new(50, 9, 0, 41));
        assert_eq!(ledger.last_cut(Some(ms(99))), None);
    }

    #[test]
    fn what_was_claimed_and_not_due_was_not_planned() {
        let ledger = Ledger::default();
        for k in 8..12 {
            leaves(&ledger, None, k..k + 1, Some(ms(7)));
        }
        let tally = PerPhase::new(completed(0), completed(8));
        let accounts = close(&ledger, &claimed(12, ms(0)), Some(ms(9)), tally);
        assert_eq!(accounts.result, Account::new(10, 8, 0, 2));
    }

    #[test]
    fn what_was_begun_was_planned() {
        let ledger = Ledger::default();
        leaves(&ledger, None, 0..0, Some(ms(10)));
        let tally = PerPhase::new(completed(0), completed(11));
        let accounts = close(&ledger, &claimed(11, ms(0)), Some(ms(9)), tally);
        assert_eq!(accounts.result, Account::new(11, 11, 0, 0));
    }

    #[test]
    fn nothing_is_due_before_the_start() {
        let tally = PerPhase::default();
        let accounts = close(&Ledger::default(), &claimed(0, ms(0)), None, tally);
        assert_eq!(accounts, PerPhase::default());
    }

    /// Two arrivals. Whoever claims the second hears of it only when the run
    /// was stopped, and it is due after that.
    struct StoppedMeanwhile {
        begin: Instant,
        handle: Handle,
        stopped: Mutex<Receiver<()>>,
        second: OnceLock<Duration>,
    }

    impl Source for StoppedMeanwhile {
        type Memo = ();
        fn due(&self, k: u64, (): &mut ()) -> Duration {
            if k == 0 {
                return Duration::ZERO;
            }
            self.handle.stop();
            tokio::task::block_in_place(|| self.stopped.lock().unwrap().recv()).unwrap();
            let due = *self.second.get_or_init(|| self.begin.elapsed());
            while self.begin.elapsed() <= due {
                std::hint::spin_loop();
            }
            due
        }
        fn index(&self, k: u64) -> u64 {
            k
        }
        fn len(&self) -> u64 {
            2
        }
        fn count_until(&self, t: Duration) -> u64 {
            1 + u64::from(self.second.get().is_some_and(|due| *due <= t))
        }
        fn rate_at(&self, _: Duration) -> f64 {
            1.0
        }
        fn duration(&self) -> Duration {
            ms(3_600_000)
        }
    }

    /// Says when the run was stopped.
    struct Tells(Instant, Sender<()>);

    impl<A> Observer<A> for Tells {
        fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
            if snapshot.offered_rate == 0.0 {
                let _ = self.1.send(());
            }
            ControlFlow::Continue(())
        }
        fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
            Box::pin(std::future::ready(Some(self.0)))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_came_due_after_the_stop_is_not_dropped() {
        let settings = Settings {
            interval: ms(1),
            ..Settings::default()
        };
        let (begin, signal) = (Instant::now(), Arc::new(StopSignal::default()));
        let (sender, receiver) = channel();
        let source = StoppedMeanwhile {
            begin,
            handle: Handle::new(Arc::clone(&signal)),
            stopped: Mutex::new(receiver),
            second: OnceLock::new(),
        };
        let policy = OverloadPolicy::Drop {
            max_lag: Duration::ZERO,
        };
        let open = Open::new(source, 1, policy, &settings);
        let nothing = scenario("nothing", action_fn(|_| async {}));
        let mut tells = Tells(begin, sender);
        let run = execute(open, &settings, &signal, &nothing, (), &mut tells).await;
        let account = run.unwrap().account;
        assert_eq!((account.planned, account.interrupted), (1, 0));
        assert_eq!(account.completed + account.dropped, 1);
    }
}
