//! Draws what the scheduler is worth, from the simulator of its own tests: queue delay by class, fairness under a flood,
//! goodput under overload.

#[path = "../../crates/toolpost-scheduler/tests/it/simulator/mod.rs"]
mod simulator;

use std::fmt::Write as _;
use std::path::Path;

use simulator::goals::{SEATS, fair, overload, semaphore};
use simulator::{Job, Policy, Source, quantile};
use toolpost_scheduler::Priority;

use crate::{Done, root};

const SEEDS: std::ops::Range<u64> = 0..5;
const LENGTH: f64 = 200.0;

/// Writes the pictures that the guide shows; the same seeds draw the same pictures.
pub(crate) fn run() -> Done {
    let dir = root().join("crates/toolpost-scheduler/docs");
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut references = String::new();
    for (name, picture) in [
        ("delay", delay_by_class()),
        ("flood", fairness_under_flood()),
        ("overload", goodput_under_overload()),
    ] {
        let svg = picture.svg();
        _ = writeln!(references, "[{name}]: {}", data_uri(&svg));
        write(&dir.join(format!("{name}.svg")), &svg)?;
    }
    write(&dir.join("pictures.md"), &references)
}

/// A picture as a link that holds all of it: rendered documentation has no files beside it.
fn data_uri(svg: &str) -> String {
    let mut uri = String::from("data:image/svg+xml,");
    for byte in svg.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'/' | b':' | b'=' | b',' => {
                uri.push(char::from(byte));
            }
            _ => _ = write!(uri, "%{byte:02X}"),
        }
    }
    uri
}

