//! One line of the table.

/// A measured figure with its bar.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: &'static str,
    pub(crate) what: String,
    /// The figure and its anchor as measured.
    pub(crate) measured: String,
    /// What is compared with the bar.
    pub(crate) figure: f64,
    pub(crate) unit: &'static str,
    pub(crate) bar: f64,
    pub(crate) aim: f64,
    /// A ratio to the anchor must be at least the bar; a time or size at most.
    pub(crate) more_is_better: bool,
}

impl Row {
    fn verdict(&self) -> &'static str {
        let passes = |limit: f64| {
            if self.more_is_better {
                self.figure >= limit
            } else {
                self.figure <= limit
            }
        };
        match (passes(self.bar), passes(self.aim)) {
            (true, true) => "pass, aim reached",
            (true, false) => "pass",
            (false, _) => "short",
        }
    }

    /// The row as it stands in the table.
    pub(crate) fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {:.3} {} | {} | {} | {} |",
            self.number,
            self.what,
            self.measured,
            self.figure,
            self.unit,
            self.bar,
            self.aim,
            self.verdict()
        )
    }

    /// The row in short.
    pub(crate) fn short_line(&self) -> String {
        format!(
            "| {} | {} | {:.3} {} | {} | {} |",
            self.number,
            self.what,
            self.figure,
            self.unit,
            self.bar,
            self.verdict()
        )
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "| # | what | measured | figure | bar | aim | verdict |\n\
                               |---|---|---|---|---|---|---|";
/// The head of the table in short.
pub(crate) const SHORT_HEAD: &str = "| # | what | figure | bar | verdict |\n|---|---|---|---|---|";
