//! Where an example's summary goes.

use std::error::Error;

use karga::prelude::*;

/// Prints the summary, and writes it to a file where one is wanted. Neither is kept
/// from its own by what becomes of the other: the reader of standard output may have
/// gone, and a disk may be full.
pub(crate) async fn report(
    summary: &Summary,
    json: Option<&JsonReporter>,
) -> Result<(), Box<dyn Error>> {
    let written = match json {
        Some(json) => json.report(summary).await,
        None => Ok(()),
    };
    StdoutReporter::default().report(summary).await?;
    Ok(written?)
}
