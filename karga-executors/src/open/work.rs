//! One worker: claims the next arrival, waits until it is due, runs it and
//! records it.

use std::task::Poll;

use karga_core::{Action, Aggregate};

use super::Open;
use crate::{
    engine::{Arrival, Seat},
    source::Source,
};

/// Runs one worker to the end of the arrivals, or to the stop.
pub(super) async fn work<X, A, R>(action: X, mut seat: Seat<A, Open<R>>)
where
    X: Action,
    A: Aggregate<X::Metric>,
    R: Source,
{
    let shared = seat.shared();
    let Open {
        arriving, max_lag, ..
    } = &shared.load;
    let mut memo = R::Memo::default();
    seat.begin().await;
    while !seat.is_stopped() {
        let claim = arriving.claim();
        if claim.is_empty() {
            break;
        }
        let k = claim.start;
        let due = arriving.source().due(k, &mut memo);
        seat.rest = Some(claim);
        // `now` is the end of the iteration before: good enough to see that an
        // arrival is overdue, and one reading of the clock less.
        if due > seat.now {
            seat.look();
        }
        let waited = due > seat.now;
        if waited {
            seat.wait_until(due).await;
        } else if max_lag.is_some_and(|max_lag| seat.now - due > max_lag) {
            // The clock was read since the flag was: what came due after a stop
            // in between was not planned, so it stays among the rests.
            if seat.is_stopped() {
                break;
            }
            seat.rest = None;
            seat.drop_one(due);
            seat.look();
            seat.end_turn().await;
            continue;
        } else {
            seat.look_if_stale();
        }
        if seat.is_stopped() {
            break;
        }
        let arrival = Arrival {
            index: arriving.source().index(k),
            due,
            late: seat.late(due, |seat| !waited && seat.were_all_busy_since(due)),
        };
        seat.rest = None;
        seat.run(&action, arrival, |_| Poll::Pending).await;
        seat.end_turn().await;
    }
}
