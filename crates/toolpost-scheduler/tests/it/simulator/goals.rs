//! The experiments that the goals are stated on: 100 permits, exponential service of mean one second.

use toolpost_scheduler::{Fair, Priority, QueueLimits};

use super::{Job, Policy, Scheduled, Semaphore, Source, jain, quantile, run};

pub(crate) const SEATS: usize = 100;

/// The default scheduler, with room for a flood to queue in.
pub(crate) fn fair() -> Box<dyn Policy> {
    Box::new(Scheduled::new(SEATS, Fair::default(), QueueLimits::new(10_000)))
}

pub(crate) fn semaphore() -> Box<dyn Policy> {
    Box::new(Semaphore::new(SEATS))
}

/// One tenant floods a thousandfold while 999 others offer 70 % of capacity together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Jain's index, over the others, of jobs ended within the time by jobs asked for.
    pub(crate) jain: f64,
    /// The 99th percentile of the others' time from arrival to end, in mean service times.
    pub p99: f64,
    /// The same without the flood.
    pub p99_alone: f64,
}

pub(crate) fn flood(policy: fn() -> Box<dyn Policy>, length: f64, seed: u64) -> Flood {
    let each = 0.7 * SEATS as f64 / 999.0;
    let source =
        |rate, tenants| Source { rate, tenants, priority: Priority::Normal, service: 1.0, slack: None };
    let both = [source(each * 999.0, 1..1_000), source(each * 1_000.0, 0..1)];
    let alone = run(&both[..1], SEATS, length, seed, &mut *policy());
    let flooded = run(&both, SEATS, length, seed, &mut *policy());
    let mut asked = vec![0.0; 1_000];
    let mut served = vec![0.0; 1_000];
    for job in &flooded {
        asked[job.tenant as usize] += 1.0;
        // What ends long after the last arrival was not served when it was wanted.
        served[job.tenant as usize] += f64::from(u8::from(job.ended.is_some_and(|end| end <= length + 10.0)));
    }
    let shares: Vec<f64> = (1..1_000).filter(|&t| 0.0 < asked[t]).map(|t| served[t] / asked[t]).collect();
    let times = |jobs: &[Job]| {
        let victims = jobs.iter().filter(|job| job.tenant != 0);
        let mut times: Vec<f64> =
            victims.map(|job| job.ended.map_or(f64::INFINITY, |end| end - job.arrived)).collect();
        quantile(&mut times, 0.99)
    };
    Flood { jain: jain(&shares), p99: times(&flooded), p99_alone: times(&alone) }
}

/// Load above capacity, with deadlines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overload {
    /// Jobs that ended in time, per second, by the jobs that the permits can end per second.
    pub(crate) goodput: f64,
    /// The same as a part of the permits' time: what was spent on jobs that ended in time.
    pub(crate) useful: f64,
}

/// `load` times capacity, deadlines of five to twenty mean service times, a hundred tenants.
pub(crate) fn overload(policy: fn() -> Box<dyn Policy>, load: f64, length: f64, seed: u64) -> Overload {
    let source = Source {
        rate: load * SEATS as f64,
        tenants: 0..100,
        priority: Priority::Normal,
        service: 1.0,
        slack: Some((5.0, 20.0)),
    };
    let jobs = run(&[source], SEATS, length, seed, &mut *policy());
    // From when the queue has filled to the last arrival: neither the easy start nor the easy end.
    let (from, to) = (length * 0.2, length);
    let inside = |job: &&Job| job.ended.is_some_and(|end| from <= end && end < to);
    let good: Vec<&Job> = jobs.iter().filter(|job| job.in_time()).filter(inside).collect();
    let capacity = SEATS as f64 * (to - from);
    Overload {
        goodput: good.len() as f64 / capacity,
        useful: good.iter().fold(0.0, |sum, job| sum + job.service) / capacity,
    }
}

/// The mean of an experiment over seeds.
pub(crate) fn mean(seeds: std::ops::Range<u64>, experiment: impl Fn(u64) -> f64) -> f64 {
    let count = seeds.end - seeds.start;
    seeds.map(experiment).sum::<f64>() / count as f64
}
