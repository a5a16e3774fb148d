//! Lines on stderr, for whoever reads them.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for a stderr that is read slowly; what comes beyond them is lost.
const WAITING: usize = 256;

/// The longest that the end of the process waits for the last lines.
const LAST: Duration = Duration::from_millis(200);

enum Said {
    Line(String),
    /// All that was said before is written.
    Over(SyncSender<()>),
}

/// Writes a line on stderr. One that is closed, or full and read by nobody, holds up nothing.
pub(crate) fn say(line: impl Into<String>) {
    let _lost = writer().try_send(Said::Line(format!("gateway: {}", line.into())));
}

/// Waits a little until what was said is written.
pub(crate) fn finish() {
    let (over, is_over) = sync_channel(1);
    if writer().try_send(Said::Over(over)).is_ok() {
        let _late = is_over.recv_timeout(LAST);
    }
}

fn writer() -> &'static SyncSender<Said> {
    static WRITER: OnceLock<SyncSender<Said>> = OnceLock::new();
    WRITER.get_or_init(|| {
        let (writer, lines) = sync_channel(WAITING);
        #[expect(clippy::disallowed_methods, reason = "ends with the process")]
        thread::spawn(move || {
            for said in lines {
                match said {
                    Said::Line(line) => drop(writeln!(io::stderr(), "{line}")),
                    Said::Over(over) => drop(over.try_send(())),
                }
            }
        });
        writer
    })
}
