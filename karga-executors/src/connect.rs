//! Everything before t0: setting the scenario up and connecting its users.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
};

use karga_core::{ExecuteError, Scenario, error_chain};

/// How many users connect at the same time: enough to hide the round trips,
/// few enough not to overrun a target's listen queue.
const AT_ONCE: usize = 16;

/// Sets the scenario up.
pub(crate) async fn setup<S: Scenario>(scenario: &S) -> Result<(), ExecuteError<S::Error>> {
    match caught(|| scenario.setup()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(ExecuteError::Setup { source }),
        Err(message) => Err(panicked("setting up".to_owned(), message)),
    }
}

/// Connects users 0 to `users` and gives their actions in this order.
pub(crate) async fn connect<S: Scenario>(
    scenario: &S,
    users: u64,
) -> Result<Vec<S::Action>, ExecuteError<S::Error>> {
    let mut actions: Vec<Option<S::Action>> = Vec::new();
    actions.resize_with(usize::try_from(users).unwrap_or(usize::MAX), || None);
    let mut waiting = 0..users;
    let connect = |user| (user, Box::pin(caught(move || scenario.connect(user))));
    let mut connecting: Vec<_> = waiting.by_ref().take(AT_ONCE).map(connect).collect();
    poll_fn(|cx| {
        let mut at = 0;
        while let Some((user, future)) = connecting.get_mut(at) {
            let user = *user;
            match future.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(Ok(action))) => {
                    actions[user as usize] = Some(action);
                    match waiting.next() {
                        // The same place is polled again, for the next user.
                        Some(next) => connecting[at] = connect(next),
                        None => drop(connecting.swap_remove(at)),
                    }
                }
                Poll::Ready(Ok(Err(source))) => {
                    return Poll::Ready(Err(ExecuteError::Connect { user, source }));
                }
                Poll::Ready(Err(message)) => {
                    return Poll::Ready(Err(panicked(format!("connecting user {user}"), message)));
                }
            }
        }
        if connecting.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await?;
    Ok(actions.into_iter().flatten().collect())
}

/// What the scenario says of itself after the last iteration; a panic becomes a
/// warning, and nothing that was measured is lost.
pub(crate) fn told<T>(
    what: &str,
    say: impl FnOnce() -> Vec<T>,
    warnings: &mut Vec<String>,
) -> Vec<T> {
    catch_unwind(AssertUnwindSafe(say)).unwrap_or_else(|panic| {
        let message = message_of(&*panic);
        warnings.push(format!("the scenario's {what} panicked: {message}"));
        Vec::new()
    })
}

/// Tears the scenario down; what went wrong comes back as a warning.
pub(crate) async fn teardown<S: Scenario>(scenario: &S) -> Option<String> {
    match caught(|| scenario.teardown()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!(
            "the scenario's teardown failed: {}",
            error_chain(&error)
        )),
        Err(message) => Some(format!("the scenario's teardown panicked: {message}")),
    }
}

fn panicked<E>(during: String, message: String) -> ExecuteError<E> {
    ExecuteError::Panicked { during, message }
}

/// Runs a future and turns a panic in making or polling it into its message.
async fn caught<F: Future>(make: impl FnOnce() -> F) -> Result<F::Output, String> {
    let future = catch_unwind(AssertUnwindSafe(make)).map_err(|panic| message_of(&*panic))?;
    let mut future = pin!(future);
    poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| Pin::as_mut(&mut future).poll(cx)));
        match poll {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(message_of(&*panic))),
        }
    })
    .await
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "(no message)".to_owned()
    }
}
