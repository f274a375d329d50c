//! Ctrl-C: the first one ends the runs under way in good order, the second one
//! ends the process as if nobody listened.

use std::io;

pub(crate) use imp::CtrlC;

#[cfg(unix)]
mod imp {
    use std::sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    };

    use signal_hook::{consts::SIGINT, flag};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::io;

    /// Listens for Ctrl-C while it lives.
    #[derive(Debug)]
    pub(crate) struct CtrlC {
        signal: Signal,
        _active: Active,
    }

    impl CtrlC {
        pub(crate) fn listen() -> io::Result<Self> {
            let active = Active::begin()?;
            Ok(Self {
                signal: signal(SignalKind::interrupt())?,
                _active: active,
            })
        }

        /// Waits for Ctrl-C.
        pub(crate) async fn pressed(&mut self) {
            // `None` would mean that the runtime's driver is gone.
            if self.signal.recv().await.is_none() {
                std::future::pending().await
            }
        }
    }

    /// Whether SIGINT has its default effect, and how many runs listen.
    #[derive(Debug)]
    struct Runs {
        active: usize,
        /// Looked at in the signal handler; made when the first run listens.
        default_effect: Option<Arc<AtomicBool>>,
    }

    static RUNS: Mutex<Runs> = Mutex::new(Runs {
        active: 0,
        default_effect: None,
    });

    fn runs() -> MutexGuard<'static, Runs> {
        RUNS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One run that listens.
    #[derive(Debug)]
    struct Active;

    impl Active {
        fn begin() -> io::Result<Self> {
            let mut runs = runs();
            let default_effect = match &runs.default_effect {
                Some(flag) => Arc::clone(flag),
                None => {
                    let flag = Arc::new(AtomicBool::new(true));
                    // In this order: the handler first looks whether the flag
                    // was set before this signal, then sets it for the next.
                    flag::register_conditional_default(SIGINT, Arc::clone(&flag))?;
                    flag::register(SIGINT, Arc::clone(&flag))?;
                    runs.default_effect = Some(Arc::clone(&flag));
                    flag
                }
            };
            if runs.active == 0 {
                default_effect.store(false, Ordering::SeqCst);
            }
            runs.active += 1;
            Ok(Self)
        }
    }

    impl Drop for Active {
        fn drop(&mut self) {
            let mut runs = runs();
            runs.active -= 1;
            if runs.active == 0
                && let Some(flag) = &runs.default_effect
            {
                flag.store(true, Ordering::SeqCst);
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::io;

    /// Listens for Ctrl-C while it lives.
    #[derive(Debug)]
    pub(crate) struct CtrlC;

    impl CtrlC {
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for Ctrl-C.
        pub(crate) async fn pressed(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }
    }
}
