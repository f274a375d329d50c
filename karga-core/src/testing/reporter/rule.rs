use super::super::rules;

rules! {
    /// What the kit checks of a reporter. Each is a promise of the contract; a
    /// failure names it.
    ReporterRule

    Ships: "`Reporter`", "`report` ships the report.";
    Again: "`Reporter`", "`report` may be called again, with the same or another report.";
    Tells: "`Reporter`", "What could not be shipped is an `Err`.";
    Whole: "`Reporter`", "A report is shipped whole or not at all: an `Err` leaves no half file.";
    Litter: "`Reporter`", "An `Err` leaves nothing behind.";
    Recovers: "`Reporter`", "After an `Err`, `report` may be called again.";
}
