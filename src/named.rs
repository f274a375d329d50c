use karga_core::{Detail, Scenario};

/// A scenario under another name; made by
/// [`LoadTestBuilder::name`](crate::LoadTestBuilder::name).
#[derive(Debug, Clone)]
pub struct Named<S> {
    name: Option<String>,
    scenario: S,
}

impl<S> Named<S> {
    /// `scenario`, called `name`, or what it calls itself for `None`.
    pub(crate) fn new(name: Option<String>, scenario: S) -> Self {
        Self { name, scenario }
    }
}

impl<S: Scenario> Scenario for Named<S> {
    type Action = S::Action;
    type Error = S::Error;

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.scenario.name())
    }

    fn connect(&self, user: u64) -> impl Future<Output = Result<Self::Action, Self::Error>> + Send {
        self.scenario.connect(user)
    }

    fn setup(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.scenario.setup()
    }

    fn teardown(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.scenario.teardown()
    }

    fn remarks(&self) -> Vec<String> {
        self.scenario.remarks()
    }

    fn details(&self) -> Vec<Detail> {
        self.scenario.details()
    }
}
