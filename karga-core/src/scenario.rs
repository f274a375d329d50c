use std::{convert::Infallible, error::Error, future::Future, sync::Arc};

use crate::{Action, Detail};

/// The metric of a scenario's action.
pub type MetricOf<S> = <<S as Scenario>::Action as Action>::Metric;

/// What to do under load: it connects virtual users and names the whole.
///
/// # Contract
///
/// An executor calls, in this order: [`setup`](Scenario::setup) once,
/// [`connect`](Scenario::connect) once for each user, then the actions, then
/// [`teardown`](Scenario::teardown) once, also after a run that was stopped, or
/// whose `setup` or `connect` failed. No load is offered before every user is
/// connected, and connecting is not part of any measured time.
///
/// An `Err` of `setup` or `connect` ends the run before the first arrival. An
/// `Err` of `teardown` becomes a warning of the run: nothing that was measured
/// is lost. So does a panic in what is asked for after the last iteration.
///
/// # Example
///
/// ```
/// use std::net::SocketAddr;
/// use karga_core::{ActionFn, Action, Iteration, Scenario};
///
/// struct Ping { addr: SocketAddr }
/// struct PingUser { addr: SocketAddr, user: u64 }
///
/// impl Action for PingUser {
///     type Metric = Result<(), std::io::Error>;
///     async fn call(&self, _: Iteration) -> Self::Metric {
///         let _ = (self.addr, self.user);
///         Ok(())
///     }
/// }
///
/// impl Scenario for Ping {
///     type Action = PingUser;
///     type Error = std::io::Error;
///
///     fn name(&self) -> &str { "ping" }
///
///     async fn connect(&self, user: u64) -> Result<PingUser, std::io::Error> {
///         Ok(PingUser { addr: self.addr, user }) // open the connection here
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use karga_core::{ActionFn, Iteration, Scenario};
///
/// struct Anonymous;
///
/// // A closure has no name that could stand here: keep the action's type
/// // nameable, or let `karga_core::scenario(name, action)` make the scenario.
/// impl Scenario for Anonymous {
///     type Action = ActionFn<impl Fn(Iteration) -> ()>;
///     type Error = std::convert::Infallible;
///     fn name(&self) -> &str { "anonymous" }
///     async fn connect(&self, _: u64) -> Result<Self::Action, Self::Error> { todo!() }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Scenario`",
    label = "not a `Scenario`",
    note = "give an action a name: `karga_core::scenario(\"name\", action)`, or implement `karga_core::Scenario` for `{Self}`"
)]
pub trait Scenario: Send + Sync {
    /// What each virtual user does.
    type Action: Action;
    /// Why a user could not be connected.
    type Error: Error + Send + Sync + 'static;

    /// The name of the scenario in every report.
    fn name(&self) -> &str;

    /// Connects one virtual user, numbered from 0, and gives its action.
    fn connect(&self, user: u64) -> impl Future<Output = Result<Self::Action, Self::Error>> + Send;

    /// Prepares the target once, before the first user connects. Does nothing
    /// by default.
    fn setup(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// Cleans up once, after the last iteration. Does nothing by default.
    fn teardown(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// What a person should know of the run that no figure says, such as the
    /// whole message of the first error of each class. Asked for once, after
    /// the last iteration; the remarks join the warnings of the run. None by
    /// default.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Facts of the run that a person should know and that are no warnings,
    /// such as which engine or protocol version was used. Asked for once, after
    /// the last iteration, as that may be what decided them; they become the
    /// run's [details](crate::Run::details). None by default.
    fn details(&self) -> Vec<Detail> {
        Vec::new()
    }
}

macro_rules! forward {
    ($(($($generics:tt)*) $type:ty;)*) => {$(
        impl<$($generics)*> Scenario for $type {
            type Action = S::Action;
            type Error = S::Error;
            fn name(&self) -> &str {
                (**self).name()
            }
            fn connect(
                &self,
                user: u64,
            ) -> impl Future<Output = Result<Self::Action, Self::Error>> + Send {
                (**self).connect(user)
            }
            fn setup(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
                (**self).setup()
            }
            fn teardown(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
                (**self).teardown()
            }
            fn remarks(&self) -> Vec<String> {
                (**self).remarks()
            }
            fn details(&self) -> Vec<Detail> {
                (**self).details()
            }
        }
    )*};
}

forward! {
    ('a, S: Scenario) &'a S;
    (S: Scenario) Arc<S>;
    (S: Scenario) Box<S>;
}

/// The scenario made by [`scenario`]: one action, shared by all users.
#[derive(Debug)]
pub struct ActionScenario<A> {
    name: String,
    action: Arc<A>,
}

/// Gives an action a name; every virtual user shares the action.
///
/// ```
/// use karga_core::{action_fn, scenario};
///
/// let ping = scenario("ping", action_fn(|_iteration| async {}));
/// # fn is_scenario(_: impl karga_core::Scenario) {}
/// # is_scenario(ping);
/// ```
pub fn scenario<A: Action>(name: impl Into<String>, action: A) -> ActionScenario<A> {
    ActionScenario {
        name: name.into(),
        action: Arc::new(action),
    }
}

impl<A> Clone for ActionScenario<A> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            action: Arc::clone(&self.action),
        }
    }
}

impl<A: Action> Scenario for ActionScenario<A> {
    type Action = Arc<A>;
    type Error = Infallible;

    fn name(&self) -> &str {
        &self.name
    }

    async fn connect(&self, _user: u64) -> Result<Self::Action, Self::Error> {
        Ok(Arc::clone(&self.action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActionFn, Iteration, action_fn};

    type Nothing = fn(Iteration) -> std::future::Ready<()>;

    struct Told;

    impl Scenario for Told {
        type Action = ActionFn<Nothing>;
        type Error = Infallible;
        fn name(&self) -> &str {
            "told"
        }
        async fn connect(&self, _: u64) -> Result<Self::Action, Infallible> {
            Ok(action_fn(|_| std::future::ready(())))
        }
        fn remarks(&self) -> Vec<String> {
            vec!["first timeout: nobody answered".to_owned()]
        }
        fn details(&self) -> Vec<Detail> {
            vec![Detail::new("engine", "lean")]
        }
    }

    #[test]
    fn what_it_says_of_itself_is_passed_on() {
        fn check(scenario: impl Scenario) {
            assert_eq!(scenario.remarks(), Told.remarks());
            assert_eq!(scenario.details(), Told.details());
        }
        check(&Told);
        check(Arc::new(Told));
        check(Box::new(Told));
    }
}
