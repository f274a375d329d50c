//! Files that are replaced as a whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// What a path leads to.
pub(crate) enum Place {
    /// A file, or none yet, of this name (links followed) in this folder.
    File { folder: PathBuf, file: PathBuf },
    /// Something that cannot be replaced, such as a terminal or a pipe.
    Device,
}

/// # Errors
///
/// If the path is that of a folder, or has no file name.
pub(crate) fn place(path: &Path) -> io::Result<Place> {
    // Standard output may lead to a file, but replacing that would cut off
    // whatever else is printed there.
    let is_device = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    if is_device || path.starts_with("/proc") {
        return Ok(Place::Device);
    }
    let file = match fs::canonicalize(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    match fs::metadata(&file) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => return Ok(Place::Device),
        _ => {}
    }
    if file.file_name().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path has no file name",
        ));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(Place::File { folder, file })
}

/// Whether `replace` would find a place to write to; touches nothing.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match place(path)? {
        Place::File { folder, file } => temporary(&folder, &file).map(drop),
        Place::Device => device(path).map(drop),
    }
}

/// Makes `bytes` the whole of the file, by way of a temporary file beside it
/// that takes its name. If that fails, the old file stays as it is.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    stage(path, bytes)?.commit()
}

/// All that can fail for want of room, before anything is replaced.
pub(crate) fn stage<'a>(path: &Path, bytes: &'a [u8]) -> io::Result<Staged<'a>> {
    match place(path)? {
        Place::File { folder, file } => {
            let mut temporary = temporary(&folder, &file)?;
            temporary.write_all(bytes)?;
            // A crash after the rename must not leave an empty file behind.
            temporary.as_file().sync_all()?;
            Ok(Staged::File { temporary, file })
        }
        Place::Device => Ok(Staged::Device {
            device: device(path)?,
            bytes,
        }),
    }
}

/// What only has to take its place; without a [`commit`](Self::commit) nothing
/// is left of it.
pub(crate) enum Staged<'a> {
    File {
        temporary: NamedTempFile,
        file: PathBuf,
    },
    Device {
        device: File,
        bytes: &'a [u8],
    },
}

impl Staged<'_> {
    pub(crate) fn commit(self) -> io::Result<()> {
        match self {
            Self::File { temporary, file } => {
                temporary.persist(file)?;
                Ok(())
            }
            Self::Device { mut device, bytes } => device.write_all(bytes),
        }
    }
}

/// Opens what cannot be replaced, to be written to from its end on.
pub(crate) fn device(path: &Path) -> io::Result<File> {
    File::options().append(true).open(path)
}

/// A new file in the folder, which may be read by whoever may read `file`.
fn temporary(folder: &Path, file: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".karga-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As for any new file: what the umask leaves of it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder)?;
    if let Ok(old) = fs::metadata(file) {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    Ok(temporary)
}
