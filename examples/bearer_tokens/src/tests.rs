//! The example does what it says.

#[tokio::test]
async fn tokens_let_in_whom_they_are_for() {
    let lines = super::run().await.unwrap();
    let statuses: Vec<_> =
        lines.iter().map(|line| line.split(": ").nth(1).unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(statuses, ["401", "401", "200", "403", "200"], "{lines:#?}");
    assert!(lines[1].contains("the token is for another resource"), "{}", lines[1]);
    assert!(lines[3].contains(r#"scope="stock:read stock:write""#), "{}", lines[3]);
    assert!(
        lines.iter().all(|line| line.contains("200") || line.contains("resource_metadata=")),
        "{lines:#?}"
    );
}
