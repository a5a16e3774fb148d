//! A client on stdin and stdout that writes, and does not read.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failure;
use crate::innocent::Figures;
use crate::served::Served;
use crate::wire::modern;

/// The longest that a sensible answer is waited for, once answers are read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the end of a server is waited for.
const LONGER: Duration = Duration::from_secs(20);
/// The id of the sensible request.
const SENSIBLE: &str = "sensible";

/// Floods a server with `line`, reads at last, asks something sensible, and floods it again; what was asked is the
/// innocent call. The server's pipes stay open, and full, until it has ended.
pub(crate) fn stdio(
    line: &'static str,
    workbench: &Path,
    root: &Path,
    period: Duration,
) -> Result<(Figures, Served), Failure> {
    let mut served = Served::stdio(workbench, root)?;
    let (stdin, stdout) = served.pipes().ok_or("no pipes")?;
    let mut figures = Figures::default();
    let flooding = flood(stdin, line, period / 2);
    let mut took = PATIENCE;
    let done = sensible(&flooding, stdout).map(|(stdin, stdout, after)| {
        took = after;
        let flooding = flood(stdin, line, period / 2);
        // Both stay as they are.
        std::thread::spawn(move || {
            std::thread::sleep(LONGER);
            drop((flooding, stdout));
        });
    });
    figures.note("server/discover", took, done);
    Ok((figures, served))
}

/// Writes `line` for so long. The pipe comes back when the writing is over, for which somebody may have to read.
fn flood(mut stdin: ChildStdin, line: &'static str, period: Duration) -> Receiver<ChildStdin> {
    let (back, flooding) = channel();
    std::thread::spawn(move || {
        let until = Instant::now() + period;
        let lines = format!("{line}\n").repeat(1_000);
        while Instant::now() < until && stdin.write_all(lines.as_bytes()).is_ok() {}
        let _gone = back.send(stdin);
    });
    std::thread::sleep(period);
    flooding
}

/// What is left of a server that answered: its pipes, and how long it took.
type Sensible = (ChildStdin, ChildStdout, Duration);

/// Reads all that is there, asks what the server is, and reads on until it says.
fn sensible(flooding: &Receiver<ChildStdin>, stdout: ChildStdout) -> Result<Sensible, String> {
    let (found, answered) = channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while matches!(stdout.read_line(&mut line), Ok(1..)) {
            if line.contains(SENSIBLE) {
                let _gone = found.send(stdout.into_inner());
                return;
            }
            line.clear();
        }
    });
    let mut stdin = flooding.recv_timeout(PATIENCE).map_err(|_| "reads nothing more".to_owned())?;
    let start = Instant::now();
    let request = modern(SENSIBLE, "server/discover", json!({}));
    writeln!(stdin, "{request}").map_err(|error| error.to_string())?;
    let stdout = answered.recv_timeout(PATIENCE).map_err(|_| "no answer".to_owned())?;
    Ok((stdin, stdout, start.elapsed()))
}
