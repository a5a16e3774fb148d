//! The same cases under criterion, for curves over time.

use bench_spine::{limit, messages, ours, rmcp_types};
use criterion::{Criterion, criterion_group, criterion_main};

fn calls(criterion: &mut Criterion) {
    let server = ours::server();
    for (name, body) in [("small", messages::small()), ("structured", messages::structured())] {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("limit", |bencher| bencher.iter(|| limit::answer(&body)));
        group.bench_function("toolpost", |bencher| bencher.iter(|| server.answer(&body)));
        group.bench_function("rmcp_types", |bencher| bencher.iter(|| rmcp_types::answer(&body)));
        group.finish();
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
