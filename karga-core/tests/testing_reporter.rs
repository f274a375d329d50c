//! The conformance kit for reporters: it lets those pass that keep the
//! contract, and catches every broken promise for what it is.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use karga_core::{
    Reporter,
    testing::{self, Place, ReporterRule as Rule},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    ShipsNothing,
    Fails,
    SaysTheSame,
    OnlyOnce,
    MixesReports,
    Silent,
    WritesBytewise,
    WritesOverTheOld,
    LeavesLitter,
    NeverRecovers,
    RecoversBroken,
}

/// A folder with one page and a limit to what can be written.
#[derive(Default)]
struct Folder {
    page: Option<Vec<u8>>,
    litter: Vec<String>,
    limit: Option<u64>,
    tries: u32,
    failed: bool,
}

#[derive(Clone, Default)]
struct Disk {
    fault: Fault,
    appends: bool,
    folder: Arc<Mutex<Folder>>,
}

impl Disk {
    fn folder(&self) -> MutexGuard<'_, Folder> {
        self.folder.lock().expect("nobody panics under the lock")
    }
}

struct Writer(Disk);

impl Reporter<str> for Writer {
    type Error = io::Error;

    async fn report(&self, report: &str) -> io::Result<()> {
        let (fault, appends) = (self.0.fault, self.0.appends);
        let mut folder = self.0.folder();
        let folder = &mut *folder;
        folder.tries += 1;
        let mut page = match appends {
            true => folder.page.clone().unwrap_or_default(),
            false => Vec::new(),
        };
        let text = match fault {
            Fault::SaysTheSame => b"the same",
            _ => report.as_bytes(),
        };
        page.extend_from_slice(text);
        let limit = folder.limit.unwrap_or(u64::MAX);
        let full = (text.len() as u64) > limit;
        let part = &text[..text.len().min(limit as usize)];
        let error = io::Error::from(io::ErrorKind::StorageFull);
        match fault {
            Fault::ShipsNothing => return Ok(()),
            Fault::Fails => return Err(error),
            Fault::OnlyOnce if folder.tries > 1 => return Err(error),
            Fault::MixesReports if folder.tries > 1 => page.truncate(page.len() - 1),
            Fault::Silent if full => return Ok(()),
            Fault::WritesBytewise if full => folder.page = Some(part.to_vec()),
            Fault::WritesOverTheOld if full => {
                if let Some(page) = &mut folder.page {
                    page.splice(..part.len().min(page.len()), part.iter().copied());
                }
            }
            Fault::LeavesLitter if full => folder.litter.push("page.tmp".into()),
            Fault::NeverRecovers if folder.failed => return Err(error),
            Fault::RecoversBroken if folder.failed => page.truncate(3),
            _ => {}
        }
        folder.failed |= full;
        if full {
            return Err(error);
        }
        folder.page = Some(page);
        Ok(())
    }
}

impl Place for Disk {
    type Reporter = Writer;

    fn reporter(&self) -> Writer {
        Writer(self.clone())
    }
    fn limit(&self, bytes: Option<u64>) {
        self.folder().limit = bytes;
    }
    fn read(&self) -> Option<Vec<u8>> {
        self.folder().page.clone()
    }
    fn litter(&self) -> Vec<String> {
        self.folder().litter.clone()
    }
}

fn disk(fault: Fault, appends: bool) -> impl Fn() -> Disk {
    move || Disk {
        fault,
        appends,
        ..Disk::default()
    }
}

const REPORTS: [&str; 2] = ["the first report", "another, which is a little longer"];

#[tokio::test]
async fn one_that_keeps_the_contract_passes() {
    for appends in [true, false] {
        testing::reporter(disk(Fault::None, appends), REPORTS)
            .run()
            .await;
    }
    let large = "a line of a large report\n".repeat(1000);
    testing::reporter(disk(Fault::None, false), [REPORTS[0], &large])
        .run()
        .await;
}

#[tokio::test]
async fn each_broken_promise_is_caught_for_what_it_is() {
    let broken = [
        (Fault::ShipsNothing, Rule::Ships),
        (Fault::Fails, Rule::Ships),
        (Fault::SaysTheSame, Rule::Ships),
        (Fault::OnlyOnce, Rule::Again),
        (Fault::MixesReports, Rule::Again),
        (Fault::Silent, Rule::Tells),
        (Fault::WritesBytewise, Rule::Whole),
        (Fault::WritesOverTheOld, Rule::Whole),
        (Fault::LeavesLitter, Rule::Litter),
        (Fault::NeverRecovers, Rule::Recovers),
        (Fault::RecoversBroken, Rule::Recovers),
    ];
    let mut wrong = Vec::new();
    for (fault, rule) in broken {
        for appends in [false, true] {
            match testing::reporter(disk(fault, appends), REPORTS)
                .check()
                .await
            {
                Err(found) if found.rules() == [rule] => {}
                Err(found) => wrong.push(format!("{fault:?}, not only {rule:?}: {found}")),
                Ok(()) => wrong.push(format!("{fault:?} was not caught")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let mut untested = Rule::ALL.to_vec();
    untested.retain(|rule| broken.iter().all(|(_, caught)| caught != rule));
    assert_eq!(untested, []);
}

#[tokio::test]
async fn a_place_that_is_only_unwritable_is_enough() {
    let kit = testing::reporter(disk(Fault::WritesBytewise, false), REPORTS);
    kit.limits([0]).run().await; // It writes nothing at all, which is allowed.
    let kit = testing::reporter(disk(Fault::Silent, false), REPORTS);
    let found = kit.limits([0]).check().await.map_err(|found| found.rules());
    assert_eq!(found, Err(vec![Rule::Tells]));
}
