use std::{fmt, future::Future, sync::Arc};

use crate::{Iteration, Metric};

/// What one virtual user does in one iteration.
///
/// # Contract
///
/// - `call` takes `&self`, because an executor may have several iterations of
///   one action in flight; state that changes belongs behind a lock or an
///   atomic, or in the future.
/// - The future may be dropped at any await point: the run was stopped, or its
///   grace time is over. It must not leave work behind that goes on.
/// - Do not stamp times: the executor does, around the call.
///
/// # Panics
///
/// A panic in `call` or in its future is one failed iteration of the class
/// `panic`; the run goes on.
///
/// # Example
///
/// ```
/// use karga_core::{Action, Iteration};
///
/// struct Ping { id: u64 }
///
/// impl Action for Ping {
///     type Metric = Result<(), std::io::Error>;
///
///     async fn call(&self, iteration: Iteration) -> Self::Metric {
///         let _ = (self.id, iteration.index);
///         Ok(())
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use std::rc::Rc;
/// use karga_core::{Action, Iteration};
///
/// struct Local;
///
/// impl Action for Local {
///     type Metric = ();
///
///     // The future must be `Send`: an `Rc` may not live across an await.
///     async fn call(&self, _: Iteration) {
///         let shared = Rc::new(1);
///         std::future::ready(()).await;
///         drop(shared);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Action`",
    label = "not an `Action`",
    note = "wrap a closure: `karga_core::action_fn(|iteration| async move {{ ... }})`, or implement `karga_core::Action` for `{Self}`"
)]
pub trait Action: Send + Sync + 'static {
    /// What one call measures.
    type Metric: Metric;

    /// Runs one iteration.
    fn call(&self, iteration: Iteration) -> impl Future<Output = Self::Metric> + Send;
}

impl<A: Action> Action for Arc<A> {
    type Metric = A::Metric;
    fn call(&self, iteration: Iteration) -> impl Future<Output = Self::Metric> + Send {
        (**self).call(iteration)
    }
}

impl<A: Action> Action for Box<A> {
    type Metric = A::Metric;
    fn call(&self, iteration: Iteration) -> impl Future<Output = Self::Metric> + Send {
        (**self).call(iteration)
    }
}

impl<A: Action> Action for &'static A {
    type Metric = A::Metric;
    fn call(&self, iteration: Iteration) -> impl Future<Output = Self::Metric> + Send {
        (**self).call(iteration)
    }
}

/// The action made by [`action_fn`].
#[derive(Clone, Copy)]
pub struct ActionFn<F> {
    f: F,
}

impl<F> fmt::Debug for ActionFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionFn")
            .field("f", &std::any::type_name::<F>())
            .finish()
    }
}

/// Makes an [`Action`] of a closure.
///
/// ```
/// use karga_core::action_fn;
///
/// let action = action_fn(|iteration| async move {
///     if iteration.index % 100 == 99 { Err("every hundredth") } else { Ok(()) }
/// });
/// # fn is_action(_: impl karga_core::Action) {}
/// # is_action(action);
/// ```
pub const fn action_fn<F, Fut>(f: F) -> ActionFn<F>
where
    F: Fn(Iteration) -> Fut + Send + Sync + 'static,
    Fut: Future + Send,
    Fut::Output: Metric,
{
    ActionFn { f }
}

impl<F, Fut> Action for ActionFn<F>
where
    F: Fn(Iteration) -> Fut + Send + Sync + 'static,
    Fut: Future + Send,
    Fut::Output: Metric,
{
    type Metric = Fut::Output;
    fn call(&self, iteration: Iteration) -> impl Future<Output = Self::Metric> + Send {
        (self.f)(iteration)
    }
}
