//! What the data-driven tests have in common.

use expect_test::Expect;

/// Checks what becomes of each text: the text, and under it the lines of its outcome.
#[expect(clippy::needless_pass_by_value)] // So that tests read `expect![…]` and not `&expect![…]`.
pub(crate) fn check_each(texts: &[&str], outcome: impl Fn(&str) -> String, expected: Expect) {
    let mut result = String::new();
    for text in texts {
        result.push_str(text);
        for line in outcome(text).lines() {
            result.push_str("\n    ");
            result.push_str(line);
        }
        result.push('\n');
    }
    expected.assert_eq(&result);
}
