//! When each step of a run ran, as bars in text and in SVG.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::draw::{color, html};
use crate::run::Run;
use crate::state::StepState;

impl Run {
    /// Draws when each step ran, as text: one line per step that started, its bar in `width` columns. A step
    /// still running ends at `now`. Empty unless the rules say [`timed`](crate::RunOptions::timed).
    #[must_use]
    pub fn timeline(&self, now: Instant, width: usize) -> String {
        Timeline::new(self, now).to_text(width.max(1))
    }

    /// Draws the same [timeline](Self::timeline) as an SVG picture, each bar in the color of how its step ended.
    #[must_use]
    pub fn timeline_svg(&self, now: Instant) -> String {
        Timeline::new(self, now).to_svg()
    }
}

/// The times of a run's steps, in order of their start. Steps that never started are not in it.
struct Timeline<'r> {
    plan: &'r str,
    bars: Vec<Bar<'r>>,
    /// From the first start to the last end.
    length: Duration,
}

struct Bar<'r> {
    name: &'r str,
    state: StepState,
    attempts: u32,
    from: Duration,
    to: Duration,
}

impl<'r> Timeline<'r> {
    fn new(run: &'r Run, now: Instant) -> Self {
        let graph = run.graph();
        let mut spans: Vec<_> = graph
            .steps()
            .filter_map(|step| Some((run.started_at(step)?, run.ended_at(step).unwrap_or(now), step)))
            .collect();
        spans.sort_by_key(|&(started, _, step)| (started, step));
        let zero = spans.first().map_or(now, |&(started, ..)| started);
        let bars: Vec<Bar<'r>> = spans
            .into_iter()
            .map(|(started, ended, step)| Bar {
                name: graph.step_name(step),
                state: run.state(step),
                attempts: run.attempts(step),
                from: started.saturating_duration_since(zero),
                to: ended.saturating_duration_since(zero),
            })
            .collect();
        let length = bars.iter().map(|bar| bar.to).max().unwrap_or_default();
        Self { plan: graph.name(), bars, length }
    }

    fn to_text(&self, width: usize) -> String {
        let names = self.bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for bar in &self.bars {
            let from = (self.at(bar.from, width as f64).round() as usize).min(width - 1);
            let to = (self.at(bar.to, width as f64).round() as usize).clamp(from + 1, width);
            let (before, drawn) = (" ".repeat(from), "#".repeat(to - from));
            let after = " ".repeat(width - to);
            let took = bar.to.saturating_sub(bar.from);
            let _ = write!(out, "{:names$} |{before}{drawn}{after}| {took:?} {}", bar.name, bar.state);
            match bar.attempts {
                2.. => {
                    let _ = writeln!(out, ", {} attempts", bar.attempts);
                }
                _ => out.push('\n'),
            }
        }
        out
    }

    fn to_svg(&self) -> String {
        const WIDTH: f64 = 800.0;
        const NAMES: f64 = 200.0;
        let height = 20 * self.bars.len() + 30;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <text x=\"4\" y=\"16\">{} ({:?})</text>\n",
            WIDTH + NAMES,
            html(self.plan),
            self.length,
        );
        for (i, bar) in self.bars.iter().enumerate() {
            let y = 20 * i + 24;
            let (from, to) = (self.at(bar.from, WIDTH), self.at(bar.to, WIDTH));
            let name = html(bar.name);
            let took = bar.to.saturating_sub(bar.from);
            let _ = writeln!(
                out,
                "<text x=\"4\" y=\"{}\">{name}</text><rect x=\"{:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"16\" \
                 fill=\"{}\"><title>{name}: {}, {took:?}, attempts: {}</title></rect>",
                y + 13,
                NAMES + from,
                (to - from).max(1.0),
                color(bar.state),
                bar.state,
                bar.attempts,
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn at(&self, time: Duration, width: f64) -> f64 {
        match self.length.is_zero() {
            true => 0.0,
            false => time.as_secs_f64() / self.length.as_secs_f64() * width,
        }
    }
}
