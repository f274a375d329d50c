use std::{
    fmt::Display,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use karga_core::Reporter;

/// Ships a report as text: to stdout, or to a file that is replaced as a whole.
#[derive(Debug, Clone)]
pub(crate) enum MarkdownReporter {
    Stdout,
    File(PathBuf),
}

/// Why a report could not be shipped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarkdownError {
    #[error("the report could not be written to stdout")]
    Stdout(#[source] io::Error),
    #[error("the report could not be written to {}; what was there before stays", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl<R: Display + Sync + ?Sized> Reporter<R> for MarkdownReporter {
    type Error = MarkdownError;

    async fn report(&self, report: &R) -> Result<(), MarkdownError> {
        // The whole text first: nothing is opened before it is there.
        let text = report.to_string();
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush());
                match written {
                    // Whoever has closed it, as `head` does, has seen enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    written => written.map_err(MarkdownError::Stdout),
                }
            }
            Self::File(path) => replace(path, text.as_bytes()).map_err(|source| {
                let path = path.clone();
                MarkdownError::File { path, source }
            }),
        }
    }
}

/// Replaces a file as a whole: a reader sees the old text or the new one, never
/// a part, also if the disk is full or the process ends.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // The error of the writing says more than one of this.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use karga_core::testing::{self, Place};
    use tempfile::TempDir;

    use super::*;

    /// A file in a folder of its own. It becomes unwritable by another folder
    /// that stands where the temporary file is to be.
    struct Folder {
        dir: TempDir,
    }

    impl Folder {
        fn new() -> Self {
            let dir = TempDir::new().expect("a temporary folder");
            Self { dir }
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("run.md")
        }

        fn beside(&self) -> PathBuf {
            self.dir
                .path()
                .join(format!("run.md.{}.tmp", std::process::id()))
        }
    }

    impl Place for Folder {
        type Reporter = MarkdownReporter;

        fn reporter(&self) -> MarkdownReporter {
            MarkdownReporter::File(self.file())
        }

        fn limit(&self, bytes: Option<u64>) {
            match bytes {
                Some(_) => fs::create_dir(self.beside()).expect("nothing is there"),
                None => fs::remove_dir(self.beside()).expect("it is there"),
            }
        }

        fn read(&self) -> Option<Vec<u8>> {
            fs::read(self.file()).ok()
        }

        fn litter(&self) -> Vec<String> {
            let names = fs::read_dir(self.dir.path()).expect("the folder is there");
            let names = names.map(|entry| entry.expect("a name").file_name());
            let others = names.filter(|name| name != "run.md");
            others
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        }
    }

    /// It keeps every promise of the contract.
    #[tokio::test]
    async fn conforms() {
        testing::reporter(Folder::new, ["| old |\n", "| the new one |\n"])
            .limits([0])
            .run()
            .await;
    }
}
