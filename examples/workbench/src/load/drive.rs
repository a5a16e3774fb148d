//! Closed and open loops.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Answer, Ask, Connection, Figures};
use crate::clock::{now, sleep_until};
use crate::serve::Failure;

/// How much longer than planned an open loop goes on, for calls that were due and not sent.
const EXTRA: Duration = Duration::from_secs(5);

/// When the next call is made.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// As soon as the one before it is answered.
    Closed,
    /// When it is due: so many calls per second on all connections together. Latencies count from then, so that a
    /// server which stops answering is not spared the calls that it kept from being sent.
    Open(f64),
}

/// A load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Connections, each with one call at a time.
    pub connections: u32,
    /// When the next call is made.
    pub pace: Pace,
    /// For how long calls are made.
    pub during: Duration,
    /// An answer that takes longer than this is not a normal one.
    pub slow: Option<Duration>,
}

/// Makes the load, and waits for the last answer.
///
/// # Errors
///
/// If the connections cannot be opened.
///
/// # Cancel safety
///
/// Dropping the future closes every connection.
pub async fn drive(ask: &Arc<Ask>, plan: Plan) -> Result<Figures, Failure> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(Connection::open(ask).await?);
    }
    let mut callers = JoinSet::new();
    let begun = now();
    for (number, connection) in (0..).zip(connections) {
        callers.spawn(Caller { ask: Arc::clone(ask), plan, number, begun }.call(connection));
    }
    let mut figures = Figures::new(plan.slow);
    while let Some(called) = callers.join_next().await {
        figures.add(&called?);
    }
    figures.took = now() - begun;
    Ok(figures)
}

struct Caller {
    ask: Arc<Ask>,
    plan: Plan,
    number: u32,
    begun: Instant,
}

impl Caller {
    async fn call(self, mut connection: Connection) -> Figures {
        let mut figures = Figures::new(self.plan.slow);
        for round in 0.. {
            let due = self.due(round);
            if self.plan.during <= due - self.begun {
                break;
            }
            if self.plan.during + EXTRA <= now() - self.begun {
                figures.unsent += (round..).take_while(|later| self.is_planned(*later)).count() as u64;
                break;
            }
            sleep_until(due).await;
            let (answer, is_lost) = match connection.call(&self.ask).await {
                Ok(answer) => (answer, false),
                Err(error) => (Answer::Failed(error.to_string()), true),
            };
            let done = now();
            figures.count(answer, done - due, done - self.begun);
            if is_lost {
                match Connection::open(&self.ask).await {
                    Ok(another) => connection = another,
                    Err(_) => break,
                }
            }
        }
        figures
    }

    /// When a call is to be made.
    fn due(&self, round: u64) -> Instant {
        match self.plan.pace {
            Pace::Closed => now(),
            Pace::Open(rate) => {
                let before = u64::from(self.number) + round * u64::from(self.plan.connections);
                self.begun + Duration::from_secs_f64(before as f64 / rate)
            }
        }
    }

    fn is_planned(&self, round: u64) -> bool {
        self.plan.pace != Pace::Closed && self.due(round) - self.begun < self.plan.during
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connections, seconds) = (self.connections, self.during.as_secs_f64());
        match self.pace {
            Pace::Closed => write!(f, "closed loop, {connections} connections, {seconds} s"),
            Pace::Open(rate) => write!(f, "{rate} calls/s, {connections} connections, {seconds} s"),
        }
    }
}
