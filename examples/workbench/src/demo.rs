//! Calls every tool over real HTTP, with a client that is not ours, on whatever files there are.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Client, Era};
use crate::clock::now;
use crate::plan::{self, Expected, Planned};
use crate::report::{Form, Report};
use crate::serve::{Failure, executor, server, url};

/// Shows every tool at work over `root`; says whether all went as it had to.
///
/// # Errors
///
/// If `root` is no readable directory, or the server or the client does not come up.
pub fn run(root: &Path, form: Form) -> Result<bool, Failure> {
    let start = now();
    let server = server(root)?;
    let report = executor()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = url(listener.local_addr()?);
        let driven = async {
            let report = drive(&url, form).await;
            server.stop();
            report
        };
        let (served, report) = tokio::join!(server.serve(listener), driven);
        served?;
        report
    })?;
    report.show(form, now() - start)?;
    Ok(report.is_ok())
}

async fn drive(url: &str, form: Form) -> Result<Report, Failure> {
    let mut report = Report::default();
    form.progress("shaking hands");
    let client = Client::over_http(url, Era::Discover).await?;
    let names: Vec<String> = client.list().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
    for name in plan::TOOLS.into_iter().filter(|name| !names.iter().any(|listed| listed == name)) {
        report.fault(format!("the tool {name} is not listed"));
    }
    let first =
        Planned { tool: "list_files", arguments: json!({ "limit": 2_000 }), expected: Expected::Result };
    let (made, result) = plan::make(&client, &first).await?;
    let listed = result.structured_content.unwrap_or(Value::Null);
    let mut calls = vec![made];
    for planned in plan::each_tool(&listed) {
        form.progress(&format!("calling {}", planned.tool));
        calls.push(plan::make(&client, &planned).await?.0);
    }
    report.section(format!("{} tools at {url}, revision {}", names.len(), Era::Discover.revision()), calls);
    let mut refused = Vec::new();
    for planned in plan::refusals() {
        form.progress(&format!("calling {}", planned.tool));
        refused.push(plan::make(&client, &planned).await?.0);
    }
    report.section("What must be refused, with an answer to repair the call from", refused);
    client.close().await?;
    Ok(report)
}
