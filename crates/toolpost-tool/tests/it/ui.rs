//! A wrong `impl` gets a readable compiler error.

#[test]
fn wrong_impls_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
