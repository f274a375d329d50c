//! What one user does.

use karga_core::{Action, Aggregate};

use super::{ThinkTime, cut::Cut, load::Users, pace::Pace};
use crate::{
    engine::{Arrival, Seat},
    shard::Late,
};

/// Iterations one after the other, with a think time between them.
pub(super) async fn think<X, A>(
    load: &Users,
    action: X,
    mut seat: Seat<A, Users>,
    think: Option<ThinkTime>,
) where
    X: Action,
    A: Aggregate<X::Metric>,
{
    let mut thoughts = think.map(|think| think.of_user(seat.user));
    let mut index = seat.user;
    let mut presences = load.crowd.presences(seat.user);
    seat.begin().await;
    while let Some(presence) = presences.next() {
        let mut cut = Cut::new(load, seat.clock(), presence, presences.clone());
        // When the next iteration is to begin, if it is not at once.
        let mut at = Some(presence.from);
        loop {
            let was_to_begin = at.take();
            match was_to_begin {
                Some(at) if at > seat.now => seat.wait_until(at.min(presence.until)).await,
                _ => seat.look_if_stale(),
            }
            // Also where the thread was taken until long after: then there was
            // nothing left to wait for.
            let late = was_to_begin.map_or(Late::No, |at| seat.late(at, |_| false));
            if seat.is_stopped() {
                return;
            }
            if seat.now >= presence.until {
                break;
            }
            let due = seat.now;
            let arrival = Arrival { index, due, late };
            seat.run(&action, arrival, |cx| cut.poll(cx)).await;
            index += load.crowd.most();
            if let Some(thoughts) = &mut thoughts {
                at = Some(seat.now.saturating_add(thoughts.next()));
            }
            seat.end_turn().await;
        }
    }
}

/// Iterations at the due times of the user, however late.
pub(super) async fn keep_pace<X, A>(load: &Users, action: X, mut seat: Seat<A, Users>, pace: Pace)
where
    X: Action,
    A: Aggregate<X::Metric>,
{
    let mut index = seat.user;
    let mut presences = load.crowd.presences(seat.user);
    seat.begin().await;
    while let Some(presence) = presences.next() {
        let mut cut = Cut::new(load, seat.clock(), presence, presences.clone());
        let mut k = 0;
        while let Some(due) = pace.due(presence, k) {
            if due > seat.now {
                seat.look();
            }
            let waited = due > seat.now;
            if waited {
                seat.wait_until(due).await;
            } else {
                seat.look_if_stale();
            }
            if seat.is_stopped() {
                return;
            }
            if cut.is_over(seat.now) {
                // The user had to go before it could begin the rest.
                let missed = load.miss(&mut seat.rest, pace, presence, k);
                seat.miss(missed);
                break;
            }
            let late = seat.late(due, |seat| !waited && seat.was_busy_since(due));
            if let Some(rest) = &mut seat.rest {
                rest.taken += 1;
            }
            let arrival = Arrival { index, due, late };
            seat.run(&action, arrival, |cx| cut.poll(cx)).await;
            index += load.crowd.most();
            k += 1;
            seat.end_turn().await;
        }
    }
}
