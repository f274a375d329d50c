use std::{fmt, time::Duration};

use karga_core::{Account, LoadModel, Report, Run, StopReason};

/// What every run can tell, whatever it aggregates into. Its `Display` is a
/// table in GitHub-flavoured Markdown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    name: String,
    account: Account,
    elapsed: Duration,
    offered_rate: f64,
    achieved_rate: f64,
    model: LoadModel,
    stop: StopReason,
    warnings: Vec<String>,
}

impl<A> Report<A> for Figures {
    fn derive(run: &Run<A>) -> Self {
        let rate = |count: u64, time: Duration| match time.is_zero() {
            true => 0.0,
            false => count as f64 / time.as_secs_f64(),
        };
        Self {
            name: run.name.clone(),
            account: run.account,
            elapsed: run.elapsed,
            offered_rate: rate(run.account.planned, run.load_time),
            achieved_rate: rate(run.account.completed, run.elapsed),
            model: run.model,
            stop: run.stop.clone(),
            warnings: run.warnings.clone(),
        }
    }
}

/// Text in one cell: a pipe would end it, a line break the table.
struct Cell<'a>(&'a str);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '|' => f.write_str("\\|")?,
                '\n' | '\r' => f.write_str(" ")?,
                char => write!(f, "{char}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account {
            planned,
            completed,
            dropped,
            interrupted,
            ..
        } = self.account;
        writeln!(f, "### {}\n", Cell(&self.name))?;
        writeln!(f, "| figure | value |\n|---|---:|")?;
        writeln!(f, "| planned | {planned} |")?;
        writeln!(f, "| completed | {completed} |")?;
        writeln!(f, "| dropped | {dropped} |")?;
        writeln!(f, "| interrupted | {interrupted} |")?;
        writeln!(f, "| elapsed | {:.3} s |", self.elapsed.as_secs_f64())?;
        // In a closed model the target decides what is offered.
        if self.model != LoadModel::Closed {
            writeln!(f, "| offered | {:.1}/s |", self.offered_rate)?;
        }
        writeln!(f, "| achieved | {:.1}/s |", self.achieved_rate)?;
        writeln!(f, "| end | {} |", Cell(&self.stop.to_string()))?;
        if self.account.completed == 0 {
            writeln!(f, "\n> **Nothing was completed**: this run tells nothing.")?;
        }
        for warning in &self.warnings {
            writeln!(f, "\n> {}", Cell(warning))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_as_a_table() {
        let account = Account::new(100, 97, 2, 1);
        let mut run = Run::new("a|b", (), account, Duration::from_millis(2500));
        run.load_time = Duration::from_secs(2);
        run.stop = StopReason::Observer("too\nslow".into());
        run.warnings.push("look | here".into());
        let table = "### a\\|b\n\n\
            | figure | value |\n|---|---:|\n\
            | planned | 100 |\n| completed | 97 |\n| dropped | 2 |\n| interrupted | 1 |\n\
            | elapsed | 2.500 s |\n| offered | 50.0/s |\n| achieved | 38.8/s |\n\
            | end | stopped by an observer: too slow |\n\
            \n> look \\| here\n";
        assert_eq!(Figures::derive(&run).to_string(), table);
    }

    #[test]
    fn nothing_is_no_success() {
        let run = Run::new("x", (), Account::default(), Duration::ZERO);
        let table = Figures::derive(&run).to_string();
        assert!(table.contains("Nothing was completed"), "{table}");
    }
}