fn write(path: &Path, text: &str) -> Done {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The 99th percentile of the wait, by load: urgent work stays quick, and nobody starves.
fn delay_by_class() -> Picture {
    let mut lines: Vec<Line> = ["background", "normal", "urgent", "semaphore, any"].map(Line::named).into();
    for load in [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3] {
        let source = |priority, part: f64, tenants| Source {
            rate: part * load * SEATS as f64,
            tenants,
            priority,
            service: 1.0,
            slack: None,
        };
        let sources = [
            source(Priority::Background, 0.2, 0..20),
            source(Priority::Normal, 0.5, 0..50),
            source(Priority::Urgent, 0.3, 0..30),
        ];
        let ours = waits(&sources, fair);
        for (line, priority) in
            lines.iter_mut().zip([Priority::Background, Priority::Normal, Priority::Urgent])
        {
            line.points.push((load * 100.0, p99(&ours, |job| job.priority == priority)));
        }
        lines[3].points.push((load * 100.0, p99(&waits(&sources, semaphore), |_| true)));
    }
    Picture {
        title: "Waiting for a permit, 99th percentile",
        x: "load, %",
        y: "mean service times",
        log: true,
        lines,
    }
}

/// A victim's time from arrival to end, by the size of the flood.
fn fairness_under_flood() -> Picture {
    let mut lines: Vec<Line> = ["toolpost", "semaphore"].map(Line::named).into();
    for times in [1.0, 10.0, 100.0, 300.0, 500.0, 1_000.0] {
        let each = 0.7 * SEATS as f64 / 999.0;
        let source =
            |rate, tenants| Source { rate, tenants, priority: Priority::Normal, service: 1.0, slack: None };
        let sources = [source(each * 999.0, 1..1_000), source(each * times, 0..1)];
        for (line, policy) in lines.iter_mut().zip([fair as fn() -> Box<dyn Policy>, semaphore]) {
            let jobs = waits(&sources, policy);
            line.points.push((times, p99_of(&jobs, |job| job.tenant != 0, |job| job.ended)));
        }
    }
    let title = "A victim beside a flood, 99th percentile of the time to the end";
    Picture { title, x: "size of the flood, times a victim's", y: "mean service times", log: true, lines }
}

/// The part of capacity that ends in time, by load.
fn goodput_under_overload() -> Picture {
    let mut lines: Vec<Line> = ["toolpost", "semaphore"].map(Line::named).into();
    for load in [0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0] {
        for (line, policy) in lines.iter_mut().zip([fair as fn() -> Box<dyn Policy>, semaphore]) {
            let goodput = simulator::goals::mean(SEEDS, |seed| overload(policy, load, LENGTH, seed).goodput);
            line.points.push((load * 100.0, goodput * 100.0));
        }
    }
    Picture { title: "Work that ends by its deadline", x: "load, %", y: "% of capacity", log: false, lines }
}

fn waits(sources: &[Source], policy: fn() -> Box<dyn Policy>) -> Vec<Job> {
    SEEDS.flat_map(|seed| simulator::run(sources, SEATS, LENGTH, seed, &mut *policy())).collect()
}

fn p99(jobs: &[Job], of: impl Fn(&Job) -> bool) -> f64 {
    p99_of(jobs, of, |job| job.started)
}

fn p99_of(jobs: &[Job], of: impl Fn(&Job) -> bool, until: impl Fn(&Job) -> Option<f64>) -> f64 {
    let jobs = jobs.iter().filter(|job| of(job));
    let mut times: Vec<f64> = jobs.filter_map(|job| Some(until(job)? - job.arrived)).collect();
    quantile(&mut times, 0.99)
}

struct Picture {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// Whether the upright axis is logarithmic, from a hundredth up.
    log: bool,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

impl Line {
    const fn named(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLORS: [&str; 4] = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e6c1f"];

impl Picture {
    fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (least, most) = points().fold((f64::MAX, 0.0_f64), |(a, b), (x, _)| (a.min(*x), b.max(*x)));
        let top = points().fold(0.0_f64, |top, (_, y)| top.max(*y)).max(1.0);
        let scale = |y: f64| if self.log { (y.max(0.01) * 100.0).log10() } else { y };
        let across = |x: f64| LEFT + (x - least) / (most - least) * (WIDTH - LEFT - RIGHT);
        let up = |y: f64| HEIGHT - BOTTOM - scale(y) / scale(top) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' \
             font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n\
             <text x='{LEFT}' y='22' font-size='15'>{}</text>\n",
            self.title
        );
        let ticks =
            if self.log { vec![0.01, 0.1, 1.0, 10.0, 100.0] } else { vec![0.0, 25.0, 50.0, 75.0, 100.0] };
        for y in ticks.into_iter().filter(|y| *y <= top * 1.01) {
            let at = up(y);
            _ = writeln!(svg, "<path d='M{LEFT} {at:.1}H{:.1}' stroke='#ddd'/>", WIDTH - RIGHT);
            _ = writeln!(svg, "<text x='{:.1}' y='{:.1}' text-anchor='end'>{y}</text>", LEFT - 6.0, at + 4.0);
        }
        for (x, _) in self.lines.first().map_or(&[][..], |line| &line.points) {
            let at = across(*x);
            _ = writeln!(
                svg,
                "<text x='{at:.1}' y='{:.1}' text-anchor='middle'>{x:.0}</text>",
                HEIGHT - BOTTOM + 18.0
            );
        }
        _ = writeln!(svg, "<text x='{LEFT}' y='{:.1}'>{}</text>", HEIGHT - 10.0, self.x);
        _ = writeln!(
            svg,
            "<text transform='translate(18 {:.1}) rotate(-90)'>{}</text>",
            HEIGHT - BOTTOM,
            self.y
        );
        for (line, color) in self.lines.iter().zip(COLORS) {
            let path: Vec<_> =
                line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
            _ = writeln!(
                svg,
                "<polyline points='{}' fill='none' stroke='{color}' stroke-width='2'/>",
                path.join(" ")
            );
            let end = line.points.last().map_or(TOP, |(_, y)| up(*y));
            _ = writeln!(
                svg,
                "<text x='{:.1}' y='{:.1}' fill='{color}'>{}</text>",
                WIDTH - RIGHT + 8.0,
                end + 4.0,
                line.name
            );
        }
        svg + "</svg>\n"
    }
}
