//! Prints each goal with its figure, and the count of those met. What is judged is a ratio within one run, or a count.

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

    /// A time, which is printed beside what an idle machine of two cores at 3 GHz took, and never judged: on another machine it
    /// says nothing.
    pub fn time(&mut self, what: &str, ns: f64, reference: f64) {
        let line = format!("time    {what}: {ns:.1} ns (for reference: {reference} ns)");
        println!("{line}");
        self.lines.push(line);
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
