//! Prints each goal with its figure, and the count of those met.

/// Goals of one bench. Dropping nothing: call [`finish`](Goals::finish) last.
#[derive(Debug, Default)]
pub struct Goals {
    met: usize,
    all: usize,
    lines: Vec<String>,
}

impl Goals {
    /// No goals yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A goal that `figure` is at most `bound`.
    pub fn at_most(&mut self, what: &str, figure: f64, bound: f64) {
        self.judge(what, figure <= bound, &format!("{figure:.3} (at most {bound})"));
    }

    /// A goal that `figure` is at least `bound`.
    pub fn at_least(&mut self, what: &str, figure: f64, bound: f64) {
        self.judge(what, bound <= figure, &format!("{figure:.3} (at least {bound})"));
    }

    /// A goal with a yes or no answer.
    pub fn holds(&mut self, what: &str, holds: bool) {
        self.judge(what, holds, "");
    }

    /// What was printed of the goals so far.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Prints the last line, `goals met N/M`, and says whether all were met.
    #[must_use]
    pub fn finish(self) -> bool {
        println!("goals met {}/{}", self.met, self.all);
        self.met == self.all
    }

    fn judge(&mut self, what: &str, met: bool, figure: &str) {
        self.all += 1;
        self.met += usize::from(met);
        let line = format!("{:7} {what}: {figure}", if met { "met" } else { "not met" });
        println!("{line}");
        self.lines.push(line);
    }
}
